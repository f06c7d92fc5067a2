//! What matching and picking may know of a request.
//!
//! A view borrows from the request where it can, so that building one allocates nothing; a dry run (`explain`) builds
//! the same view from a command line. Both stages are functions of this view alone.

use std::net::IpAddr;
use std::time::Instant;

use http::header::HeaderName;
use http::{HeaderMap, Method};

/// A request as matching and picking see it.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host in lower case, without port and final dot; empty when the request names none.
    pub host: &'a str,
    /// The path, normalised (no dot segments), beginning with `/`.
    pub path: &'a str,
    /// The query without its `?`.
    pub query: Option<&'a str>,
    /// The headers as the client sent them.
    pub headers: &'a HeaderMap,
    /// The declared length of the body; `Some(0)` when there is certainly none, `None` when it is streamed.
    pub content_length: Option<u64>,
    /// The client's address, as the trusted proxies tell it.
    pub client_ip: IpAddr,
    /// Whether the client came by TLS, as the trusted proxies tell it.
    pub tls: bool,
    /// When the head was received. It is read once for the metrics; picking takes its time from here.
    pub received: Instant,
    /// Which headers say who the user is.
    pub identity: &'a IdentityHeaders,
    /// What was read ahead of the body, where a rule or an affinity asked for it.
    pub body: Option<&'a BodyFacts>,
}

/// Which headers say who the user is (`identity:` of the installation's configuration).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// Names the user.
    pub user: HeaderName,
    /// Names the user's tier.
    pub tier: HeaderName,
    /// Names the user's segments, separated by commas.
    pub segment: HeaderName,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            user: HeaderName::from_static("x-user-id"),
            tier: HeaderName::from_static("x-user-tier"),
            segment: HeaderName::from_static("x-user-segment"),
        }
    }
}

/// What a scan of a JSON body's beginning found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// The top-level `model`, unescaped.
    pub model: Option<String>,
    /// A hash of the conversation's first messages: the system text and everything up to the first message of the user.
    pub conversation: Option<u64>,
}
