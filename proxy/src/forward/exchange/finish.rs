//! The answer's head as the client gets it.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{SET_COOKIE, VIA};
use http::{HeaderValue, StatusCode, Version, response};

use super::answer_body::{Rare, Streamed};
use super::reach::Reached;
use super::send::Answered;
use super::{Refusal, upgrade};
use crate::answer::{FALLBACK_HEADER, Reason};
use crate::forward::client::ClientConnection;
use crate::forward::headers::strip_response;
use crate::forward::last_good::{Asked, Capture};
use crate::forward::upstream::BodyWatch;
use crate::observe::metrics::FallbackKind;

/// What else is known of the exchange.
pub(super) struct Rest {
    /// The client asks for another protocol.
    pub(super) upgrade: bool,
    /// The watch over the client's body.
    pub(super) watch: Option<Rc<BodyWatch>>,
    /// What was asked for, where the answer may be kept.
    pub(super) asked: Option<Box<Asked>>,
}

/// Makes the answer's head what a client that speaks `version` gets.
pub(super) fn finish(
    client: &Rc<ClientConnection>,
    version: Version,
    reached: Reached<'_>,
    answered: Answered,
    rest: Rest,
) -> Result<(response::Parts, Streamed), Refusal> {
    let routed = reached.routed;
    let (mut parts, carrier) = answered;
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        let link = Arc::clone(reached.connections.link());
        let agreed = upgrade::Agreed { parts, carrier, in_flight: reached.in_flight, link };
        return upgrade::upgrade(client, agreed, rest.upgrade);
    }
    strip_response(&mut parts.headers, parts.status, version).map_err(|_| Reason::UpstreamProtocolError)?;
    parts.headers.append(VIA, via(parts.version));
    let capture = match rest.asked {
        Some(asked) => Capture::begin(asked, client.worker.last_good(), &parts),
        None => None,
    };
    if let Some(cookie) = reached.set_cookie {
        parts.headers.append(SET_COOKIE, cookie);
    }
    if routed.fallback {
        parts.headers.insert(FALLBACK_HEADER, HeaderValue::from_static(FallbackKind::Upstream.word()));
    }
    parts.version = Version::HTTP_11;
    let idle = routed.route.route.timeouts.idle.map(|limit| (client.worker.clock().deadline(limit), limit));
    let judged = routed.pool.balancer.judges_attempt(&reached.in_flight);
    let watch = if judged { rest.watch } else { None };
    let rare = if routed.fallback || watch.is_some() || capture.is_some() {
        let fallback = routed.fallback.then(|| routed.pool.key.clone());
        Some(Box::new(Rare { fallback, watch, capture }))
    } else {
        None
    };
    let streamed =
        Streamed { carrier, idle, in_flight: Some(reached.in_flight), member: reached.member, rare, ended: false };
    Ok((parts, streamed))
}

/// This hop, as the next one sees it (RFC 9110, 7.6.3).
fn via(received: Version) -> HeaderValue {
    match received {
        Version::HTTP_2 => HeaderValue::from_static("2 sluicegate"),
        Version::HTTP_10 => HeaderValue::from_static("1.0 sluicegate"),
        _ => HeaderValue::from_static("1.1 sluicegate"),
    }
}
