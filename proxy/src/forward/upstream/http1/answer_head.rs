//! An answer's head, out of the bytes of a connection.
//!
//! httparse reads it. Values stay where they were read: they share the buffer, and only names are looked up.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use http::response::{Parts, Response};
use http::{StatusCode, Version};
use hyper::ext::ReasonPhrase;
use memchr::memmem;
use smallvec::SmallVec;

use super::error::Http1Error;

/// How long a head may be.
pub(super) const LONGEST: usize = 256 * 1024;
/// How many fields it may have.
const MOST_FIELDS: usize = 100;
/// What few heads have more of.
const USUAL_FIELDS: usize = 24;

/// A head, and what it says of its connection.
#[derive(Debug)]
pub(super) struct AnswerHead {
    pub(super) parts: Parts,
    /// The connection may be used again after the answer.
    pub(super) keep_alive: bool,
}

/// Where a field's name and value are in the head's bytes.
struct Place {
    name: Range<u32>,
    value: Range<u32>,
}

/// Takes a head out of `bytes`; `None`: it is not complete. `seen`: how many of the bytes were looked at before without
/// success. `headers`: an empty map, whose room is used.
pub(super) fn take(
    bytes: &mut BytesMut,
    seen: &mut usize,
    headers: &mut HeaderMap,
) -> Result<Option<AnswerHead>, Http1Error> {
    if !may_be_complete(bytes, *seen) {
        return unfinished(bytes, seen);
    }
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; MOST_FIELDS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut fields);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return unfinished(bytes, seen),
        Err(error) => return Err(malformed(error)),
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Http1Error::Malformed("a status that is none"))?;
    let version = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let reason = head.reason.filter(|reason| status.canonical_reason() != Some(reason));
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes().to_vec()).ok());
    let places: SmallVec<[Place; USUAL_FIELDS]> = head.headers.iter().map(|field| Place::of(field, bytes)).collect();
    let mut connection = Connection::of(version);
    put(&bytes.split_to(length).freeze(), &places, headers, &mut connection)?;
    *seen = 0;
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.version, parts.headers) = (status, version, std::mem::take(headers));
    if let Some(reason) = reason {
        parts.extensions.insert(reason);
    }
    Ok(Some(AnswerHead { parts, keep_alive: connection.keep_alive }))
}

/// Whether the empty line may be there that ends a head. What was looked at before is not read again, so that a head in
/// many pieces costs no more than its length.
fn may_be_complete(bytes: &[u8], seen: usize) -> bool {
    if bytes.is_empty() {
        return false;
    }
    if seen == 0 {
        return true;
    }
    let new = bytes.get(seen.saturating_sub(3)..).unwrap_or_default();
    memmem::find(new, b"\n\r\n").is_some() || memmem::find(new, b"\n\n").is_some()
}

fn unfinished(bytes: &[u8], seen: &mut usize) -> Result<Option<AnswerHead>, Http1Error> {
    *seen = bytes.len();
    if bytes.len() >= LONGEST { Err(Http1Error::Malformed("a head that is too long")) } else { Ok(None) }
}

#[cold]
fn malformed(error: httparse::Error) -> Http1Error {
    Http1Error::Malformed(match error {
        httparse::Error::TooManyHeaders => "a head with too many fields",
        httparse::Error::HeaderName => "a field name that is none",
        httparse::Error::HeaderValue => "a field value that is none",
        httparse::Error::Version => "a version that is not HTTP/1",
        _ => "a status line or a line end that is none",
    })
}

impl Place {
    fn of(field: &httparse::Header<'_>, head: &[u8]) -> Self {
        Self { name: range(field.name.as_bytes(), head), value: range(field.value, head) }
    }
}

/// Where `part` lies in `head`; the parser lets an empty one lie anywhere. A head is too short for a number to be cut off.
fn range(part: &[u8], head: &[u8]) -> Range<u32> {
    let start = (part.as_ptr() as usize).saturating_sub(head.as_ptr() as usize);
    let start = u32::try_from(start).unwrap_or(u32::MAX);
    start..start.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX))
}

fn put(head: &Bytes, places: &[Place], headers: &mut HeaderMap, connection: &mut Connection) -> Result<(), Http1Error> {
    // Room for what the exchange adds as well.
    headers.reserve(places.len() + 2);
    for Place { name, value } in places {
        let name = head.get(name.start as usize..name.end as usize).unwrap_or_default();
        let name = HeaderName::from_bytes(name).map_err(|_| Http1Error::Malformed("a field name that is none"))?;
        let (start, end) = (value.start as usize, value.end as usize);
        let value = if start < end && end <= head.len() { head.slice(start..end) } else { Bytes::new() };
        let value = HeaderValue::from_maybe_shared(value);
        let value = value.map_err(|_| Http1Error::Malformed("a field value that is none"))?;
        if name == CONNECTION {
            connection.says(&value);
        }
        headers.append(name, value);
    }
    Ok(())
}

/// What `Connection` fields say (RFC 9112, 9.3). Once one of them says `close`, no other undoes it.
struct Connection {
    keep_alive: bool,
    close: bool,
}

impl Connection {
    fn of(version: Version) -> Self {
        Self { keep_alive: version == Version::HTTP_11, close: false }
    }

    fn says(&mut self, value: &HeaderValue) {
        for option in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        self.keep_alive &= !self.close;
    }
}
