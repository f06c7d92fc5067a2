//! Bodies of requests over real sockets: read where they are wanted, by whoever wants them, and never beyond their end.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::super::Http1Body;
use super::super::open::Open;
use crate::forward::client::io::{ClientIo, ClientStream};
use crate::forward::client::state::ConnectionState;
use crate::forward::error::ClientBodyError;
use crate::forward::http1::Framing;
use crate::forward::late_writes::LateTcp;

/// A connection that a request with this body has begun on, and its client.
async fn begun(framing: Framing) -> (Rc<RefCell<Open>>, TcpStream) {
    begun_as(framing, &ConnectionState::new()).await
}

async fn begun_as(framing: Framing, state: &Rc<ConnectionState>) -> (Rc<RefCell<Open>>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let stream = ClientStream::Plain(LateTcp::new(accepted.unwrap().0));
    let io = ClientIo::new(stream, state);
    let open = Rc::new(RefCell::new(Open::new(io, BytesMut::new())));
    open.borrow_mut().framing = framing;
    (open, client.unwrap())
}

fn body(open: &Rc<RefCell<Open>>) -> Http1Body {
    Http1Body { open: Rc::downgrade(open), number: open.borrow().number }
}

async fn next(body: &mut Http1Body) -> Option<Result<Frame<Bytes>, ClientBodyError>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

#[tokio::test]
async fn a_body_ends_where_its_framing_says_and_leaves_what_follows() {
    const CHUNKS: &str = "2\r\nhe\r\n3;x\r\nllo\r\n0\r\n\r\nGET";
    for (framing, sends) in [(Framing::Length(5), "helloGET"), (Framing::CHUNKED, CHUNKS)] {
        let (open, mut client) = begun(framing).await;
        let mut body = body(&open);
        assert_eq!(body.size_hint().exact(), framing.left());
        let sending = async {
            for byte in sends.bytes() {
                client.write_all(&[byte]).await.unwrap();
            }
        };
        let reading = async {
            let mut read = Vec::new();
            while let Some(frame) = next(&mut body).await {
                read.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
            read
        };
        let (read, ()) = tokio::join!(reading, sending);
        assert_eq!(read, b"hello");
        assert!(body.is_end_stream());
        assert!(next(&mut body).await.is_none(), "and no further");
        let mut open = Rc::try_unwrap(open).unwrap().into_inner();
        while open.input.bytes.len() < 3 {
            poll_fn(|cx| open.input.poll_fill(&mut open.io, cx)).await.unwrap();
        }
        assert_eq!(open.input.bytes, "GET");
    }
}

#[tokio::test]
async fn whoever_still_holds_a_body_reads_nothing_of_the_next_request() {
    let (open, mut client) = begun(Framing::Length(5)).await;
    let mut stale = body(&open);
    client.write_all(b"hellosecret").await.unwrap();
    assert!(next(&mut stale).await.unwrap().is_ok());
    open.borrow_mut().number += 1;
    open.borrow_mut().framing = Framing::Length(6);
    assert!(matches!(next(&mut stale).await, Some(Err(ClientBodyError::Over))));
    assert!(!stale.is_end_stream(), "what was cut off has not ended");
    assert_eq!(stale.size_hint().exact(), None);
    assert_eq!(body(&open).collect().await.unwrap().to_bytes(), "secret");
    // As on a connection that is over.
    let mut last = body(&open);
    poll_fn(|cx| open.borrow_mut().poll_end(cx)).await.unwrap();
    assert!(matches!(next(&mut last).await, Some(Err(ClientBodyError::Over))));
    drop(open);
    assert!(matches!(next(&mut stale).await, Some(Err(ClientBodyError::Over))));
}

#[tokio::test]
async fn what_breaks_off_or_is_none_is_no_end() {
    for (framing, sends, malformed) in [
        (Framing::Length(5), "hell", false),
        (Framing::CHUNKED, "5\r\nhello\r\n0\r\n", false),
        (Framing::CHUNKED, "5\r\nhello!\r\n", true),
        // Behind trailers that end where not every reader ends them stands what looks like their end.
        (Framing::CHUNKED, "5\r\nhello\r\n0\r\nx: y\n\n\r\nGET", true),
    ] {
        let (open, mut client) = begun(framing).await;
        client.write_all(sends.as_bytes()).await.unwrap();
        if !malformed {
            drop(client);
        }
        let error = body(&open).collect().await.unwrap_err();
        assert_eq!(matches!(error, ClientBodyError::Malformed(_)), malformed, "{error:?}");
        assert_eq!(matches!(error, ClientBodyError::BrokenOff), !malformed, "{error:?}");
        assert!(!body(&open).is_end_stream());
        assert_eq!(open.borrow().ended, !malformed);
        assert_eq!(open.borrow_mut().pass_over(), !malformed, "nothing that comes after it is a request");
        assert!(!open.borrow().framing.is_end());
    }
}

#[tokio::test]
async fn the_go_ahead_comes_once_and_only_when_the_body_is_asked_for_and_not_there() {
    let (open, mut client) = begun(Framing::Length(10)).await;
    open.borrow_mut().expects = true;
    let mut body = body(&open);
    let asking = async {
        for _ in 0..2 {
            let frame = poll_fn(|cx| {
                let frame = Pin::new(&mut body).poll_frame(cx);
                // As the connection's task does, which alone writes.
                assert!(open.borrow_mut().poll_interim(cx).is_ready());
                frame
            });
            assert!(frame.await.unwrap().is_ok());
        }
    };
    let answering = async {
        let mut go_ahead = [0; 25];
        client.read_exact(&mut go_ahead).await.unwrap();
        assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"hello").await.unwrap();
        tokio::task::yield_now().await;
        client.write_all(b"hello").await.unwrap();
    };
    tokio::join!(asking, answering);
    drop((body, open));
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "not again");

    let (open, mut client) = begun(Framing::Length(5)).await;
    open.borrow_mut().expects = true;
    open.borrow_mut().input.bytes.extend_from_slice(b"hello");
    assert!(next(&mut self::body(&open)).await.unwrap().is_ok());
    assert!(open.borrow().expects);
    drop(open);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "it is there already");
}

#[tokio::test]
async fn what_nobody_wants_of_a_body_is_taken_without_waiting() {
    for (framing, sends, understood, left) in [
        (Framing::Length(5), "helloGET", true, "GET"),
        (Framing::Length(9), "hello", true, ""),
        (Framing::CHUNKED, "5\r\nhello\r\n0\r\nx: y\r\n\r\nGET", true, "GET"),
        (Framing::CHUNKED, "5\r\nhello!\r\n", false, "!\r\n"),
    ] {
        let (open, _client) = begun(framing).await;
        let open = &mut *open.borrow_mut();
        open.input.bytes.extend_from_slice(sends.as_bytes());
        assert_eq!(open.pass_over(), understood, "{sends}");
        assert_eq!(open.input.bytes, left);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_although_another_task_has_read_its_body() {
    let test = async {
        let state = ConnectionState::new();
        let (open, mut client) = begun_as(Framing::Length(5), &state).await;
        let body = body(&open);
        let gone = tokio::task::spawn_local(poll_fn(move |cx| {
            state.register(cx.waker());
            open.borrow_mut().poll_gone(cx)
        }));
        tokio::task::yield_now().await;
        let reading = tokio::task::spawn_local(body.collect());
        client.write_all(b"hello").await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap().to_bytes(), "hello");
        drop(client);
        tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it is noticed").unwrap();
    };
    LocalSet::new().run_until(test).await;
}
