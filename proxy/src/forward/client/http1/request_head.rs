//! A request's head, out of the bytes of a connection.

use bytes::{Buf, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING};
use http::request::{Parts, Request};
use http::{Method, Uri, Version};

use crate::answer::Reason;
use crate::forward::error::Malformed;
use crate::forward::headers::members_of;
use crate::forward::http1::{Framing, KeepAlive, MOST_FIELDS, Places, ends_chunked, may_be_complete, number};

/// The longest request target, which is the longest that [`Uri`] holds.
const LONGEST_TARGET: usize = u16::MAX as usize - 1;

/// A head, and what it says of its body and of its connection.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) parts: Parts,
    pub(super) framing: Framing,
    /// The client would send another request.
    pub(super) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects: bool,
    /// The client takes fields after the answer's body.
    pub(super) trailers: bool,
}

/// Takes a head out of `bytes`, and the empty lines before it (RFC 9112, 2.2); `None`: it is not complete. `seen`: how many
/// of the bytes were looked at before without success. `headers`: an empty map, whose room is used. `limit`: how long a
/// head may be.
pub(super) fn take(
    bytes: &mut BytesMut,
    seen: &mut usize,
    headers: &mut HeaderMap,
    limit: usize,
) -> Result<Option<RequestHead>, Reason> {
    if *seen == 0 {
        skip_empty_lines(bytes);
    }
    if !may_be_complete(bytes, *seen) {
        return unfinished(bytes, seen, limit);
    }
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; MOST_FIELDS];
    let mut head = httparse::Request::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut head, bytes, &mut fields);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return unfinished(bytes, seen, limit),
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::HeadersTooLarge),
        Err(_) => return Err(Reason::InvalidRequest),
    };
    if length > limit {
        return Err(Reason::HeadersTooLarge);
    }
    let target = head.path.unwrap_or_default();
    if target.len() > LONGEST_TARGET {
        return Err(Reason::UriTooLong);
    }
    let method = Method::from_bytes(head.method.unwrap_or_default().as_bytes()).map_err(|_| Reason::InvalidRequest)?;
    let version = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let start = (target.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    let target = start..start.saturating_add(target.len());
    let places = Places::of(head.headers, bytes);
    let head = bytes.split_to(length).freeze();
    *seen = 0;
    if target.end > head.len() {
        return Err(Reason::InternalError);
    }
    let target = Uri::from_maybe_shared(head.slice(target)).map_err(|_| Reason::InvalidRequest)?;
    let mut says = Says::of(version);
    places
        .put(&head, headers, |name, value| {
            if *name == CONTENT_LENGTH {
                says.length(value)
            } else if *name == CONNECTION {
                says.keep_alive.says(value);
                Ok(())
            } else if *name == TRANSFER_ENCODING {
                says.coding(value)
            } else {
                if *name == EXPECT {
                    says.expects = value.as_bytes().eq_ignore_ascii_case(b"100-continue");
                } else if *name == TE {
                    says.trailers |= members_of(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
                }
                Ok(())
            }
        })
        .map_err(|_| Reason::InvalidRequest)?;
    if says.repeated
        && let Some(length) = says.length
    {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let framing = says.framing()?;
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri, parts.version, parts.headers) = (method, target, version, std::mem::take(headers));
    Ok(Some(RequestHead {
        parts,
        framing,
        // Of a message with two framings nobody can be sure where it ends (RFC 9112, 6.1).
        keep_alive: says.keep_alive.keeps() && !(says.coded && says.length.is_some()),
        expects: says.expects && version == Version::HTTP_11 && !framing.is_end(),
        trailers: says.trailers && version == Version::HTTP_11,
    }))
}

fn skip_empty_lines(bytes: &mut BytesMut) {
    loop {
        let length = match **bytes {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return,
        };
        bytes.advance(length);
    }
}

fn unfinished(bytes: &[u8], seen: &mut usize, limit: usize) -> Result<Option<RequestHead>, Reason> {
    // Half an empty line is looked at again: what it becomes stands before the head.
    *seen = if bytes == b"\r" { 0 } else { bytes.len() };
    if bytes.len() >= limit { Err(Reason::HeadersTooLarge) } else { Ok(None) }
}

/// What the fields say of the body and of the connection.
struct Says {
    keep_alive: KeepAlive,
    /// There may be transfer codings.
    http_11: bool,
    length: Option<u64>,
    /// The length was said several times.
    repeated: bool,
    coded: bool,
    /// The last coding is `chunked`.
    chunked: bool,
    expects: bool,
    trailers: bool,
}

impl Says {
    fn of(version: Version) -> Self {
        Self {
            keep_alive: KeepAlive::of(version),
            http_11: version == Version::HTTP_11,
            length: None,
            repeated: false,
            coded: false,
            chunked: false,
            expects: false,
            trailers: false,
        }
    }

    fn length(&mut self, value: &HeaderValue) -> Result<(), Malformed> {
        const MALFORMED: Malformed = Malformed("a Content-Length that is no number, or several");
        let length = number(value.as_bytes()).ok_or(MALFORMED)?;
        self.repeated = self.length.is_some();
        if self.length.is_some_and(|other| other != length) {
            return Err(MALFORMED);
        }
        self.length = Some(length);
        Ok(())
    }

    fn coding(&mut self, value: &HeaderValue) -> Result<(), Malformed> {
        if !self.http_11 {
            return Err(Malformed("Transfer-Encoding in a request of HTTP/1.0"));
        }
        self.coded = true;
        self.chunked = ends_chunked(value);
        Ok(())
    }

    /// A request whose last coding is not `chunked` has no end (RFC 9112, 6.3); one with a length that no signed number
    /// holds has none that anybody sees.
    fn framing(&self) -> Result<Framing, Reason> {
        if self.length.is_some_and(|length| length > i64::MAX as u64) {
            return Err(Reason::BodyTooLarge);
        }
        match (self.coded, self.chunked) {
            (true, true) => Ok(Framing::CHUNKED),
            (true, false) => Err(Reason::InvalidRequest),
            (false, _) => Ok(self.length.map_or(Framing::END, Framing::Length)),
        }
    }
}
