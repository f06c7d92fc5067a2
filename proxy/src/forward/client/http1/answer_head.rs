//! An answer's head as it goes to the client, and how its body is framed (RFC 9112, 6).

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::response::Parts;
use http_body::Body;
use http_body_util::Full;
use hyper::ext::ReasonPhrase;

use super::date::Date;
use crate::answer::{Form, Reason, answer};
use crate::forward::http1::{Coding, promised, write_field, write_length};

/// What the answer's head depends on besides the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The client speaks HTTP/1.0.
    pub(super) http_10: bool,
    /// It asked with HEAD.
    pub(super) head: bool,
    /// It takes fields after the body.
    pub(super) trailers: bool,
    /// The connection may go on.
    pub(super) keep_alive: bool,
}

/// Writes the head of an answer that has this body; `keep_alive` becomes whether the connection goes on. The framing is
/// the body's: what the head's fields say of it is made to agree.
pub(super) fn write<B: Body>(out: &mut Vec<u8>, parts: &Parts, body: &B, asked: &mut Asked, date: &Date) -> Coding {
    write_status(out, parts, asked.http_10);
    let bodiless = asked.head
        || matches!(parts.status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
    let (mut says_length, mut says_date, mut says_connection) = (false, false, false);
    for (name, value) in &parts.headers {
        if *name == CONTENT_LENGTH {
            // Of a body that is sent, what is written here is its own.
            if says_length || !bodiless {
                continue;
            }
            says_length = true;
        } else if *name == CONNECTION {
            // Ours alone: what a target says of its connection was taken off.
            if value.as_bytes() == b"close" {
                asked.keep_alive = false;
                continue;
            }
            says_connection = true;
        } else if *name == TRANSFER_ENCODING {
            continue;
        } else if *name == DATE {
            says_date = true;
        }
        write_field(out, name, value.as_bytes());
    }
    let coding = match length {
        _ if bodiless => Coding::Length(0),
        Some(length) => {
            write_length(out, length);
            Coding::Length(length)
        }
        None if asked.http_10 => {
            asked.keep_alive = false;
            Coding::UntilClose
        }
        None => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            let trailers = asked.trailers && parts.headers.contains_key(TRAILER);
            Coding::Chunked { promised: if trailers { promised(&parts.headers) } else { Vec::new() } }
        }
    };
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        asked.keep_alive = false;
    } else if !asked.keep_alive {
        out.extend_from_slice(b"connection: close\r\n");
    } else if asked.http_10 && !says_connection {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    if !says_date {
        date.write(out);
    }
    out.extend_from_slice(b"\r\n");
    coding
}

/// Writes a whole answer to what is no request, after which the connection ends.
pub(super) fn write_refusal(out: &mut Vec<u8>, reason: Reason, date: &Date) {
    let (parts, document) = answer(Form::Http1, reason).into_parts();
    let mut asked = Asked { http_10: false, head: false, trailers: false, keep_alive: false };
    write(out, &parts, &Full::new(document.clone()), &mut asked, date);
    out.extend_from_slice(&document);
}

fn write_status(out: &mut Vec<u8>, parts: &Parts, http_10: bool) {
    out.extend_from_slice(if http_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(parts.status.as_str().as_bytes());
    out.push(b' ');
    let reason = match parts.extensions.get::<ReasonPhrase>() {
        Some(reason) => reason.as_bytes(),
        None => parts.status.canonical_reason().unwrap_or_default().as_bytes(),
    };
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}
