//! The kind `Upstream`: a pool of Targets and how requests are spread over them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalars::Duration;

/// A pool of Targets and how requests are spread over them.
#[derive(CustomResource, KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[kube(
    group = "sluicegate.dev",
    version = "v1alpha1",
    kind = "Upstream",
    namespaced,
    status = "UpstreamStatus",
    shortname = "ups",
    category = "sluicegate"
)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamSpec {
    /// How a target is picked. Left out: `WeightedRoundRobin` where any weight is set, else `RoundRobin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// The members of this pool.
    pub targets: Vec<Member>,
    /// Sends requests that belong together to the same target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Connections to each endpoint of this pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    /// A forward proxy through which all of this pool's traffic goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_proxy: Option<EgressProxy>,
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
    pub name: String,
    /// Percent of the requests of its priority level, 0 to 100; 0 gets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u8>,
    /// Priority level; lower numbers are used first.
    #[serde(default = "default_priority")]
    pub priority: u16,
}

fn default_priority() -> u16 {
    1
}

/// Exactly one way to recognise requests that belong together.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Affinity {
    /// A cookie that Sluicegate sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<CookieAffinity>,
    /// A request header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderAffinity>,
    /// The client's address.
    #[serde(default, rename = "clientIP", skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<ClientIpAffinity>,
    /// An AI conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationAffinity>,
}

/// Affinity by a cookie that Sluicegate sets.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CookieAffinity {
    /// The cookie's name.
    pub name: String,
    /// How long the client keeps it; left out: for the browser's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// Affinity by a request header's value.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeaderAffinity {
    /// The header's name.
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
    /// A header that names the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Connections per endpoint and process.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// The most connections to one endpoint; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The most requests that wait for a connection; beyond it 503 at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending: Option<u32>,
    /// How long an unused connection is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Whether connections are used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// How long connecting may take, TLS included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
}

/// A forward proxy: absolute-form requests for HTTP, CONNECT for TLS.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EgressProxy {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// What the controller observed.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamStatus {
    /// `Accepted`, `ResolvedRefs`, `Programmed`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
