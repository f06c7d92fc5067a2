//! `/health`: every endpoint in force, and how it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{BreakerState, EndpointState, UnhealthyReason};

use super::{Observed, json};
use crate::health::{CheckStatus, MemberHealth, View, of_members};
use crate::observe::timestamp::Timestamp;

#[derive(Serialize)]
struct Health {
    endpoints: Vec<EndpointShown>,
}

/// An endpoint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointShown {
    target: ObjectKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    /// The worst that an Upstream finds. The circuit breaker that one has as a whole counts where all that use it are open:
    /// it says nothing about what others send there.
    state: EndpointState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<UnhealthyReason>,
    /// Since when it is as it is, where it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<BreakerState>,
    /// How much of its share it gets, from 0 to 1.
    share: f64,
    ejections: u64,
    upstreams: Vec<UpstreamShown>,
}

/// What one Upstream finds of an endpoint.
#[derive(Serialize)]
struct UpstreamShown {
    upstream: ObjectKey,
    state: EndpointState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<UnhealthyReason>,
    /// Its circuit breaker as a whole, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<BreakerState>,
    /// What its active checks say, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
}

/// Answers with every endpoint in force.
pub(super) async fn health(State(observed): State<Observed>) -> Response {
    let snapshot = observed.current.load();
    let mut endpoints: BTreeMap<(ObjectKey, Option<SocketAddr>), (EndpointShown, bool)> = BTreeMap::new();
    for pool in snapshot.pools() {
        let breaker = pool.balancer.breaker().map(|breaker| breaker.view().breaker);
        for member in of_members(pool) {
            let id = (member.endpoint.key.clone(), member.endpoint.address);
            let (shown, counts) = endpoints.entry(id).or_insert_with(|| (shown(&member), false));
            if breaker.is_none_or(|breaker| breaker == BreakerState::Closed) {
                if !*counts || shown.state == EndpointState::Healthy {
                    (shown.state, shown.reason) = (member.state, member.reason);
                }
                *counts = true;
            }
            shown.breaker = shown.breaker.or(member.breaker);
            shown.upstreams.push(UpstreamShown {
                upstream: pool.key.clone(),
                state: member.state,
                reason: member.reason,
                breaker,
                check: member.check.map(|check| word(check.status())),
            });
        }
    }
    for finding in observed.current.findings().now().endpoints.iter() {
        let id = (finding.report.target.clone(), finding.report.address);
        // What changes at this moment has no time yet.
        let shown = endpoints.get_mut(&id).map(|(shown, _)| shown);
        if let Some(shown) = shown.filter(|shown| shown.state == finding.report.state) {
            shown.since = Some(Timestamp(finding.since).to_string());
        }
    }
    json(&Health { endpoints: endpoints.into_values().map(|(shown, _)| shown).collect() })
}

fn shown(member: &MemberHealth<'_>) -> EndpointShown {
    EndpointShown {
        target: member.endpoint.key.clone(),
        address: member.endpoint.address,
        state: member.state,
        reason: member.reason,
        since: None,
        breaker: None,
        share: f64::from(member.view.share) / f64::from(View::WHOLE),
        ejections: member.view.ejections,
        upstreams: Vec::new(),
    }
}

fn word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Passing => "Passing",
        CheckStatus::Unchecked => "Unchecked",
        CheckStatus::Failing => "Failing",
    }
}
