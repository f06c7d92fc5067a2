//! Interim answers of a target (RFC 9110, 15.2), such as `103 Early Hints`, on their way to the client.
//!
//! They are written to the client's connection before anything of the final answer.

use std::io::Write as _;

use http::header::{CONTENT_LENGTH, HeaderValue, VIA};
use http::response::Parts;
use http::{StatusCode, Version};

use crate::forward::client::ClientConnection;
use crate::forward::headers::strip_response;
use crate::forward::http1::write_field;

/// While the client does not read, no more than this is kept for it; what comes beyond is dropped.
const MOST_WAITING: usize = 64 * 1024;

/// Interim heads that wait until the client's connection takes them.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<u8>);

impl Waiting {
    /// Gives them to the client, on whose task this runs.
    pub(super) fn pass_on(&mut self, client: &ClientConnection) {
        if !self.0.is_empty() && client.takes_interim() {
            client.interim(std::mem::take(&mut self.0));
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
fn forwarded(head: Parts) -> Option<Vec<u8>> {
    let Parts { status, mut headers, .. } = head;
    strip_response(&mut headers, status, Version::HTTP_11).ok()?;
    // There is no body to frame (RFC 9110, 8.6), and nobody shall take the next bytes for one.
    headers.remove(CONTENT_LENGTH);
    headers.append(VIA, HeaderValue::from_static("1.1 sluicegate"));
    let mut raw = Vec::with_capacity(256);
    // Writing to a Vec does not fail.
    let _ = write!(raw, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    for (name, value) in &headers {
        write_field(&mut raw, name, value.as_bytes());
    }
    raw.extend_from_slice(b"\r\n");
    Some(raw)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::Response;

    use super::*;

    fn laid(heads: &[(u16, &[(&str, &str)])]) -> String {
        let mut waiting = Waiting::default();
        for (status, fields) in heads {
            let fields = fields
                .iter()
                .fold(Response::builder().status(*status), |response, (name, value)| response.header(*name, *value));
            waiting.lay_down(fields.body(()).unwrap().into_parts().0);
        }
        String::from_utf8(waiting.0).unwrap()
    }

    #[test]
    fn heads_go_on_in_their_order_without_what_is_for_one_hop_only() {
        let hop =
            [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "5"), ("content-length", "3"), ("link", "<a>")];
        let heads: &[(u16, &[_])] = &[(100, &[("a", "b")]), (103, &hop), (199, &[])];
        assert_eq!(
            laid(heads),
            "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\nvia: 1.1 sluicegate\r\n\r\nHTTP/1.1 199 \r\nvia: 1.1 sluicegate\r\n\r\n",
        );
    }

    #[test]
    fn no_more_than_so_much_waits_for_a_client_that_does_not_read() {
        let long = "x".repeat(1000);
        let kept = laid(&[(103, [("link", long.as_str())].as_slice()); 100]).len();
        assert!(kept <= MOST_WAITING && kept > MOST_WAITING - 2000, "{kept}");
    }
}
