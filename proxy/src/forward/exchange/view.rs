//! What matching and picking see of a request in the making.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Instant;

use http::header::HOST;
use http::request::Parts;
use http::{Method, Version};

use super::Refusal;
use super::admit::Admitted;
use crate::answer::Reason;
use crate::forward::client::ClientConnection;
use crate::matching::normalise;
use crate::request::{BodyFacts, IdentityHeaders, RequestView};

/// A request's host and path in normal form, and what is known of its client.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) host: Cow<'a, str>,
    pub(super) path: Cow<'a, str>,
    pub(super) client_ip: IpAddr,
    /// The path or host is not as the client wrote it.
    query: Option<&'a str>,
    content_length: Option<u64>,
    tls: bool,
    received: Instant,
    identity: &'a IdentityHeaders,
}

/// What it takes to have the view of a request once more, for another attempt.
#[derive(Clone, Copy)]
pub(super) struct Seen<'r> {
    pub(super) client: &'r ClientConnection,
    pub(super) admitted: &'r Admitted,
    /// The client's address, as the request told it when it came.
    pub(super) client_ip: IpAddr,
    pub(super) received: Instant,
    /// What was read ahead of the body.
    pub(super) facts: Option<&'r BodyFacts>,
}

impl<'r> Seen<'r> {
    /// The view of the request with this head.
    pub(super) fn view<'v>(self, parts: &'v Parts) -> Result<View<'v>, Refusal>
    where
        'r: 'v,
    {
        let view = View::of(self.client, parts, self.admitted, self.received)?;
        Ok(View { client_ip: self.client_ip, ..view })
    }
}

impl<'a> View<'a> {
    pub(super) fn of(
        client: &'a ClientConnection,
        parts: &'a Parts,
        admitted: &Admitted,
        received: Instant,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            host: host(parts)?,
            path: path(parts)?,
            client_ip: client.forwarded.client_ip(&parts.headers),
            query: parts.uri.query(),
            content_length: admitted.content_length,
            tls: client.tls,
            received,
            identity: &client.worker.settings().identity,
        })
    }

    pub(super) fn request(&'a self, parts: &'a Parts, body: Option<&'a BodyFacts>) -> RequestView<'a> {
        RequestView {
            method: &parts.method,
            host: &self.host,
            path: &self.path,
            query: self.query,
            headers: &parts.headers,
            content_length: self.content_length,
            client_ip: self.client_ip,
            tls: self.tls,
            received: self.received,
            identity: self.identity,
            body,
        }
    }

    pub(super) fn query(&self) -> Option<&'a str> {
        self.query
    }
}

/// The path that is matched: the normal form of the target's, and the root where an OPTIONS is about the server as a whole.
/// A URI without a path is what such a request is for (RFC 9112, 3.2.4).
fn path(parts: &Parts) -> Result<Cow<'_, str>, Refusal> {
    match normalise::path(parts.uri.path()) {
        Ok(path) => Ok(path),
        Err(_) if is_asterisk(parts) => Ok(Cow::Borrowed("/")),
        Err(_) => Err(Reason::InvalidRequest.into()),
    }
}

/// Whether the request's target has the asterisk form, which OPTIONS alone may have.
fn is_asterisk(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS && parts.uri.path_and_query().is_some_and(|target| target.as_str() == "*")
}

/// The host that the request is for: the target URI's where it has one (RFC 9112, 3.2.2), else the one `Host` field that
/// HTTP/1.1 requires (3.2).
fn host(parts: &Parts) -> Result<Cow<'_, str>, Refusal> {
    let refused = || Refusal::from(Reason::InvalidRequest);
    let mut fields = parts.headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(refused());
    }
    let text = match (parts.uri.authority(), field) {
        // HTTP/2 (RFC 9113, 8.3.1) has such a request for malformed; HTTP/1.1 (RFC 9112, 3.2.2) for one with a `Host` to
        // be ignored.
        (Some(authority), Some(field))
            if parts.version == Version::HTTP_2
                && !field.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            return Err(refused());
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(field)) => field.to_str().map_err(|_| refused())?,
        (None, None) if parts.version == Version::HTTP_10 => "",
        (None, None) => return Err(refused()),
    };
    normalise::host(text).map_err(|_| refused())
}
