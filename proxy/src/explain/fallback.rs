//! What stands in for a pool whose circuit breakers leave no target, found as for real requests.

use std::net::SocketAddr;

use serde::Serialize;
use sluicegate_table::{Fallback, ObjectKey};

use crate::answer::Reason;
use crate::forward::exchange::LONGEST_CHAIN;
use crate::pick::{NoUsableTarget, explain::Explanation};
use crate::receive::{PoolRuntime, Snapshot};
use crate::request::RequestView;

/// What stands in while circuit breakers leave no target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExplainedFallback {
    /// Another Upstream.
    #[serde(rename_all = "camelCase")]
    Upstream {
        /// Its key.
        upstream: ObjectKey,
        /// What it would pick.
        pick: Box<Explanation>,
    },
    /// The fixed answer.
    Response,
    /// The last good answer to the same request. Whether one is kept, only the request itself finds out.
    Cache,
}

/// What it comes to.
pub(super) struct Found<'a> {
    pub(super) fallbacks: Vec<ExplainedFallback>,
    pub(super) end: End<'a>,
}

/// Who answers in the end.
pub(super) enum End<'a> {
    Target {
        pool: &'a PoolRuntime,
        target: ObjectKey,
        address: Option<SocketAddr>,
    },
    /// Sluicegate itself.
    Answer {
        /// That of the fixed answer; `None`: the reason's.
        status: Option<u16>,
        reason: Reason,
    },
}

/// Goes on from what `pool` picks.
pub(super) fn found<'a>(
    snapshot: &'a Snapshot,
    mut pool: &'a PoolRuntime,
    pick: &Explanation,
    view: &RequestView<'_>,
) -> Found<'a> {
    let mut fallbacks = Vec::new();
    let mut pick = pick.clone();
    loop {
        if let Some(target) = pick.picked {
            return Found { fallbacks, end: End::Target { pool, target, address: pick.address } };
        }
        let reason = match pick.none {
            Some(NoUsableTarget::Open) => Reason::CircuitOpen,
            Some(NoUsableTarget::Resting(_)) => Reason::TargetsResting,
            Some(NoUsableTarget::None) | None => Reason::NoHealthyTarget,
        };
        let breaker = pool.pool.circuit_breaker.as_ref().filter(|_| reason == Reason::CircuitOpen);
        let mut status = None;
        match breaker.and_then(|breaker| breaker.fallback.as_ref()) {
            Some(Fallback::Pool(key)) if fallbacks.len() < LONGEST_CHAIN => {
                if let Some(next) = snapshot.pool(key) {
                    pool = next;
                    pick = next.balancer.explain(view);
                    fallbacks.push(ExplainedFallback::Upstream { upstream: key.clone(), pick: Box::new(pick.clone()) });
                    continue;
                }
            }
            Some(Fallback::Response { status: fixed, .. }) => {
                fallbacks.push(ExplainedFallback::Response);
                status = Some(*fixed);
            }
            Some(Fallback::Cache) => fallbacks.push(ExplainedFallback::Cache),
            Some(Fallback::Pool(_)) | None => {}
        }
        return Found { fallbacks, end: End::Answer { status, reason } };
    }
}
