//! The kind `Rule`: which requests go to which Upstream, and how.
//!
//! Where several Rules match a request, the precedence of the Gateway API's HTTPRoute decides; `matches` therefore has its
//! shape and its words.

// The derive repeats each struct inside a function, where its `pub` reaches nobody. Doc comments here are read with
// `kubectl explain`, where kinds such as ConfigMap are plain words. Clippy takes two printer columns for one attribute.
#![allow(unreachable_pub, clippy::doc_markdown, clippy::duplicated_attributes)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::retry::Retry;
use crate::scalars::{Duration, Percent, Size};
use crate::shapes;

/// Which requests go to which Upstream, and how.
#[derive(CustomResource, KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[kube(
    group = "sluicegate.dev",
    version = "v1alpha1",
    kind = "Rule",
    namespaced,
    doc = "A Rule says which requests go to which Upstream, and how. The Rule that fits a request best takes it: an exact path wins over a regular expression, that over the longest prefix or glob, then methods, headers and query count.",
    status = "RuleStatus",
    shortname = "sgr",
    category = "sluicegate",
    printcolumn(name = "Hosts", type_ = "string", json_path = ".spec.hostnames"),
    printcolumn(name = "Upstream", type_ = "string", json_path = ".spec.upstream"),
    printcolumn(name = "Active", type_ = "boolean", json_path = ".spec.active"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("has(self.upstream) != has(self.targets)")
    .message("write exactly one of upstream and targets"))]
#[x_kube(validation = Rule::new(
    "!has(self.stripPath) || !self.stripPath || !has(self.matches) || self.matches.all(m, !has(m.path) || \
     !has(m.path.type) || m.path.type in ['Prefix', 'Glob'])"
    ).message("stripPath takes off a Prefix, or a Glob's part before the star; the other types have no such part")
    .field_path(".stripPath"))]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// `false` switches the Rule off, as if it were not there.
    #[serde(default = "default_active")]
    pub active: bool,
    /// The host names that the Rule serves, compared without regard to capital letters. `*.` in front stands for any
    /// subdomain, of one label or more. Left out: every host.
    #[schemars(schema_with = "shapes::hostnames")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The Rule takes requests that any of these matches. Left out: every request to its host names.
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RuleMatch>,
    /// The share, in percent, of the requests it matches that the Rule takes; the rest goes on to the next Rule that
    /// matches. A user stays on the same side: the share is sticky by the user's name, or else by the client's address.
    /// Left out: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_percent: Option<Percent>,
    /// Takes the matched prefix, or the part of a glob before its first star, off the path before the request is sent on.
    /// What is left begins with `/`.
    #[serde(default)]
    pub strip_path: bool,
    /// Changes to the request's headers before it is sent on, in the order `remove`, `set`, `add`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<HeaderEdits>,
    /// How much of a request's body may be read ahead and kept, to find the model or the conversation in it and to send it
    /// again. A larger body is not tried again once it has been sent. Left out: 1Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_size: Option<Size>,
    /// The name of an Upstream in this namespace. Exactly one of `upstream` and `targets`.
    #[schemars(schema_with = "shapes::object_name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Targets written in place of an Upstream. Exactly one of `upstream` and `targets`.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(t, has(t.weight)) || self.all(t, !has(t.weight))")
        .message("write the weights of all targets, or of none"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<InlineTarget>,
    /// Time limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// When and how a request is tried again. `{}` has the defaults. Left out: only what was never sent is tried elsewhere,
    /// and where the Upstream has several priority levels, an idempotent request goes on to the next level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Who gets a free connection first while requests wait for one: `Critical` before `High`, `High` before `Normal`,
    /// `Normal` before `Low`.
    #[serde(default)]
    pub priority: Priority,
}

fn default_active() -> bool {
    true
}

/// Conditions that must all hold.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RuleMatch {
    /// The request's path. Left out: every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Any of these methods. Left out: every method.
    #[schemars(schema_with = "shapes::methods")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these headers. Of a header that occurs more than once, any value will do.
    #[schemars(schema_with = "shapes::header_matches")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// All of these query parameters. Of a parameter that occurs more than once, any value will do.
    #[schemars(schema_with = "shapes::query_matches")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueMatch>,
    /// The size of the body, as the request's Content-Length declares it; 0 for a request without a body. A body that comes
    /// without a declared length does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<ContentLengthMatch>,
    /// Any of these models, as named by `model` in the JSON body. A `*` at the end stands for any text.
    #[schemars(schema_with = "shapes::models")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<String>,
    /// Any of these user tiers, as the installation's tier header names them.
    #[schemars(schema_with = "shapes::labels")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_tier: Vec<String>,
    /// Any of these user segments, as the installation's segment header names them.
    #[schemars(schema_with = "shapes::labels")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_segment: Vec<String>,
}

/// How a path is compared.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// Whole path elements from the start: `/api` takes `/api` and `/api/x`, not `/apix`.
    #[default]
    Prefix,
    /// `*` stands for any text within a path element, a final `*` for any text at all.
    Glob,
    /// A regular expression that must match the whole path.
    RegularExpression,
}

/// A path condition.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new(
    "(has(self.type) && self.type == 'RegularExpression') || self.value.startsWith('/')"
    ).message("a path begins with /").field_path(".value"))]
#[x_kube(validation = Rule::new(
    format!("(has(self.type) && self.type == 'RegularExpression') || self.value.matches('{}')", shapes::REQUEST_PATH)
    ).message("a path has no ? and no #; spaces and characters outside ASCII are written as %20")
    .field_path(".value"))]
#[x_kube(validation = Rule::new(
    "(has(self.type) && self.type == 'RegularExpression') || !self.value.matches('/([.]|%2[Ee]){1,2}(/|$)')"
    ).message("requests' paths have no . and .. elements any more when they are compared: write the path without them")
    .field_path(".value"))]
#[x_kube(validation = Rule::new(
    "(has(self.type) && self.type != 'Prefix') || !self.value.contains('*')"
    ).message("a Prefix has no *: write type Glob, or leave out the star").field_path(".value"))]
#[x_kube(validation = Rule::new(
    "!has(self.type) || self.type != 'Glob' || !self.value.matches('[*][*]|[{}]')"
    ).message("only * is special in a Glob, and once: at the end it takes any text; write RegularExpression for more")
    .field_path(".value"))]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// How the value is compared. `Exact`: the whole path. `Prefix`: whole path elements from the start, so that `/api` takes
    /// `/api` and `/api/x` but not `/apix`. `Glob`: a `*` stands for any text within a path element, a `*` at the end for
    /// any text at all. `RegularExpression`: must match the whole path.
    #[serde(default, rename = "type")]
    pub type_: PathMatchType,
    /// The path, prefix, glob or regular expression.
    #[schemars(length(min = 1, max = 1024))]
    pub value: String,
}

/// How a header's or query parameter's value is compared.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueMatchType {
    /// Equal to the value.
    #[default]
    Exact,
    /// A regular expression that must match the whole value.
    RegularExpression,
    /// There at all, with any value.
    Present,
}

/// A condition on a header or a query parameter.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("(has(self.type) && self.type == 'Present') || has(self.value)")
    .message("a value is needed, but for type Present"))]
#[x_kube(validation = Rule::new("!has(self.type) || self.type != 'Present' || !has(self.value)")
    .message("type Present takes any value: leave value out").field_path(".value"))]
#[serde(rename_all = "camelCase")]
pub struct ValueMatch {
    /// The name of the header, where capital letters make no difference, or of the query parameter, where they do.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// How the value is compared. `Exact`: equal to it. `RegularExpression`: must match the whole value. `Present`: there, with
    /// any value.
    #[serde(default, rename = "type")]
    pub type_: ValueMatchType,
    /// The value or regular expression; not with type Present.
    #[schemars(length(max = 4096))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Bounds on the declared `Content-Length`; a request without one does not match.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.min) || has(self.max)").message("write min, max or both"))]
#[x_kube(validation = Rule::new(
    "!has(self.min) || !has(self.max) || quantity(string(self.min)).compareTo(quantity(string(self.max))) <= 0"
    ).message("min is above max: no request can match"))]
#[serde(rename_all = "camelCase")]
pub struct ContentLengthMatch {
    /// At least this many bytes, such as 10Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Size>,
    /// At most this many bytes, such as 100Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Size>,
}

/// Header changes, done in the order remove, set, add.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new(
    "!has(self.set) || !has(self.add) || !self.set.exists(a, self.add.exists(b, a.lowerAscii() == b.lowerAscii()))"
    ).message("a header stands in set and in add: write it once"))]
#[x_kube(validation = Rule::new(
    "!has(self.remove) || !has(self.set) || !self.remove.exists(a, self.set.exists(b, a.lowerAscii() == b.lowerAscii()))"
    ).message("a header stands in remove and in set: set takes off what was there, too"))]
#[x_kube(validation = Rule::new(
    "!has(self.remove) || !has(self.add) || !self.remove.exists(a, self.add.exists(b, a.lowerAscii() == b.lowerAscii()))"
    ).message("a header stands in remove and in add: write set, which does both"))]
#[serde(rename_all = "camelCase")]
pub struct HeaderEdits {
    /// Headers that get exactly this value, in place of any that the request has. A `host` takes the place of the target's
    /// own.
    #[schemars(schema_with = "shapes::set_headers")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Headers that get this value besides any that the request has.
    #[schemars(schema_with = "shapes::added_headers")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Headers that are taken off.
    #[schemars(schema_with = "shapes::removed_headers")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A target written in place.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InlineTarget {
    /// `http://` or `https://`, a host, and if need be a port and a path that is put in front of the path of each request.
    #[schemars(schema_with = "shapes::target_url")]
    pub url: String,
    /// The target's share of the Rule's requests, in percent. 0 gets none. Where the weights do not add up to 100, all
    /// targets with a weight above 0 get equal shares, and the condition PartiallyInvalid says so.
    #[schemars(range(max = 100))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
}

/// Time limits.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new(
    "!has(self.perTry) || !has(self.request) || duration(self.perTry) <= duration(self.request)"
    ).message("perTry is above request: the request would end first").field_path(".perTry"))]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// How long it may take from the request's head until the head of the target's answer; then the answer is 504. Left out:
    /// no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Duration>,
    /// How long it may take from the sending of an attempt until the head of its answer; then it is tried again where `retry`
    /// allows it, or else the answer is 504. A connection that is opened for it may take as long. Left out: no limit but
    /// `request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try: Option<Duration>,
    /// How long the answer's body may stand still; then the connection is closed. Left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

/// Who gets a free connection first.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Before all others.
    Critical,
    /// Before Normal and Low.
    High,
    /// Before Low.
    #[default]
    Normal,
    /// After all others.
    Low,
}

/// What the controller observed.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RuleStatus {
    /// `Accepted`: the object is valid and in force. `ResolvedRefs`: its Upstream exists. `PartiallyInvalid`: it is in force,
    /// but not quite as written. `Programmed`: every ready proxy has it in use.
    #[schemars(schema_with = "shapes::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
