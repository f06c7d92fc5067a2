//! Whether a head's bytes have a `Content-Length` line.
//!
//! hyper follows RFC 9112, 6.1: a message with both `Transfer-Encoding` and `Content-Length` is read as chunked, the
//! length is dropped and the connection closed. We refuse such a message altogether, and this is how we learn of the
//! length that hyper dropped. It is a look at lines, not a parser: what it misses (a line cut in two by a segment's end)
//! is still framed safely by hyper.

use memchr::memchr_iter;

const NAME: &[u8] = b"content-length";

/// Whether one of the lines before the first empty one begins with `Content-Length`.
pub(super) fn has_content_length(bytes: &[u8]) -> bool {
    for end in memchr_iter(b'\n', bytes) {
        let Some(line) = bytes.get(end + 1..) else { return false };
        match line.first() {
            Some(b'c' | b'C') => {
                if line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
                    return true;
                }
            }
            Some(b'\r' | b'\n') | None => return false,
            Some(_) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_line_is_seen_in_any_case_before_the_body_only() {
        assert!(has_content_length(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
        assert!(has_content_length(b"POST / HTTP/1.1\nCONTENT-LENGTH: 3\n\n"));
        assert!(!has_content_length(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nx\r\ncontent-length: 3\r\n"));
        assert!(!has_content_length(b"GET / HTTP/1.1\r\ncookie: content-length: 3\r\n\r\n"));
        assert!(!has_content_length(b""));
    }
}
