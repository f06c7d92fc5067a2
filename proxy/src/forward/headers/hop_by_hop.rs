//! Header fields that are for one hop only (RFC 9110, 7.6.1 and 7.8).
//!
//! One pass over the names instead of a removal for each: in most requests none of them is there, and then nothing else
//! happens. Three rules go beyond the RFC's list, each because of attacks seen in the field:
//!
//! - `Connection` may not name fields that are meant for the target (`Host`, `Authorization`, `X-Forwarded-For`…).
//!   Other proxies removed them and so lost what a proxy in front had said about the client (CVE-2022-31813,
//!   CVE-2024-45410). The RFC forbids to send such a thing, so a request with it is refused; in an answer it is ignored.
//! - `Upgrade: h2c` is never passed on: a target that agrees would hide every later request from matching.
//! - A transfer coding other than a single `chunked` is refused: taking the field off would leave a body that is coded in
//!   a way nobody is told of.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE,
    EXPECT, FORWARDED, HOST, HeaderName, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use crate::answer::{FALLBACK_HEADER, REASON_HEADER, Reason};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// A set of the fields that matter to a proxy, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(u16);

impl Seen {
    const NONE: Self = Self(0);
    const CONNECTION: Self = Self(1);
    const TE: Self = Self(1 << 1);
    const TRANSFER_ENCODING: Self = Self(1 << 2);
    const UPGRADE: Self = Self(1 << 3);
    /// Fields that are always taken off and never read.
    const DROPPED: Self = Self(1 << 4);
    pub(super) const VIA: Self = Self(1 << 5);
    pub(super) const FORWARDED: Self = Self(1 << 6);
    pub(super) const FORWARDED_FOR: Self = Self(1 << 7);
    pub(super) const FORWARDED_PROTO: Self = Self(1 << 8);
    pub(super) const FORWARDED_HOST: Self = Self(1 << 9);
    /// `X-Real-IP` and any other `X-Forwarded-…`.
    pub(super) const OTHER_FORWARDED: Self = Self(1 << 10);
    const EXPECT: Self = Self(1 << 11);

    const HOP_BY_HOP: Self =
        Self(Self::CONNECTION.0 | Self::TE.0 | Self::TRANSFER_ENCODING.0 | Self::UPGRADE.0 | Self::DROPPED.0);

    /// What all the names of a message say.
    fn in_message(headers: &HeaderMap) -> Self {
        let mut seen = Self::NONE;
        for name in headers.keys() {
            seen.0 |= Self::of(name).0;
        }
        seen
    }

    /// What one name says. The names that the library knows are compared as numbers; the others are passed over by their
    /// first letter.
    fn of(name: &HeaderName) -> Self {
        if *name == CONNECTION {
            return Self::CONNECTION;
        } else if *name == TRANSFER_ENCODING {
            return Self::TRANSFER_ENCODING;
        } else if *name == TE {
            return Self::TE;
        } else if *name == UPGRADE {
            return Self::UPGRADE;
        } else if *name == VIA {
            return Self::VIA;
        } else if *name == FORWARDED {
            return Self::FORWARDED;
        } else if *name == EXPECT {
            return Self::EXPECT;
        } else if *name == PROXY_AUTHENTICATE || *name == PROXY_AUTHORIZATION {
            return Self::DROPPED;
        }
        let name = name.as_str();
        match name.as_bytes().first() {
            Some(b'x') => match name {
                "x-forwarded-for" => Self::FORWARDED_FOR,
                "x-forwarded-host" => Self::FORWARDED_HOST,
                "x-forwarded-proto" => Self::FORWARDED_PROTO,
                // An answer of a target must not look like one of ours.
                _ if name == REASON_HEADER.as_str() || name == FALLBACK_HEADER.as_str() => Self::DROPPED,
                _ if speaks_for_the_client(name) => Self::OTHER_FORWARDED,
                _ => Self::NONE,
            },
            Some(b'h' | b'k' | b'p') if matches!(name, "http2-settings" | "keep-alive" | "proxy-connection") => {
                Self::DROPPED
            }
            _ => Self::NONE,
        }
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Whether a field speaks for the client in the de facto way: `X-Forwarded-…` and `X-Real-IP`. An underscore counts as a
/// dash, because CGI and its heirs hand both on to programs under the same name.
pub(super) fn speaks_for_the_client(name: &str) -> bool {
    let starts_like = |pattern: &str| {
        name.len() >= pattern.len()
            && name.bytes().zip(pattern.bytes()).all(|(byte, like)| byte == like || (byte == b'_' && like == b'-'))
    };
    starts_like("x-forwarded-") || (starts_like("x-real-ip") && name.len() == "x-real-ip".len())
}

/// What the pass over a request's header fields found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The request asks for another protocol; `Upgrade` and `Connection: upgrade` are still there.
    pub upgrade: bool,
    pub(super) seen: Seen,
}

impl RequestHead {
    /// Takes off what the client expects, which is for this hop to meet: the connection answers `100 Continue` when the body is
    /// first asked for, which is when the target is there to take it. `false`: something else is expected.
    pub fn meet_expectation(self, headers: &mut HeaderMap) -> bool {
        if !self.seen.has(Seen::EXPECT) {
            return true;
        }
        let met = members(headers, &EXPECT).all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue"));
        headers.remove(EXPECT);
        met
    }
}

/// Why a message's header fields cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedHead {
    /// `Connection` names a field that is meant for the target.
    #[error("the Connection header names a field that is meant for the target")]
    EndToEndNamed,
    /// A transfer coding other than `chunked`.
    #[error("a transfer coding other than chunked")]
    TransferCoding,
    /// `chunked` more than once.
    #[error("the chunked transfer coding more than once")]
    ChunkedTwice,
    /// A transfer coding and a length: whichever one reads, the next hop may read the other.
    #[error("a transfer coding and a Content-Length")]
    TwoFramings,
}

impl RefusedHead {
    /// The answer to a client that sent such a request.
    pub fn reason(self) -> Reason {
        match self {
            Self::EndToEndNamed => Reason::InvalidRequest,
            Self::TransferCoding => Reason::NotImplemented,
            Self::ChunkedTwice | Self::TwoFramings => Reason::AmbiguousFraming,
        }
    }
}

/// Takes off a request's hop-by-hop fields. `version` is the version the request came in.
///
/// What stays: `te: trailers` where the client takes trailers (HTTP/2 and gRPC need it), and for an upgrade `Upgrade`
/// and `Connection: upgrade`. `Trailer` is end-to-end (RFC 9110, 6.6.2).
pub fn strip_request(headers: &mut HeaderMap, version: Version) -> Result<RequestHead, RefusedHead> {
    let seen = Seen::in_message(headers);
    let mut head = RequestHead { upgrade: false, seen };
    if !seen.has(Seen::HOP_BY_HOP) {
        return Ok(head);
    }
    if seen.has(Seen::TRANSFER_ENCODING) {
        only_chunked(headers)?;
    }
    let named = if seen.has(Seen::CONNECTION) { named_by_connection(headers) } else { Named::default() };
    if named.end_to_end {
        return Err(RefusedHead::EndToEndNamed);
    }
    // An HTTP/1.0 client cannot mean it (RFC 9110, 7.8) and HTTP/2 has no such thing.
    head.upgrade =
        version == Version::HTTP_11 && named.upgrade && seen.has(Seen::UPGRADE) && may_upgrade_to_all(headers);
    if seen.has(Seen::TE) {
        keep_only_trailers(headers);
    }
    remove_hop_by_hop(headers, seen, head.upgrade);
    named.remove_from(headers);
    Ok(head)
}

/// Takes off an answer's hop-by-hop fields. `Upgrade` stays (with `Connection: upgrade`) in a 101 and a 426 to an
/// HTTP/1.1 client; `client` is the version of its request. A `Content-Length` goes where none may be.
///
/// # Errors
/// The target used a transfer coding other than `chunked`: upstream-protocol-error.
pub fn strip_response(headers: &mut HeaderMap, status: StatusCode, client: Version) -> Result<(), RefusedHead> {
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        // Such an answer has no body, and no length that one could have had (RFC 9110, 8.6).
        headers.remove(CONTENT_LENGTH);
    }
    let seen = Seen::in_message(headers);
    if !seen.has(Seen::HOP_BY_HOP) {
        return Ok(());
    }
    if seen.has(Seen::TRANSFER_ENCODING) {
        only_chunked(headers)?;
    }
    let named = if seen.has(Seen::CONNECTION) { named_by_connection(headers) } else { Named::default() };
    let upgrade = client == Version::HTTP_11
        && seen.has(Seen::UPGRADE)
        && matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::UPGRADE_REQUIRED);
    if seen.has(Seen::TE) {
        headers.remove(TE);
    }
    remove_hop_by_hop(headers, seen, upgrade);
    named.remove_from(headers);
    Ok(())
}

/// Takes off what may not be in trailers: fields for one hop, and fields that frame, route or authenticate a message
/// (RFC 9110, 6.5.1).
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let seen = Seen::in_message(trailers);
    let forbidden = |name: &HeaderName| {
        Seen::of(name).has(Seen::HOP_BY_HOP)
            || [HOST, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_TYPE, CONTENT_RANGE, TRAILER, AUTHORIZATION, SET_COOKIE]
                .contains(name)
    };
    if seen.has(Seen::HOP_BY_HOP) || trailers.keys().any(forbidden) {
        let names: Vec<HeaderName> = trailers.keys().filter(|name| forbidden(name)).cloned().collect();
        for name in names {
            trailers.remove(name);
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap, seen: Seen, keep_upgrade: bool) {
    if seen.has(Seen::TRANSFER_ENCODING) {
        headers.remove(TRANSFER_ENCODING);
    }
    if keep_upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        if seen.has(Seen::CONNECTION) {
            headers.remove(CONNECTION);
        }
        if seen.has(Seen::UPGRADE) {
            headers.remove(UPGRADE);
        }
    }
    if seen.has(Seen::DROPPED) {
        for name in [
            KEEP_ALIVE,
            PROXY_CONNECTION,
            HTTP2_SETTINGS,
            PROXY_AUTHENTICATE,
            PROXY_AUTHORIZATION,
            REASON_HEADER,
            FALLBACK_HEADER,
        ] {
            headers.remove(name);
        }
    }
}

/// The members of a comma-separated list over all lines of a field.
pub(super) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(members_of)
}

/// Those of one line.
pub(crate) fn members_of(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn only_chunked(headers: &HeaderMap) -> Result<(), RefusedHead> {
    let mut chunked = false;
    for coding in members(headers, &TRANSFER_ENCODING) {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(RefusedHead::TransferCoding);
        }
        if chunked {
            return Err(RefusedHead::ChunkedTwice);
        }
        chunked = true;
    }
    if !chunked {
        return Err(RefusedHead::TransferCoding);
    }
    if headers.contains_key(CONTENT_LENGTH) { Err(RefusedHead::TwoFramings) } else { Ok(()) }
}

/// What `Connection` names besides the fields that are taken off anyway.
#[derive(Default)]
struct Named {
    upgrade: bool,
    end_to_end: bool,
    others: Vec<HeaderName>,
}

impl Named {
    fn remove_from(self, headers: &mut HeaderMap) {
        for name in self.others {
            headers.remove(name);
        }
    }
}

fn is_wish(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"keep-alive") || option.eq_ignore_ascii_case(b"close")
}

fn named_by_connection(headers: &HeaderMap) -> Named {
    let mut named = Named::default();
    // Nearly every message that has the field has it once and says no more than this.
    let mut lines = headers.get_all(CONNECTION).iter();
    if let (Some(only), None) = (lines.next(), lines.next())
        && is_wish(only.as_bytes())
    {
        return named;
    }
    for option in members(headers, &CONNECTION) {
        if option.eq_ignore_ascii_case(b"upgrade") {
            named.upgrade = true;
        } else if is_wish(option) {
            // Not fields but wishes about the connection, which was read before.
        } else if option.first() == Some(&b':') {
            named.end_to_end = true;
        } else if let Ok(name) = HeaderName::from_bytes(option) {
            if is_end_to_end(&name) {
                named.end_to_end = true;
            } else if !Seen::of(&name).has(Seen::HOP_BY_HOP) && headers.contains_key(&name) {
                named.others.push(name);
            }
        }
    }
    named
}

/// Fields whose removal would change what a message means or what is known of the client.
fn is_end_to_end(name: &HeaderName) -> bool {
    let about_the_client = Seen(
        Seen::VIA.0
            | Seen::FORWARDED.0
            | Seen::FORWARDED_FOR.0
            | Seen::FORWARDED_PROTO.0
            | Seen::FORWARDED_HOST.0
            | Seen::OTHER_FORWARDED.0,
    );
    Seen::of(name).has(about_the_client)
        || [
            HOST,
            AUTHORIZATION,
            WWW_AUTHENTICATE,
            CACHE_CONTROL,
            CONTENT_ENCODING,
            CONTENT_LENGTH,
            CONTENT_RANGE,
            CONTENT_TYPE,
            COOKIE,
            SET_COOKIE,
            EXPECT,
            LOCATION,
        ]
        .contains(name)
}

/// Whether none of the protocols asked for is HTTP itself or TLS, in which later requests would pass unmatched.
fn may_upgrade_to_all(headers: &HeaderMap) -> bool {
    let mut protocols = members(headers, &UPGRADE).peekable();
    protocols.peek().is_some()
        && protocols.all(|protocol| {
            let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
            ![b"h2c".as_slice(), b"h2", b"h3", b"http", b"tls"].iter().any(|refused| name.eq_ignore_ascii_case(refused))
        })
}

/// `TE` is for this hop but for its one member that all hops pass on by agreement: that trailers are welcome.
fn keep_only_trailers(headers: &mut HeaderMap) {
    let trailers = members(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(TE);
    }
}

#[cfg(test)]
#[path = "hop_by_hop_tests.rs"]
mod tests;
