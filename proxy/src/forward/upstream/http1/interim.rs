//! Interim answers of a target (RFC 9110, 15.2), such as `103 Early Hints`, on their way to the client.
//!
//! hyper's server has no way to send them, so they are written to the client's connection between two messages.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderValue, VIA};
use http::response::Parts;
use http::{StatusCode, Version};

use crate::forward::client::ClientConnection;
use crate::forward::headers::strip_response;

/// While the client does not read, no more than this is kept for it; what comes beyond is dropped.
const MOST_WAITING: usize = 64 * 1024;

/// Interim heads that wait until the client's connection takes them.
#[derive(Debug, Default)]
pub(super) struct Waiting(BytesMut);

impl Waiting {
    /// Gives them to the client, on whose task this runs.
    pub(super) fn pass_on(&mut self, client: &ClientConnection) {
        if !self.0.is_empty() && client.state.may_interject() {
            client.state.interject(self.0.split().freeze());
        }
    }

    /// Keeps a head until it is passed on. A `100 Continue` is not the target's to send on: the client has had one.
    #[cold]
    pub(super) fn lay_down(&mut self, head: Parts) {
        if head.status == StatusCode::CONTINUE {
            return;
        }
        if let Some(head) = forwarded(head)
            && self.0.len() + head.len() <= MOST_WAITING
        {
            self.0.extend_from_slice(&head);
        }
    }
}

/// The head as the client gets it, without what is for one hop only; `None` where it cannot be passed on.
fn forwarded(head: Parts) -> Option<Bytes> {
    let Parts { status, mut headers, .. } = head;
    strip_response(&mut headers, status, Version::HTTP_11).ok()?;
    // There is no body to frame (RFC 9110, 8.6), and nobody shall take the next bytes for one.
    headers.remove(CONTENT_LENGTH);
    headers.append(VIA, HeaderValue::from_static("1.1 sluicegate"));
    let mut raw = BytesMut::with_capacity(256);
    raw.put_slice(b"HTTP/1.1 ");
    raw.put_slice(status.as_str().as_bytes());
    raw.put_u8(b' ');
    raw.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    raw.put_slice(b"\r\n");
    for (name, value) in &headers {
        raw.put_slice(name.as_str().as_bytes());
        raw.put_slice(b": ");
        raw.put_slice(value.as_bytes());
        raw.put_slice(b"\r\n");
    }
    raw.put_slice(b"\r\n");
    Some(raw.freeze())
}
