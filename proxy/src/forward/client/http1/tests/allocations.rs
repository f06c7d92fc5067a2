//! A request's head and its answer's, on a connection that has served before, are read and written without allocating.

use std::future::poll_fn;

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header::HeaderMap;
use http::{Response, header};
use http_body_util::Full;

use super::super::answer_head::{self, Asked};
use super::super::date::Date;
use super::super::request_head;
use crate::forward::clock::Clock;
use crate::forward::http1::Sending;

const REQUEST: &[u8] = b"GET /v1/models?limit=7 HTTP/1.1\r\nhost: test\r\nuser-agent: curl/8\r\naccept: */*\r\n\
    accept-encoding: gzip, br\r\nauthorization: Bearer x\r\ncookie: a=b\r\nte: trailers\r\nconnection: keep-alive\r\n\r\n";

#[test]
fn heads_of_usual_fields_are_taken_without_an_allocation() {
    let (mut bytes, mut seen, mut headers) = (BytesMut::with_capacity(1024), 0, HeaderMap::new());
    let mut exchange = |times: usize| {
        for _ in 0..times {
            bytes.reserve(512);
            bytes.extend_from_slice(REQUEST);
            let head = request_head::take(&mut bytes, &mut seen, &mut headers, 1024).unwrap().unwrap();
            headers = head.parts.headers;
            headers.clear();
        }
    };
    let first = measure(|| exchange(10));
    assert_ne!(first.count_total, 0, "room is made at first, and counted");
    let counted = measure(|| exchange(100));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn answers_of_known_length_are_sent_without_an_allocation() {
    let date = Date::new(&Clock::new());
    let answer = Response::builder().header(header::CONTENT_TYPE, "text/plain").header(header::CONTENT_LENGTH, "5");
    let (parts, ()) = answer.body(()).unwrap().into_parts();
    let mut sending = Sending::nothing();
    let mut stream = tokio::io::sink();
    let mut exchange = |times: usize| {
        for _ in 0..times {
            let mut asked = Asked { http_10: false, head: false, trailers: false, keep_alive: true };
            let body = Full::new(Bytes::from_static(b"hello"));
            sending.begin(body, |text, body| answer_head::write(text, &parts, body, &mut asked, &date));
            poll_fn(|cx| sending.poll(&mut stream, cx)).now_or_never().unwrap().unwrap();
            assert!(sending.was_written());
        }
    };
    let first = measure(|| exchange(10));
    assert_ne!(first.count_total, 0, "room is made at first, and counted");
    let counted = measure(|| exchange(100));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
