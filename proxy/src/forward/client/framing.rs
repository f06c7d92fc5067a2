//! Whether a head's bytes have a `Content-Length` line.
//!
//! hyper follows RFC 9112, 6.1: a message with both `Transfer-Encoding` and `Content-Length` is read as chunked, the
//! length is dropped and the connection closed. We refuse such a message altogether, and this is how we learn of the
//! length that hyper dropped. It is a look at the beginnings of lines, not a parser: what it misses (a head that comes
//! before the answer to the last one) is still framed safely by hyper.

use memchr::memchr;

/// With the colon, which nothing may stand before (RFC 9112, 5.1).
const NAME: &[u8] = b"content-length:";

/// Looks through one head, in as many pieces as it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LengthLook {
    /// At the beginning of a line, of which this many bytes are those of the name.
    Name(usize),
    /// In a line that is another one; the request line to begin with.
    Other,
    /// The head has ended.
    Ended,
}

impl LengthLook {
    /// Before a head.
    pub(super) fn new() -> Self {
        Self::Other
    }

    /// Whether a line named `Content-Length` is in, or is completed by, these next bytes of the head.
    pub(super) fn finds(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            match *self {
                Self::Ended => return false,
                Self::Other => match memchr(b'\n', bytes) {
                    Some(end) => {
                        bytes = bytes.get(end + 1..).unwrap_or_default();
                        *self = Self::Name(0);
                    }
                    None => return false,
                },
                Self::Name(known) => {
                    let Some((first, rest)) = bytes.split_first() else { return false };
                    match NAME.get(known) {
                        Some(wanted) if first.eq_ignore_ascii_case(wanted) => {
                            bytes = rest;
                            *self = Self::Name(known + 1);
                            if known + 1 == NAME.len() {
                                *self = Self::Other;
                                return true;
                            }
                        }
                        _ if known == 0 && matches!(first, b'\r' | b'\n') => *self = Self::Ended,
                        _ => *self = Self::Other,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITH: [&[u8]; 3] = [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\nCONTENT-LENGTH: 3\n\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
    ];
    const WITHOUT: [&[u8]; 6] = [
        b"POST / HTTP/1.1\r\ncontent-length-unknown: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\nx\r\ncontent-length: 3\r\n",
        b"GET / HTTP/1.1\r\ncookie: content-length: 3\r\n\r\n",
        b"content-length: 3 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-lengt: 3\r\ncontent: length\r\n\r\n",
        b"",
    ];

    #[test]
    fn a_length_line_is_seen_in_any_case_before_the_body_only() {
        for head in WITH {
            assert!(LengthLook::new().finds(head), "{}", head.escape_ascii());
        }
        for head in WITHOUT {
            assert!(!LengthLook::new().finds(head), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn it_makes_no_difference_how_the_head_is_cut() {
        for (heads, wanted) in [(&WITH[..], true), (&WITHOUT[..], false)] {
            for head in heads {
                for size in 1..=head.len().max(1) {
                    let mut look = LengthLook::new();
                    let found = head.chunks(size).any(|piece| look.finds(piece));
                    assert_eq!(found, wanted, "{} in pieces of {size}", head.escape_ascii());
                }
            }
        }
    }
}
