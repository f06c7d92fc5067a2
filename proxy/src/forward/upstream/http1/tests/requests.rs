//! What requests look like on the wire.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body::Frame;
use tokio::io::AsyncReadExt;

use super::super::request_head;
use crate::forward::clock::Clock;
use crate::forward::http1::Sending;
use crate::forward::upstream::{BodyWatch, RequestBody};

fn streamed(texts: &[&'static str], trailers: Option<HeaderMap>) -> RequestBody {
    let mut frames: VecDeque<_> = texts.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect();
    frames.extend(trailers.map(Frame::trailers));
    RequestBody::read_ahead(frames, None, BodyWatch::new(&Clock::new(), 0, Duration::from_secs(30)))
}

/// What arrives of a request over a stream that takes `size` bytes at a time; `None`: it cannot be sent to its end.
async fn sent(request: http::request::Builder, body: RequestBody, size: usize) -> Option<String> {
    let (mut stream, mut target) = tokio::io::duplex(size);
    let (parts, body) = request.body(body).unwrap().into_parts();
    let mut sending = Sending::nothing();
    assert!(sending.is_through());
    sending.begin(body, |text, body| request_head::write(text, &parts, body));
    assert!(!sending.is_through());
    let sending = async move {
        let result = poll_fn(|cx| sending.poll(&mut stream, cx)).await;
        result.is_ok().then(|| assert!(sending.was_written()))
    };
    let mut arrived = String::new();
    let (through, read) = tokio::join!(sending, target.read_to_string(&mut arrived));
    read.unwrap();
    through.map(|()| arrived)
}

fn post() -> http::request::Builder {
    Request::post("/orders?a=b").header("host", "shop")
}

#[tokio::test]
async fn heads_and_bodies_are_framed_as_the_body_is() {
    let trailers: HeaderMap = [("x-sum", "7"), ("x-other", "8")]
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .into_iter()
        .collect();
    for size in [1, 7, 4096] {
        let get = Request::get("/").header("host", "shop").header("accept", "*/*");
        assert_eq!(
            sent(get, RequestBody::empty(), size).await.unwrap(),
            "GET / HTTP/1.1\r\nhost: shop\r\naccept: */*\r\n\r\n",
        );
        let empty = post().header("content-length", "0");
        assert_eq!(
            sent(empty, RequestBody::empty(), size).await.unwrap(),
            "POST /orders?a=b HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\n\r\n",
        );
        let long = post().header("content-length", "8");
        assert_eq!(
            sent(long, streamed(&["one ", "", "more"], None), size).await.unwrap(),
            "POST /orders?a=b HTTP/1.1\r\nhost: shop\r\ncontent-length: 8\r\n\r\none more",
        );
        assert_eq!(
            sent(post(), streamed(&["one ", "more"], None), size).await.unwrap(),
            "POST /orders?a=b HTTP/1.1\r\nhost: shop\r\ncontent-length: 8\r\n\r\none more",
            "a length that the body knows and the head does not say",
        );
        let unknown = streamed(&["one ", "", "0123456789abcdefg"], Some(trailers.clone()));
        assert_eq!(
            sent(post().header("trailer", "x-sum, x-none"), unknown, size).await.unwrap(),
            "POST /orders?a=b HTTP/1.1\r\nhost: shop\r\ntrailer: x-sum, x-none\r\ntransfer-encoding: chunked\r\n\r\n\
             4\r\none \r\n11\r\n0123456789abcdefg\r\n0\r\nx-sum: 7\r\n\r\n",
            "in chunks, and of what follows what was promised",
        );
        let absolute = Request::get("http://shop:81/a?b").header("host", "shop:81");
        assert_eq!(
            sent(absolute, RequestBody::empty(), size).await.unwrap(),
            "GET http://shop:81/a?b HTTP/1.1\r\nhost: shop:81\r\n\r\n",
        );
    }
}

#[tokio::test]
async fn a_target_begins_with_a_slash_though_the_client_s_has_no_path() {
    let asked: http::Uri = "http://shop?a=b".parse().unwrap();
    let mut told = http::uri::Parts::default();
    told.path_and_query = asked.path_and_query().cloned();
    let get = Request::get(http::Uri::from_parts(told).unwrap());
    assert_eq!(sent(get, RequestBody::empty(), 64).await.unwrap(), "GET /?a=b HTTP/1.1\r\n\r\n");
    let options = Request::options("*");
    assert_eq!(sent(options, RequestBody::empty(), 64).await.unwrap(), "OPTIONS * HTTP/1.1\r\n\r\n");
}

#[tokio::test]
async fn what_may_not_be_in_trailers_is_not_sent_even_where_it_was_promised() {
    let names = ["x-sum", "content-length", "transfer-encoding", "host", "authorization", "connection"];
    let trailers: HeaderMap = names.iter().map(|name| (name.parse().unwrap(), HeaderValue::from_static("7"))).collect();
    let request = post().header("trailer", names.join(", "));
    let arrived = sent(request, streamed(&["body"], Some(trailers)), 64).await.unwrap();
    assert!(arrived.ends_with("\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n"), "{arrived}");
}

struct Held(Arc<Vec<u8>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test]
async fn what_was_sent_is_held_on_to_no_longer() {
    let body = Arc::new(vec![b'x'; 100]);
    let (mut stream, _target) = tokio::io::duplex(1024);
    let frames = [Frame::data(Bytes::from_owner(Held(Arc::clone(&body))))].into();
    let watch = BodyWatch::new(&Clock::new(), 0, Duration::from_secs(30));
    let (parts, body_to_send) = post().body(RequestBody::read_ahead(frames, None, watch)).unwrap().into_parts();
    let mut sending = Sending::nothing();
    sending.begin(body_to_send, |text, body| request_head::write(text, &parts, body));
    assert!(poll_fn(|cx| sending.poll(&mut stream, cx)).await.is_ok());
    assert!(sending.was_written());
    assert_eq!(Arc::strong_count(&body), 1);
}

#[tokio::test]
async fn what_the_head_says_of_the_framing_is_made_to_agree_with_the_body() {
    let both =
        post().header("transfer-encoding", "chunked").header("content-length", "4").header("content-length", "4");
    assert_eq!(
        sent(both, streamed(&["body"], None), 64).await.unwrap(),
        "POST /orders?a=b HTTP/1.1\r\nhost: shop\r\ncontent-length: 4\r\n\r\nbody",
    );
}

#[tokio::test]
async fn a_target_that_takes_no_more_is_no_end_of_the_request_for_whoever_waits_for_its_answer() {
    let (mut stream, target) = tokio::io::duplex(16);
    drop(target);
    let (parts, body) = post().body(streamed(&["body"], None)).unwrap().into_parts();
    let mut sending = Sending::nothing();
    sending.begin(body, |text, body| request_head::write(text, &parts, body));
    assert!(poll_fn(|cx| sending.poll(&mut stream, cx)).await.is_ok(), "the answer may be there");
    assert!(sending.is_through() && !sending.was_written());
    assert!(sending.take_failure().is_some());
}
