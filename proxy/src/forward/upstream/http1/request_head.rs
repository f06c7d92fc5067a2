//! A request's head as it goes over the wire, and how its body is framed (RFC 9112, 6).

use std::io::Write as _;

use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body;

use crate::forward::http1::{Coding, promised, write_field, write_length};
use crate::forward::upstream::RequestBody;

/// Writes the head of a request that has this body. The framing is the body's: what the head's fields say of it is made to
/// agree.
pub(super) fn write(out: &mut Vec<u8>, parts: &Parts, body: &RequestBody) -> Coding {
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    write_target(out, parts);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let length = if body.is_end_stream() {
        Some(0)
    } else if parts.headers.contains_key(TRAILER) && !parts.headers.contains_key(CONTENT_LENGTH) {
        // Only chunks can be followed by the fields that are promised.
        None
    } else {
        body.size_hint().exact()
    };
    let mut says_length = false;
    for (name, value) in &parts.headers {
        if *name == TRANSFER_ENCODING {
            continue;
        }
        if *name == CONTENT_LENGTH {
            if let Some(length) = length.filter(|_| !says_length) {
                says_length = true;
                write_length(out, length);
            }
            continue;
        }
        write_field(out, name, value.as_bytes());
    }
    let coding = match length {
        Some(0) => Coding::Length(0),
        Some(length) => {
            if !says_length {
                write_length(out, length);
            }
            Coding::Length(length)
        }
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Coding::Chunked { promised: promised(&parts.headers) }
        }
    };
    out.extend_from_slice(b"\r\n");
    coding
}

fn write_target(out: &mut Vec<u8>, parts: &Parts) {
    if parts.uri.authority().is_some() {
        // Absolute form, for egress proxies. Writing to a Vec does not fail.
        let _ = write!(out, "{}", parts.uri);
    } else {
        let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if target.starts_with('?') {
            // Of a whole URI without a path (RFC 9112, 3.2.1).
            out.push(b'/');
        }
        out.extend_from_slice(target.as_bytes());
    }
}
