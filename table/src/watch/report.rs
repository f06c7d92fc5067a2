//! What proxies say of themselves.
//!
//! Whoever reads a report takes what it understands of it: a proxy that is one release newer may name kinds and states
//! that this release does not know, and the rest of what it says is still true.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{EntryId, Version};
use crate::ObjectKey;

/// What a proxy says of itself, whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version that it serves from; `None`: none of this controller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Version>,
    /// Entries of that version which it refused, and why. What it had before them stays in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "understood")]
    pub refused: Vec<Refusal>,
    /// Entries that it was told to keep and does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "understood")]
    pub missing: Vec<EntryId>,
    /// Entries of kinds that its release does not know, written `KIND NAMESPACE/NAME`. It does without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "understood")]
    pub unknown: Vec<String>,
    /// The endpoints that are not as healthy as they should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "understood")]
    pub endpoints: Vec<EndpointReport>,
    /// The Upstreams whose circuit breaker, one for all of their endpoints, is not closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "understood")]
    pub upstreams: Vec<UpstreamReport>,
    /// Whether it takes requests.
    #[serde(default)]
    pub ready: bool,
    /// The program's version.
    #[serde(default)]
    pub program: String,
}

/// An entry that a proxy could not use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Which.
    #[serde(flatten)]
    pub id: EntryId,
    /// Why, in words for the user; no secrets.
    pub reason: String,
}

/// The health of one endpoint as one proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    /// The Target.
    pub target: ObjectKey,
    /// The address, where the Target has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Its state.
    pub state: EndpointState,
    /// Why it is [`EndpointState::Unhealthy`]. `None` of releases that do not say, or name a reason that this one does not
    /// know.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "if_understood")]
    pub reason: Option<UnhealthyReason>,
    /// Its circuit breaker; `None`: it has none, or the release does not say.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "if_understood")]
    pub breaker: Option<BreakerState>,
}

/// The circuit breaker of one Upstream as one proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamReport {
    /// The Upstream.
    pub upstream: ObjectKey,
    /// The breaker that it has for all of its endpoints.
    pub breaker: BreakerState,
}

/// The states of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum EndpointState {
    /// Gets requests.
    Healthy,
    /// Gets none while others do.
    Unhealthy,
    /// Finishes what is in flight.
    Draining,
    /// Gets none.
    Disabled,
}

/// Why an endpoint gets no requests while others do. Where several hold, the first of them in this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum UnhealthyReason {
    /// Its circuit breaker is open, or lets only probes through.
    CircuitOpen,
    /// It asked for a rest, by an answer with `Retry-After`.
    Resting,
    /// Real requests failed.
    Ejected,
    /// Active checks fail.
    FailedChecks,
    /// No active check has succeeded yet, and too few have failed to tell.
    NotChecked,
}

/// The states of a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// None does.
    Open,
    /// A few do, to find out.
    HalfOpen,
}

/// A value, where this release understands it.
fn if_understood<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// The items of a list that this release understands.
fn understood<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = Vec::<Value>::deserialize(deserializer)?;
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{BreakerState, EndpointReport, EndpointState, Report, UnhealthyReason, UpstreamReport};
    use crate::ObjectKey;

    #[test]
    fn what_a_newer_proxy_says_is_read_as_far_as_it_is_understood() {
        let text = r#"{"applied":"abc.7","ready":true,"weather":"fine",
            "upstreams":[{"upstream":"a/p","breaker":"Open"},{"upstream":"a/q","breaker":"Melted"}],
            "refused":[{"kind":"Mirror","key":"a/b","reason":"?"},{"kind":"Route","key":"a/b","reason":"no such field"}],
            "endpoints":[{"target":"a/t","state":"Resting"},{"target":"a/u","state":"Unhealthy","since":1},
                {"target":"a/v","state":"Unhealthy","reason":"Tired","breaker":"Melted"},
                {"target":"a/w","state":"Unhealthy","reason":"CircuitOpen","breaker":"HalfOpen"}]}"#;
        let report: Report = serde_json::from_str(text).unwrap();
        assert_eq!(report.applied.unwrap().to_string(), "abc.7");
        assert_eq!(report.refused.iter().map(|refusal| refusal.id.to_string()).collect::<Vec<_>>(), ["Route a/b"]);
        let told = |endpoint: &EndpointReport| (endpoint.target.name.clone(), endpoint.reason, endpoint.breaker);
        let open = (Some(UnhealthyReason::CircuitOpen), Some(BreakerState::HalfOpen));
        assert_eq!(
            report.endpoints.iter().map(told).collect::<Vec<_>>(),
            [("u".to_owned(), None, None), ("v".to_owned(), None, None), ("w".to_owned(), open.0, open.1)]
        );
        assert!(report.endpoints.iter().all(|endpoint| endpoint.state == EndpointState::Unhealthy));
        let broken = UpstreamReport { upstream: ObjectKey::new("a", "p"), breaker: BreakerState::Open };
        assert_eq!(report.upstreams, [broken]);
        assert!(report.ready);
    }

    #[test]
    fn what_an_older_proxy_leaves_out_has_its_default() {
        assert_eq!(serde_json::from_str::<Report>("{}").unwrap(), Report::default());
    }
}
