//! What a request's head says beside the request, and how much of it there may be.

use bytes::BytesMut;
use http::HeaderMap;

use super::super::request_head::{self, RequestHead};
use crate::answer::Reason;
use crate::forward::http1::Framing;

/// What is taken of a head that comes in pieces of `size`, and what is left.
fn taken(text: &str, size: usize, limit: usize) -> (Result<Option<RequestHead>, Reason>, BytesMut) {
    let (mut bytes, mut seen, mut headers) = (BytesMut::new(), 0, HeaderMap::new());
    for piece in text.as_bytes().chunks(size) {
        bytes.extend_from_slice(piece);
        let taken = request_head::take(&mut bytes, &mut seen, &mut headers, limit);
        if !matches!(taken, Ok(None)) {
            return (taken, bytes);
        }
    }
    (Ok(None), bytes)
}

fn head(text: &str) -> RequestHead {
    taken(text, text.len(), 1024).0.unwrap().unwrap()
}

/// Whether the head is taken, or why it is refused, in whatever pieces it comes.
fn verdict(text: &str, limit: usize) -> Result<(), Reason> {
    let [whole, others @ ..] = [text.len(), 1, 2, 3, 1000].map(|size| {
        let (taken, left) = taken(text, size, limit);
        taken.map(|head| assert!(head.is_some() && left.is_empty()))
    });
    assert!(others.iter().all(|other| *other == whole), "{whole:?} {others:?}");
    whole
}

#[test]
fn a_head_is_as_long_as_it_may_be_however_it_comes() {
    const LIMIT: usize = 200;
    for before in ["", "\r\n", "\n\r\n"] {
        let padded = |length: usize| {
            let start = "GET / HTTP/1.1\r\nhost: a\r\nx: ";
            format!("{before}{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
        };
        assert_eq!(verdict(&padded(LIMIT), LIMIT), Ok(()));
        assert_eq!(verdict(&padded(LIMIT + 1), LIMIT), Err(Reason::HeadersTooLarge));
        assert_eq!(verdict(&padded(LIMIT * 50), LIMIT), Err(Reason::HeadersTooLarge));
    }
    // Without an end, it is refused when nothing could make it short enough.
    let endless = "GET / HTTP/1.1\r\nx: ".to_owned() + &"x".repeat(LIMIT);
    assert_eq!(verdict(&endless, LIMIT), Err(Reason::HeadersTooLarge));
}

#[test]
fn what_has_more_than_may_be_of_anything_is_refused_with_its_reason() {
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(count));
    assert_eq!(verdict(&fields(100), 1 << 20), Ok(()));
    assert_eq!(verdict(&fields(101), 1 << 20), Err(Reason::HeadersTooLarge));
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(length - 1));
    assert_eq!(verdict(&target(65_534), 1 << 20), Ok(()));
    assert_eq!(verdict(&target(65_535), 1 << 20), Err(Reason::UriTooLong));
    let length = |length: u64| verdict(&format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n"), 1024);
    assert_eq!(length(i64::MAX as u64), Ok(()));
    assert_eq!(length(i64::MAX as u64 + 1), Err(Reason::BodyTooLarge));
}

#[test]
fn what_has_two_framings_keeps_both_and_ends_its_connection() {
    for fields in ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"]
    {
        let head = head(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n"));
        assert_eq!(head.framing, Framing::CHUNKED);
        assert!(!head.keep_alive);
        assert!(head.parts.headers.contains_key("content-length"), "so that admission refuses it");
        assert!(head.parts.headers.contains_key("transfer-encoding"));
    }
}

#[test]
fn a_length_that_is_said_again_is_said_once_afterwards() {
    let head = head("POST / HTTP/1.1\r\ncontent-length: 05\r\nx: y\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(head.framing, Framing::Length(5));
    assert_eq!(head.parts.headers.get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
}

#[test]
fn the_go_ahead_is_for_bodies_of_clients_that_know_of_it() {
    let expects = |version: &str, fields: &str| {
        head(&format!("POST / HTTP/{version}\r\nexpect: 100-Continue\r\n{fields}\r\n\r\n")).expects
    };
    assert!(expects("1.1", "content-length: 5"));
    assert!(expects("1.1", "transfer-encoding: chunked"));
    assert!(!expects("1.1", "content-length: 0"));
    assert!(!expects("1.1", "x: y"));
    assert!(!expects("1.0", "content-length: 5"));
}

#[test]
fn fields_after_an_answer_are_for_clients_that_say_so() {
    let takes = |version: &str, fields: &str| head(&format!("GET / HTTP/{version}\r\n{fields}\r\n\r\n")).trailers;
    assert!(takes("1.1", "te: trailers"));
    assert!(takes("1.1", "te: gzip;q=0.5 , Trailers"));
    assert!(takes("1.1", "te: trailers\r\nte: gzip"));
    assert!(!takes("1.1", "te: gzip, xtrailers"));
    assert!(!takes("1.1", "x: trailers"));
    assert!(!takes("1.0", "te: trailers"));
}

#[test]
fn an_empty_line_is_no_part_of_a_head_even_if_it_comes_in_two_pieces() {
    for text in ["\r\n", "\n", "\r\n\r\n", "\n\r\n"] {
        for size in [1, 2, 3] {
            let (taken, left) = taken(text, size, 1024);
            assert!(matches!(taken, Ok(None)) && left.is_empty(), "{text:?} in pieces of {size}: {left:?}");
        }
    }
}

#[test]
fn what_follows_a_head_is_left() {
    let (head, left) = taken("GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\n", 1000, 1024);
    assert_eq!(head.unwrap().unwrap().parts.uri, "/one");
    assert_eq!(left, "GET /two HTTP/1.1\r\n\r\n");
}
