//! Complete HTTP/1.1 answers as bytes, for where there is no request to answer: a head that never became complete, or that
//! is none. These answers always end the connection.

use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Form, Reason, answer};

/// A complete HTTP/1.1 answer with `connection: close`. The same header fields and body as [`answer`] makes.
pub fn raw_http1(reason: Reason) -> Bytes {
    let (mut parts, body) = answer(Form::Http1, reason).into_parts();
    parts.headers.insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    let mut raw = BytesMut::with_capacity(512 + body.len());
    raw.put_slice(b"HTTP/1.1 ");
    raw.put_slice(parts.status.as_str().as_bytes());
    raw.put_u8(b' ');
    raw.put_slice(parts.status.canonical_reason().unwrap_or_default().as_bytes());
    raw.put_slice(b"\r\ndate: ");
    raw.put_slice(httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    raw.put_slice(b"\r\n");
    for (name, value) in &parts.headers {
        raw.put_slice(name.as_str().as_bytes());
        raw.put_slice(b": ");
        raw.put_slice(value.as_bytes());
        raw.put_slice(b"\r\n");
    }
    raw.put_slice(b"\r\n");
    raw.put_slice(&body);
    raw.freeze()
}
