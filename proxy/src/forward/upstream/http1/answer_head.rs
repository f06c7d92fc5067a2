//! An answer's head, out of the bytes of a connection.

use bytes::BytesMut;
use http::header::{CONNECTION, HeaderMap, TRANSFER_ENCODING};
use http::response::{Parts, Response};
use http::{StatusCode, Version};
use hyper::ext::ReasonPhrase;

use super::error::Http1Error;
use crate::forward::error::Malformed;
use crate::forward::http1::{Framing, KeepAlive, MOST_FIELDS, Places, ends_chunked, may_be_complete, settled_length};

/// How long a head may be.
pub(super) const LONGEST: usize = 256 * 1024;

/// A head, and what it says of its connection.
#[derive(Debug)]
pub(super) struct AnswerHead {
    pub(super) parts: Parts,
    /// The connection may be used again after the answer.
    pub(super) keep_alive: bool,
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
    let status = status.ok_or(Malformed("a status that is none"))?;
    let version = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let reason = head.reason.filter(|reason| status.canonical_reason() != Some(reason));
    let reason = reason.and_then(|reason| ReasonPhrase::try_from(reason.as_bytes().to_vec()).ok());
    let places = Places::of(head.headers, bytes);
    let mut keep_alive = KeepAlive::of(version);
    places.put(&bytes.split_to(length).freeze(), headers, |name, value| {
        if *name == CONNECTION {
            keep_alive.says(value);
        }
        Ok(())
    })?;
    *seen = 0;
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.version, parts.headers) = (status, version, std::mem::take(headers));
    if let Some(reason) = reason {
        parts.extensions.insert(reason);
    }
    Ok(Some(AnswerHead { parts, keep_alive: keep_alive.keeps() }))
}

fn unfinished(bytes: &[u8], seen: &mut usize) -> Result<Option<AnswerHead>, Http1Error> {
    *seen = bytes.len();
    if bytes.len() >= LONGEST { Err(Malformed("a head that is too long").into()) } else { Ok(None) }
}

#[cold]
fn malformed(error: httparse::Error) -> Http1Error {
    let malformed = Malformed(match error {
        httparse::Error::TooManyHeaders => "a head with too many fields",
        httparse::Error::HeaderName => "a field name that is none",
        httparse::Error::HeaderValue => "a field value that is none",
        httparse::Error::Version => "a version that is not HTTP/1",
        _ => "a status line or a line end that is none",
    });
    malformed.into()
}

/// How the body is framed that a head announces. `to_head`: it answers a HEAD. A length that is said several times is said
/// once afterwards.
pub(super) fn framing(parts: &mut Parts, to_head: bool) -> Result<Framing, Http1Error> {
    let length = settled_length(&mut parts.headers)?;
    if to_head || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::END);
    }
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        if parts.version == Version::HTTP_10 {
            return Err(Malformed("Transfer-Encoding in an answer of HTTP/1.0").into());
        }
        let last = parts.headers.get_all(TRANSFER_ENCODING).iter().next_back();
        return Ok(if last.is_some_and(ends_chunked) { Framing::CHUNKED } else { Framing::UntilClose });
    }
    Ok(length.map_or(Framing::UntilClose, Framing::Length))
}
