//! What callers get while circuit breakers leave no target: another pool's answer, a fixed one, or the last good one.
//!
//! Pools that stand in for one another form a chain: a request goes along it, never back.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use sluicegate_table::Fallback;

use super::reach::Wanted;
use super::refusal::StandsIn;
use super::{Refusal, Routed};
use crate::answer::Reason;
use crate::forward::last_good::Asked;
use crate::observe::metrics::FallbackKind;
use crate::pick::{NoUsableTarget, Picked};
use crate::receive::PoolRuntime;
use crate::request::RequestView;
use crate::worker::LocalSnapshot;

/// Pools that may follow one another; there are no loops, and this is for a table that has one all the same.
pub(crate) const LONGEST_CHAIN: usize = 8;

/// What is to happen to a request for which the pool of `routed` has no target: `routed` then leads to the pool that
/// stands in.
#[cold]
pub(super) fn instead<'a>(
    wanted: Wanted<'_, 'a>,
    routed: &mut Routed<'a>,
    mut none: NoUsableTarget,
) -> Result<Picked, Refusal> {
    for _ in 0..LONGEST_CHAIN {
        if none != NoUsableTarget::Open {
            return Err(none.into());
        }
        let Some(fallback) = of(routed.pool) else { return Err(none.into()) };
        match fallback {
            Fallback::Pool(key) => {
                let pool = wanted.snapshot.pool(key).ok_or(Reason::CircuitOpen)?;
                tracing::debug!(upstream = %routed.pool.key, fallback = %key, "circuit breakers are open");
                *routed = Routed { pool, fallback: true, ..*routed };
                match pool.balancer.pick(wanted.request, &[]) {
                    Ok(picked) => return Ok(picked),
                    Err(error) => none = error,
                }
            }
            Fallback::Response { status, body, content_type } => {
                return Err(stands_in(FallbackKind::Response, fixed(*status, body, content_type)));
            }
            Fallback::Cache => {
                let store = wanted.client.worker.last_good();
                let kept = wanted.last_good.and_then(|asked| store.answer(asked));
                return Err(kept.map_or(Reason::CircuitOpen.into(), |kept| stands_in(FallbackKind::Cache, kept)));
            }
        }
    }
    Err(none.into())
}

fn stands_in(kind: FallbackKind, answer: Response<Bytes>) -> Refusal {
    Refusal::StandsIn(Box::new(StandsIn { kind, answer }))
}

fn fixed(status: u16, body: &str, content_type: &str) -> Response<Bytes> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    if !body.is_empty() {
        if let Ok(content_type) = HeaderValue::from_str(content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    // It is for now: the targets' answers come back.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = body;
    response
}

/// What stands in for a pool.
pub(super) fn of(pool: &PoolRuntime) -> Option<&Fallback> {
    pool.pool.circuit_breaker.as_ref()?.fallback.as_ref()
}

/// A pool and those that stand in for it, one after the other.
fn chain<'a>(snapshot: &'a LocalSnapshot, pool: &'a PoolRuntime) -> impl Iterator<Item = &'a PoolRuntime> {
    let next = |pool: &&PoolRuntime| match of(pool)? {
        Fallback::Pool(key) => snapshot.pool(key),
        Fallback::Response { .. } | Fallback::Cache => None,
    };
    std::iter::successors(Some(pool), next).take(LONGEST_CHAIN)
}

/// What a request asks for, where good answers to it are kept: by the pool, or by one that stands in for it.
pub(super) fn asked(snapshot: &LocalSnapshot, routed: Routed<'_>, request: &RequestView<'_>) -> Option<Box<Asked>> {
    let keeps = chain(snapshot, routed.pool).any(|pool| matches!(of(pool), Some(Fallback::Cache)));
    if keeps { Asked::of(routed.route, request).map(Box::new) } else { None }
}

/// Whether picks of the pool, or of one that stands in for it, depend on header fields of the request.
pub(super) fn reads_headers(snapshot: &LocalSnapshot, pool: &PoolRuntime) -> bool {
    chain(snapshot, pool).any(|pool| pool.balancer.reads_headers())
}
