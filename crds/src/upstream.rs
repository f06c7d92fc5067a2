//! The kind `Upstream`: a pool of Targets and how requests are spread over them.
//!
//! Membership and weights live here rather than in the Targets, so that the weights of a level change together, in one
//! write.

// The derive repeats each struct inside a function, where its `pub` reaches nobody. Doc comments here are read with
// `kubectl explain`, where kinds such as ConfigMap are plain words. Clippy takes two printer columns for one attribute.
#![allow(unreachable_pub, clippy::doc_markdown, clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::breaker::CircuitBreaker;
use crate::health::HealthChecks;
use crate::scalars::Duration;
use crate::shapes;
use crate::status::{BreakerState, State};

/// A pool of Targets and how requests are spread over them.
#[derive(CustomResource, KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[kube(
    group = "sluicegate.dev",
    version = "v1alpha1",
    kind = "Upstream",
    namespaced,
    doc = "An Upstream is a pool of Targets and how requests are spread over them. Rules send requests to Upstreams.",
    status = "UpstreamStatus",
    shortname = "ups",
    category = "sluicegate",
    printcolumn(name = "Algorithm", type_ = "string", json_path = ".spec.algorithm"),
    printcolumn(name = "Healthy", type_ = "string", json_path = ".status.targetsHealthy"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new(
    "!has(self.algorithm) || self.algorithm != 'RoundRobin' || !self.targets.exists(t, has(t.weight)) || \
     self.targets.all(a, has(a.weight) && self.targets.all(b, !has(b.weight) || b.priority != a.priority || \
     b.weight == a.weight))"
    ).message("RoundRobin ignores weights: leave them out, make them equal, or write WeightedRoundRobin")
    .field_path(".algorithm"))]
#[x_kube(validation = Rule::new(
    "self.targets.all(t, has(t.weight)) || self.targets.all(t, !has(t.weight)) || \
     self.targets.filter(a, !has(a.weight)).all(a, !self.targets.exists(b, has(b.weight) && b.priority == a.priority))"
    ).message("write the weights of all targets of a priority level, or of none").field_path(".targets"))]
#[serde(rename_all = "camelCase")]
pub struct UpstreamSpec {
    /// How a target is picked for a request. `RoundRobin`: each target in turn. `WeightedRoundRobin`: exact shares by weight
    /// in any 100 consecutive requests. `LeastConnections`: the fewest requests in flight, divided by weight. `Random`: a
    /// draw by weight. `LeastLatency`: the least product of recent latency and requests in flight, divided by weight. Left
    /// out: `WeightedRoundRobin` where any weight is set, else `RoundRobin`.
    // Of an optional enum the derive would keep the enum's description only.
    #[schemars(with = "Algorithm")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// The members of the pool.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targets: Vec<Member>,
    /// Sends requests that belong together to the same target, as long as it is usable. Exactly one of `cookie`, `header`,
    /// `clientIP` and `conversation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Connections to each endpoint of this pool, per Sluicegate process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    /// A forward proxy through which all of this pool's traffic goes: absolute-form requests for targets with HTTP, CONNECT
    /// for targets with HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_proxy: Option<EgressProxy>,
    /// How the health of the targets is found out. A Target's own checks go before these, active and passive each for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_checks: Option<HealthChecks>,
    /// What keeps requests from a target that fails, and what callers get where none is left. `{}` has the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// How long a target that joins others takes to get its whole share: it begins with a tenth of it. Left out: it gets
    /// all of it at once. Without passive checks one that returns takes as long; left out: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Duration>,
}

/// The balancing algorithms.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Each usable target in turn.
    RoundRobin,
    /// Exact shares by weight in any 100 consecutive requests.
    WeightedRoundRobin,
    /// The target with the fewest requests in flight, divided by its weight.
    LeastConnections,
    /// A draw by weight.
    Random,
    /// The target with the least peak-EWMA latency times requests in flight.
    LeastLatency,
}

/// One Target's membership.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The name of a Target in this namespace.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The target's share of the requests of its priority level, in percent. 0 gets none. Where the weights of a level do
    /// not add up to 100, all its targets with a weight above 0 get equal shares, and the condition PartiallyInvalid says
    /// so.
    #[schemars(range(max = 100))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
    /// The priority level. Lower numbers are used first; a level gets requests only while no level before it has a usable
    /// target.
    #[serde(default = "default_priority")]
    pub priority: u16,
}

fn default_priority() -> u16 {
    1
}

/// Exactly one way to recognise requests that belong together.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new(
    "[has(self.cookie), has(self.header), has(self.clientIP), has(self.conversation)].exists_one(chosen, chosen)"
    ).message("write exactly one of cookie, header, clientIP and conversation"))]
#[serde(rename_all = "camelCase")]
pub struct Affinity {
    /// By a cookie that Sluicegate sets in its answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<CookieAffinity>,
    /// By a request header's value. Requests without the header are balanced without affinity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderAffinity>,
    /// By the client's address, as the trusted proxies of the installation tell it. Write `clientIP: {}`.
    #[serde(default, rename = "clientIP", skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<ClientIpAffinity>,
    /// By AI conversation: the header's value where the request has that header, else a hash of the first messages of the
    /// JSON body, read up to the Rule's `bufferSize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationAffinity>,
}

/// Affinity by a cookie that Sluicegate sets.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CookieAffinity {
    /// The cookie's name.
    #[schemars(schema_with = "shapes::cookie_name")]
    pub name: String,
    /// How long the client keeps the cookie (its Max-Age), in whole seconds. Left out: until the browser closes.
    #[x_kube(validation = Rule::new("!self.matches('[0-9]ms$')").message("a cookie's lifetime is in whole seconds"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// Affinity by a request header's value.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeaderAffinity {
    /// The header's name; capital letters make no difference.
    #[schemars(schema_with = "shapes::header_name")]
    pub name: String,
}

/// Affinity by the client's address, as the trusted proxies tell it.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClientIpAffinity {}

/// Affinity by conversation: a header where the request has it, else a hash of the first messages of the JSON body.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConversationAffinity {
    /// A header that names the conversation; capital letters make no difference. Left out: only the body is looked at.
    #[schemars(schema_with = "shapes::header_name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Connections per endpoint and process.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.keepAlive) || self.keepAlive || !has(self.idleTimeout)")
    .message("connections that are used once are never idle: leave idleTimeout out, or write keepAlive: true")
    .field_path(".idleTimeout"))]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// The most connections to one endpoint. Left out: no limit.
    #[schemars(range(min = 1, max = 1_000_000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The most requests that wait for a connection once `max` are in use. Further ones are answered 503 at once, with the
    /// reason `overloaded`.
    #[schemars(range(max = 1_000_000), extend("default" = 1024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending: Option<u32>,
    /// How long an unused connection is kept. Left out: 60s.
    // No default in the schema: it would make `keepAlive: false` contradict a field that nobody wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Whether a connection is used for more than one request.
    #[schemars(extend("default" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// How long it may take to connect, TLS included.
    #[schemars(extend("default" = "5s"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
}

/// A forward proxy: absolute-form requests for HTTP, CONNECT for TLS.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EgressProxy {
    /// The proxy's host name or IP address (IPv6 without brackets).
    #[schemars(schema_with = "shapes::host")]
    pub host: String,
    /// The proxy's TCP port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// What the controller observed.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamStatus {
    /// `Accepted`: the object is valid and in force. `ResolvedRefs`: its Targets exist. `PartiallyInvalid`: it is in force,
    /// but not quite as written. `Programmed`: every ready proxy has it in use. `Healthy`: at least one of its Targets gets
    /// requests.
    #[schemars(schema_with = "shapes::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many of the Targets are `Healthy`, of how many, such as `2/3`.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_healthy: Option<String>,
    /// What has become of each Target.
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<MemberStatus>,
}

/// What has become of one Target.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// The Target's name.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// `Healthy`: it gets requests. `Unhealthy`: it gets none, although it should. `Draining`: it finishes what is in flight
    /// and gets nothing new. `Disabled`: it gets nothing.
    pub state: State,
    /// Why it is not `Healthy`, or not as all proxies see it, as one CamelCase word.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many of the ready proxies send it requests, such as `2/3`, while they do not agree.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<String>,
    /// The circuit breaker that keeps most requests from it, where this Upstream has them: of several addresses and proxies
    /// the one that keeps the most. `Closed`: requests go through. `Open`: none does. `HalfOpen`: a few do, to find out
    /// whether it may close.
    // Of an optional enum the derive would keep the enum's description only.
    #[schemars(with = "BreakerState")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
}
