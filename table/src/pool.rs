//! A pool entry: an Upstream's members by priority level, and how requests are spread over them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{CircuitBreaker, HealthChecks, ObjectKey, Weight};

/// An Upstream as proxies obey it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// How a target is picked.
    pub algorithm: Algorithm,
    /// Priority levels in the order they are used, lowest number first; none is empty.
    pub levels: Vec<Level>,
    /// What sends requests that belong together to the same target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Connections to each endpoint.
    #[serde(default)]
    pub connections: Connections,
    /// A forward proxy for all of the pool's traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_proxy: Option<EgressProxy>,
    /// How the health of its endpoints is found out; a Target's own checks go before these.
    #[serde(default, skip_serializing_if = "HealthChecks::is_none")]
    pub health_checks: HealthChecks,
    /// What keeps requests from endpoints that fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit_breaker: Option<CircuitBreaker>,
    /// How long an endpoint that joins others takes to get its whole share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<Duration>,
}

impl Pool {
    /// A pool with all else as it is where nothing is written.
    pub fn new(algorithm: Algorithm, levels: Vec<Level>) -> Self {
        Self {
            algorithm,
            levels,
            affinity: None,
            connections: Connections::default(),
            egress_proxy: None,
            health_checks: HealthChecks::default(),
            circuit_breaker: None,
            slow_start: None,
        }
    }
}

/// The balancing algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Algorithm {
    /// Each usable target in turn.
    RoundRobin,
    /// Exact shares by weight in any 100 consecutive requests.
    WeightedRoundRobin,
    /// The fewest requests in flight divided by weight.
    LeastConnections,
    /// A draw by weight.
    Random,
    /// The least peak-EWMA latency times requests in flight, divided by weight.
    LeastLatency,
}

/// The members of one priority level.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// The priority number that users wrote.
    pub priority: u16,
    /// The members, in the order that users wrote.
    pub members: Vec<Member>,
}

/// A target's membership.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The target's key in [`crate::Table::targets`]; for an inline pool, `namespace/rule` with the index as `rule[0]`.
    pub target: ObjectKey,
    /// Its share. Within a level either the weights add up to 100, or (after the fallback to equal shares) every member
    /// that may get requests has the same weight above 0.
    pub weight: Weight,
}

/// What requests that belong together have in common.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Affinity {
    /// A cookie that Sluicegate sets.
    Cookie {
        /// The cookie's name.
        name: String,
        /// Its `Max-Age`; `None`: a session cookie.
        ttl: Option<Duration>,
    },
    /// A request header's value.
    Header {
        /// The header's name, lower case.
        name: String,
    },
    /// The client's address.
    #[serde(rename = "clientIP")]
    ClientIp,
    /// An AI conversation: the header where the request has it, else a hash of the body's first messages.
    Conversation {
        /// A header that names the conversation, lower case.
        header: Option<String>,
    },
}

/// Limits on the connections to one endpoint, per process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// The most connections; `None`: no limit.
    pub max: Option<u32>,
    /// The most requests waiting for a connection.
    pub max_pending: u32,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Whether connections are used again.
    pub keep_alive: bool,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
}

impl Default for Connections {
    /// The defaults of `spec.connections`, field by field.
    fn default() -> Self {
        Self {
            max: None,
            max_pending: 1024,
            idle_timeout: Duration::from_mins(1),
            keep_alive: true,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// A forward proxy: absolute-form requests for HTTP, CONNECT for TLS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressProxy {
    /// Host name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}
