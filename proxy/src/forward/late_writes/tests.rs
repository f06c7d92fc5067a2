#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::pin::Pin;
use std::task::Poll;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, yield_now};

use super::{LateTcp, write_late};

/// Both ends of a connection with small buffers.
async fn connection() -> (LateTcp, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let (peer, accepted) = tokio::join!(socket.connect(listener.local_addr().unwrap()), listener.accept());
    let stream = accepted.unwrap().0;
    stream.set_nodelay(true).unwrap();
    // Asks the driver that both ends may be written to.
    stream.writable().await.unwrap();
    (LateTcp::new(stream), peer.unwrap())
}

/// The task that sends, polled once.
async fn writer() -> JoinHandle<()> {
    let writer = tokio::spawn(write_late());
    yield_now().await;
    writer
}

/// What is there, asked of the socket itself: tokio knows of it only once its driver was polled.
fn arrived(peer: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 64 * 1024];
    let read = (&*SockRef::from(peer)).read(&mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

async fn arrives(peer: &TcpStream) -> Vec<u8> {
    loop {
        match arrived(peer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => yield_now().await,
            result => return result.unwrap(),
        }
    }
}

/// Writes until nothing more is taken; how much was.
async fn fill(stream: &mut LateTcp) -> usize {
    let mut taken = 0;
    loop {
        let piece = [u8::try_from(taken / 1000 % 251).unwrap(); 1000];
        let written = poll_fn(|cx| match Pin::new(&mut *stream).poll_write(cx, &piece) {
            Poll::Ready(written) => Poll::Ready(Some(written.unwrap())),
            Poll::Pending => Poll::Ready(None),
        });
        match written.await {
            Some(written) => taken += written,
            None => return taken,
        }
        // The end of the turn.
        yield_now().await;
    }
}

fn is_filled(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at / 1000 % 251)
}

#[tokio::test]
async fn what_a_turn_writes_goes_out_at_its_end() {
    let _writer = writer().await;
    let (mut one, peer) = connection().await;
    let (mut other, peer_of_other) = connection().await;
    one.write_all(b"head ").await.unwrap();
    other.write_all(b"other").await.unwrap();
    assert_eq!(one.write_vectored(&[IoSlice::new(b"of "), IoSlice::new(b"one")]).await.unwrap(), 6);
    one.flush().await.unwrap();
    assert_eq!(arrived(&peer).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(arrives(&peer).await, b"head of one");
    assert_eq!(arrives(&peer_of_other).await, b"other");
}

#[tokio::test]
async fn without_a_writer_bytes_go_out_at_once() {
    let (mut stream, peer) = connection().await;
    stream.write_all(b"at once").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(arrived(&peer).unwrap(), b"at once");
}

#[tokio::test]
async fn when_the_writer_ends_nothing_is_left_behind() {
    let writer = writer().await;
    let (mut stream, peer) = connection().await;
    stream.write_all(b"late, ").await.unwrap();
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    stream.write_all(b"at once").await.unwrap();
    assert_eq!(arrives(&peer).await, b"late, at once");
}

#[tokio::test]
async fn a_large_write_does_not_overtake_small_ones() {
    let _writer = writer().await;
    let (mut stream, mut peer) = connection().await;
    let large = vec![7; 100_000];
    let written = async {
        stream.write_all(b"small").await.unwrap();
        stream.write_all(&large).await.unwrap();
        stream.write_all(b"last").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let mut bytes = Vec::new();
    let (read, ()) = tokio::join!(peer.read_to_end(&mut bytes), written);
    read.unwrap();
    assert_eq!(bytes, [b"small", &large[..], b"last"].concat());
}

#[tokio::test]
async fn many_writes_end_the_turn_early() {
    let _writer = writer().await;
    let mut all = Vec::new();
    for _ in 0..64 {
        all.push(connection().await);
    }
    for (stream, _) in &mut all {
        stream.write_all(b"x").await.unwrap();
    }
    for (_, peer) in &all {
        assert_eq!(arrived(peer).unwrap(), b"x");
    }
}

#[tokio::test]
async fn a_full_socket_holds_up_whoever_writes_and_loses_nothing() {
    let _writer = writer().await;
    let (mut stream, mut peer) = connection().await;
    let taken = fill(&mut stream).await;
    let flushing = async {
        // What the socket did not take is not flushed before the peer reads.
        stream.flush().await.unwrap();
        stream.write_all(b"end").await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let mut bytes = Vec::new();
    let (read, ()) = tokio::join!(peer.read_to_end(&mut bytes), flushing);
    read.unwrap();
    assert_eq!(bytes.len(), taken + 3);
    assert!(is_filled(&bytes[..taken]) && bytes.ends_with(b"end"));
}

#[tokio::test]
async fn what_waits_is_sent_when_the_stream_is_dropped() {
    let _writer = writer().await;
    let (mut stream, mut peer) = connection().await;
    stream.write_all(b"goodbye").await.unwrap();
    drop(stream);
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"goodbye");
}

#[tokio::test]
async fn a_full_socket_is_closed_when_the_stream_is_dropped() {
    let _writer = writer().await;
    let (mut stream, mut peer) = connection().await;
    let taken = fill(&mut stream).await;
    drop(stream);
    // Had the writer's task kept the socket, this would not end before everything was read.
    yield_now().await;
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.len() < taken && is_filled(&bytes), "{} of {taken}", bytes.len());
}

#[tokio::test]
async fn a_late_failure_is_told_to_the_next_write() {
    let _writer = writer().await;
    let (mut stream, peer) = connection().await;
    // Closed with a reset: the stream's write fails, late.
    peer.set_zero_linger().unwrap();
    drop(peer);
    let mut reset = [0; 1];
    assert_eq!(stream.read(&mut reset).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    stream.write_all(b"too late").await.unwrap();
    yield_now().await;
    assert_eq!(stream.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_late_failure_ends_what_is_read() {
    let _writer = writer().await;
    let (mut stream, _peer) = connection().await;
    stream.shutdown().await.unwrap();
    stream.write_all(b"not any more").await.unwrap();
    // The peer says nothing: without more than the failure this would wait for ever.
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}
