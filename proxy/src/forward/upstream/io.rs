//! The byte streams that lead to targets: plain, in TLS, or through an egress proxy's tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::forward::late_writes::LateTcp;

/// A byte stream to a target.
#[derive(Debug)]
pub(super) enum UpstreamStream {
    Plain(LateTcp),
    Tls(Box<TlsStream<LateTcp>>),
    Tunnel(Box<TokioIo<Upgraded>>),
    TlsTunnel(Box<TlsStream<TokioIo<Upgraded>>>),
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            UpstreamStream::Plain($io) => $call,
            UpstreamStream::Tls($io) => $call,
            UpstreamStream::Tunnel($io) => $call,
            UpstreamStream::TlsTunnel($io) => $call,
        }
    };
}

impl UpstreamStream {
    /// Whether it is open and has nothing to read.
    pub(super) fn is_quiet(&mut self) -> bool {
        if let Self::Plain(tcp) = self {
            return tcp.is_quiet();
        }
        // TLS may have something of its own to read, such as a session's ticket.
        let mut byte = [0];
        Pin::new(self).poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}
