//! What callers get while circuit breakers leave no target: another pool's answer, a fixed one, or the last good one.

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
use crate::request::RequestView;

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
        let breaker = routed.pool.pool.circuit_breaker.as_ref();
        let Some(fallback) = breaker.and_then(|breaker| breaker.fallback.as_ref()) else { return Err(none.into()) };
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
                let kept = Asked::of(routed.route, wanted.request).and_then(|asked| store.answer(&asked));
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

/// What a request asks for, where good answers to it are kept.
pub(super) fn asked(routed: Routed<'_>, request: &RequestView<'_>) -> Option<Box<Asked>> {
    let breaker = routed.pool.pool.circuit_breaker.as_ref()?;
    if breaker.fallback != Some(Fallback::Cache) {
        return None;
    }
    Asked::of(routed.route, request).map(Box::new)
}
