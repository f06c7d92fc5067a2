//! Connections over real sockets: kept, found closed, answered early, cut.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use sluicegate_table::{Algorithm, Pool, Protocol, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, yield_now};

use super::super::{Answer, Http1, Http1Error};
use crate::forward::clock::Clock;
use crate::forward::late_writes::LateTcp;
use crate::forward::upstream::driven::Driven;
use crate::forward::upstream::gate::Gate;
use crate::forward::upstream::io::UpstreamStream;
use crate::forward::upstream::{BodyWatch, Kept, Link, RequestBody};

struct Pair {
    driven: Rc<Driven>,
    link: Arc<Link>,
    connection: Http1,
    target: TcpStream,
}

async fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let pool = Pool::new(Algorithm::RoundRobin, Vec::new());
    let link = Link::shared_or_new(&Target::new("orders", 80, Protocol::Http), None, &pool, None);
    let driven: Rc<Driven> = Rc::default();
    let tcp = LateTcp::new(stream.unwrap());
    let entry = driven.polled(&link, tcp.cutter());
    let connection = Http1::new(UpstreamStream::Plain(tcp), entry, Gate::beyond(&link.gate));
    Pair { driven, link, connection, target: accepted.unwrap().0 }
}

fn get() -> Request<RequestBody> {
    Request::get("/").header("host", "orders").body(RequestBody::empty()).unwrap()
}

async fn asked(target: &mut TcpStream) {
    let mut bytes = vec![0; 1024];
    assert!(target.read(&mut bytes).await.unwrap() > 0);
}

async fn rest(answer: &mut Answer) -> Result<Vec<u8>, Http1Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| answer.poll_frame(cx)).await {
        bytes.extend_from_slice(&frame?.into_data().unwrap());
    }
    Ok(bytes)
}

/// Asks, and has the target say this once it was; the answer, when its head is there.
async fn answered(
    mut connection: Http1,
    request: Request<RequestBody>,
    target: &mut TcpStream,
    says: &str,
) -> Result<Answer, Http1Error> {
    connection.begin(request);
    let answering = async {
        asked(target).await;
        target.write_all(says.as_bytes()).await.unwrap();
    };
    let (head, ()) = tokio::join!(poll_fn(|cx| connection.poll_head(cx, None)), answering);
    head.map(|_| connection.into_answer())
}

/// One exchange over the connection.
async fn exchanged(
    connection: Http1,
    target: &mut TcpStream,
    says: &str,
) -> Result<(Vec<u8>, Option<Http1>), Http1Error> {
    let mut answer = answered(connection, get(), target, says).await?;
    let bytes = rest(&mut answer).await?;
    Ok((bytes, answer.into_connection()))
}

#[tokio::test]
async fn a_connection_serves_again_unless_its_answer_says_otherwise() {
    let Pair { mut connection, mut target, .. } = pair().await;
    for _ in 0..3 {
        let (bytes, again) =
            exchanged(connection, &mut target, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(bytes, b"ok");
        connection = again.expect("it is kept");
        assert!(connection.serves());
    }
    for (says, why) in [
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", "it closes"),
        ("HTTP/1.1 200 OK\r\nconnection: x\r\nconnection: Close\r\ncontent-length: 2\r\n\r\nok", "whatever the case"),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "HTTP/1.0 closes"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "more than was asked for"),
    ] {
        let Pair { connection, mut target, .. } = pair().await;
        let (bytes, again) = exchanged(connection, &mut target, says).await.unwrap();
        assert_eq!(bytes, b"ok");
        assert!(again.is_none(), "{why}");
    }
    let Pair { connection, mut target, .. } = pair().await;
    let says = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let (bytes, again) = exchanged(connection, &mut target, says).await.unwrap();
    assert!(bytes.is_empty() && again.is_none(), "it speaks something else");
    let Pair { connection, mut target, .. } = pair().await;
    let says = "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok";
    assert!(exchanged(connection, &mut target, says).await.unwrap().1.is_some());
}

#[tokio::test]
async fn an_idle_connection_that_the_target_closed_or_speaks_on_serves_no_more() {
    let Pair { mut connection, target, .. } = pair().await;
    assert!(connection.serves());
    drop(target);
    while connection.serves() {
        yield_now().await;
    }
    let Pair { mut connection, mut target, .. } = pair().await;
    target.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    while connection.serves() {
        yield_now().await;
    }
}

#[tokio::test]
async fn what_breaks_off_is_no_end() {
    for (says, broken) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\nok", false),
    ] {
        let Pair { connection, mut target, .. } = pair().await;
        let mut answer = answered(connection, get(), &mut target, says).await.unwrap();
        drop(target);
        let read = rest(&mut answer).await;
        assert_eq!(matches!(read, Err(Http1Error::BrokenOff)), broken, "{says}");
        assert_eq!(answer.is_end_stream(), !broken, "{says}");
        assert!(answer.into_connection().is_none());
    }
    let Pair { mut connection, mut target, .. } = pair().await;
    connection.begin(get());
    let answering = async {
        asked(&mut target).await;
        target.write_all(b"HTTP/1.1 20").await.unwrap();
        drop(target);
    };
    let (head, ()) = tokio::join!(poll_fn(|cx| connection.poll_head(cx, None)), answering);
    assert!(matches!(head, Err(Http1Error::NoHead)), "{head:?}");
}

#[tokio::test]
async fn an_answer_without_a_length_that_is_cut_has_not_ended() {
    let Pair { driven, link, connection, mut target } = pair().await;
    let mut answer = answered(connection, get(), &mut target, "HTTP/1.1 200 OK\r\n\r\nfirst").await.unwrap();
    assert!(poll_fn(|cx| answer.poll_frame(cx)).await.unwrap().is_ok());
    link.set_leaving(true);
    driven.cut(0, Duration::ZERO);
    // It is back before anybody has looked.
    link.set_leaving(false);
    assert!(rest(&mut answer).await.is_err());
    assert!(!answer.is_end_stream());
    let mut byte = [0];
    assert!(matches!(target.read(&mut byte).await, Ok(0) | Err(_)), "the target sees it, too");
}

/// More than the kernel takes before anybody reads.
const PIECES: usize = 512;
const PIECE: usize = 64 * 1024;

/// A request that takes a while to send.
fn long() -> (Kept, Request<RequestBody>) {
    let watch = BodyWatch::new(&Clock::new(), 0, Duration::from_secs(30));
    let piece = Bytes::from(vec![b'x'; PIECE]);
    let frames: VecDeque<_> = (0..PIECES).map(|_| Frame::data(piece.clone())).collect();
    let kept = Kept::new(&frames, None, watch, u64::MAX);
    let body = kept.read().unwrap();
    (kept, Request::post("/").header("host", "orders").body(body).unwrap())
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_was_sent_is_read_while_it_is() {
    let test = async {
        let Pair { connection, mut target, .. } = pair().await;
        let (_kept, request) = long();
        let mut answer = answered(connection, request, &mut target, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")
            .await
            .unwrap();
        assert!(matches!(answer, Answer::Early(_)));
        // The target reads on although nobody reads its answer, and then ends it.
        let (mut read, mut bytes) = (1024, vec![0; 64 * 1024]);
        while read < PIECES * PIECE {
            read += target.read(&mut bytes).await.unwrap();
        }
        target.write_all(b"done").await.unwrap();
        assert_eq!(rest(&mut answer).await.unwrap(), b"halfdone");
        yield_now().await;
        assert!(answer.into_connection().is_some(), "both came to their end");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_answer_ends_with_its_request_when_the_client_breaks_that_off() {
    let test = async {
        let Pair { connection, mut target, .. } = pair().await;
        let (kept, request) = long();
        let mut answer = answered(connection, request, &mut target, "HTTP/1.1 200 OK\r\n\r\nhalf").await.unwrap();
        // Another reading cuts this one off.
        let _again = kept.read();
        let reading = async {
            let mut bytes = vec![0; 64 * 1024];
            while target.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        };
        let (read, ()) = tokio::join!(rest(&mut answer), reading);
        assert!(matches!(read, Err(Http1Error::Io(_))), "{read:?}");
        assert!(answer.into_connection().is_none());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_answer_without_a_length_has_not_ended_where_the_connection_was_reset() {
    let test = async {
        let Pair { connection, mut target, .. } = pair().await;
        let (_kept, request) = long();
        let mut answer = answered(connection, request, &mut target, "HTTP/1.1 200 OK\r\n\r\nhalf").await.unwrap();
        assert!(poll_fn(|cx| answer.poll_frame(cx)).await.unwrap().is_ok());
        // What was not read makes it a reset, which the sending finds first.
        drop(target);
        let Answer::Early(early) = &answer else { panic!("the request is still being sent") };
        while !early.connection.borrow().0.sending.is_through() {
            yield_now().await;
        }
        assert!(rest(&mut answer).await.is_err());
        assert!(!answer.is_end_stream());
    };
    LocalSet::new().run_until(test).await;
}
