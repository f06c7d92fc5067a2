//! A byte stream of which some was read before: after a 101, or to tell which HTTP is spoken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What was read of a stream, then what comes. `K`: what lasts as long as it.
#[derive(Debug)]
pub(crate) struct Prefixed<S, K = ()> {
    ahead: BytesMut,
    stream: S,
    _kept: K,
}

impl<S, K> Prefixed<S, K> {
    /// A stream of which `ahead` was read.
    pub(crate) fn new(mut ahead: BytesMut, stream: S, kept: K) -> Self {
        let_go(&mut ahead);
        Self { ahead, stream, _kept: kept }
    }
}

/// Room that nothing is in would be held for as long as the stream lasts.
fn let_go(ahead: &mut BytesMut) {
    if ahead.is_empty() {
        *ahead = BytesMut::new();
    }
}

impl<S: AsyncRead + Unpin, K: Unpin> AsyncRead for Prefixed<S, K> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ahead.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let length = this.ahead.len().min(buf.remaining());
        buf.put_slice(this.ahead.get(..length).unwrap_or_default());
        this.ahead.advance(length);
        let_go(&mut this.ahead);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, K: Unpin> AsyncWrite for Prefixed<S, K> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
