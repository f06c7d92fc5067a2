//! Admission: what is refused before anything is matched, and the body held to its limits.

use std::collections::VecDeque;
use std::rc::Rc;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Method, Uri, Version};
use http_body::Body;

use super::Refusal;
use super::read_ahead::ReadAhead;
use crate::answer::Reason;
use crate::forward::client::{ClientBody, ClientConnection};
use crate::forward::headers::{RequestHead, strip_request};
use crate::forward::upstream::{BodyWatch, Kept, RequestBody};
use crate::worker::Worker;

/// What is known of a request before it is matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    /// What the header fields said about this hop.
    pub(super) head: RequestHead,
    /// The declared length of the body.
    pub(super) content_length: Option<u64>,
    /// The version that the client speaks; the request itself is rewritten to the target's.
    pub(super) version: Version,
}

impl Admitted {
    /// Whether the client asks for another protocol on this connection.
    pub(super) fn upgrade(&self) -> bool {
        self.head.upgrade
    }
}

/// Refuses what must not be forwarded, and takes off what was for this hop only.
pub(super) fn admit(client: &ClientConnection, parts: &mut Parts, body: &ClientBody) -> Result<Admitted, Refusal> {
    // TRACE would show the client what the target got: its credentials, too.
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Reason::NotImplemented.into());
    }
    if !is_for_us(&parts.uri) {
        return Err(Reason::InvalidRequest.into());
    }
    if parts.version == Version::HTTP_2 && is_too_large(parts, client.worker.settings().limits.request_headers) {
        return Err(Reason::HeadersTooLarge.into());
    }
    let content_length = body.size_hint().exact();
    if parts.version == Version::HTTP_2 && parts.headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        // They agree, or h2 would have refused them; the next hop may not take it so (RFC 9110, 8.6).
        let length = content_length.ok_or(Reason::InvalidRequest)?;
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let head = strip_request(&mut parts.headers, parts.version).map_err(|refused| Refusal::from(refused.reason()))?;
    let limit = client.worker.settings().limits.request_body;
    if limit != 0 && content_length.is_some_and(|length| length > limit) {
        return Err(Reason::BodyTooLarge.into());
    }
    if !head.meet_expectation(&mut parts.headers) {
        return Err(Reason::ExpectationFailed.into());
    }
    Ok(Admitted { head, content_length, version: parts.version })
}

/// Whether the request target has a form that a gateway takes (RFC 9112, 3.2): a path, or a whole URI of our schemes.
/// `GET example.com` would otherwise be matched by a host that stands where a path belongs.
fn is_for_us(target: &Uri) -> bool {
    match target.scheme() {
        None => target.authority().is_none(),
        Some(scheme) => *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS,
    }
}

/// The most header fields, as on HTTP/1.1.
const MOST_FIELDS: usize = 100;

/// Whether a head of HTTP/2 is over the limit, counted as RFC 9113 does (6.5.2). On HTTP/1.1 the parser counts.
fn is_too_large(parts: &Parts, limit: usize) -> bool {
    const OVERHEAD: usize = 32;
    let fields = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD);
    let path = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    parts.headers.len() > MOST_FIELDS || path + fields.sum::<usize>() > limit
}

/// The body as the target gets it, held to the limits of size and of standing still.
pub(super) fn watched(worker: &Rc<Worker>, body: Option<ClientBody>, ahead: Option<&mut ReadAhead>) -> RequestBody {
    match (body, ahead) {
        (_, Some(ahead)) => {
            RequestBody::read_ahead(std::mem::take(&mut ahead.frames), ahead.rest.take(), Rc::clone(&ahead.watch))
        }
        (Some(body), None) if !body.is_end_stream() => RequestBody::streamed(body, watch(worker)),
        _ => RequestBody::empty(),
    }
}

/// As [`watched`], for a body that may be sent again: up to `most` bytes of it are kept. `None`: there is none.
#[cold]
pub(super) fn kept(
    worker: &Rc<Worker>,
    body: Option<ClientBody>,
    ahead: Option<&mut ReadAhead>,
    most: u64,
) -> Option<Kept> {
    match (body, ahead) {
        (_, Some(ahead)) => {
            let frames = std::mem::take(&mut ahead.frames);
            Some(Kept::new(&frames, ahead.rest.take(), Rc::clone(&ahead.watch), most))
        }
        (Some(body), None) if !body.is_end_stream() => {
            Some(Kept::new(&VecDeque::new(), Some(body), watch(worker), most))
        }
        _ => None,
    }
}

/// A watch with the limits of the installation.
pub(super) fn watch(worker: &Rc<Worker>) -> Rc<BodyWatch> {
    let limits = &worker.settings().limits;
    BodyWatch::new(worker.clock(), limits.request_body, limits.body_timeout)
}
