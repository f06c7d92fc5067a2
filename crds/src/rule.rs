//! The kind `Rule`: which requests go to which Upstream, and how.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalars::{Duration, Percent, Size};

/// Which requests go to which Upstream, and how.
#[derive(CustomResource, KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[kube(
    group = "sluicegate.dev",
    version = "v1alpha1",
    kind = "Rule",
    namespaced,
    status = "RuleStatus",
    category = "sluicegate"
)]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// `false` switches the rule off.
    #[serde(default = "default_active")]
    pub active: bool,
    /// Host names, `*.` in front for any subdomain; left out: every host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The rule takes requests that any of these matches; left out: every path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RuleMatch>,
    /// The share of what it matches that this rule takes, sticky per user; the rest goes on to the next rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_percent: Option<Percent>,
    /// Takes off the matched prefix, or the part of a glob before the star.
    #[serde(default)]
    pub strip_path: bool,
    /// Changes to the request's headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<HeaderEdits>,
    /// How much of a request's body may be kept, to read the model or the conversation from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_size: Option<Size>,
    /// The name of an Upstream in this namespace; this or `targets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Targets written in place; this or `upstream`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<InlineTarget>,
    /// Time limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Who gets a free connection first when requests wait for one.
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
    /// The request's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Any of these methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// All of these query parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueMatch>,
    /// The size of the body as the request declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<ContentLengthMatch>,
    /// Any of these models, as named in the JSON body; a final `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<String>,
    /// Any of these user tiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_tier: Vec<String>,
    /// Any of these user segments.
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
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PathMatch {
    /// How the value is compared.
    #[serde(default, rename = "type")]
    pub type_: PathMatchType,
    /// The path, prefix, glob or regular expression.
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
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ValueMatch {
    /// Its name.
    pub name: String,
    /// How the value is compared.
    #[serde(default, rename = "type")]
    pub type_: ValueMatchType,
    /// The value or regular expression; not with `Present`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Bounds on the declared `Content-Length`; a request without one does not match.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ContentLengthMatch {
    /// At least this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Size>,
    /// At most this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Size>,
}

/// Header changes, done in the order remove, set, add.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeaderEdits {
    /// Headers that get exactly this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Headers that get this value besides those they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub add: BTreeMap<String, String>,
    /// Headers that are taken off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A target written in place.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InlineTarget {
    /// `http://` or `https://`, host, port and path.
    pub url: String,
    /// Percent of the requests, 0 to 100; 0 gets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
}

/// Time limits.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// From the request's head until the answer's head; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Duration>,
    /// How long an answer's body may stand still; left out: no limit.
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
    /// `Accepted`, `ResolvedRefs`, `Programmed`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
