//! A client's byte stream, which notes what the connection waits for and answers where hyper cannot.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::framing::Framing;
use super::state::{ConnectionState, Phase, Verdict};
use crate::answer::{Reason, raw_http1};
use crate::forward::late_writes::LateTcp;

/// A client's byte stream.
#[derive(Debug)]
pub(super) struct ClientIo {
    stream: ClientStream,
    state: Arc<ConnectionState>,
    /// Bytes that were read to tell HTTP/2 from HTTP/1.1.
    ahead: Bytes,
    /// An answer of ours instead of hyper's bare one, or of none; interim answers of targets.
    own: Bytes,
    /// Where in HTTP/1 the bytes are that were read.
    framing: Framing,
    /// HTTP/2 is framed by h2, whose bytes mean nothing here.
    http1: bool,
    /// All that was written has gone out, and no exchange was under way then: what is written next begins an answer.
    between: bool,
    /// The client has ended its sending side.
    ended: bool,
    /// Our sending side is closed, and what comes is thrown away.
    lingers: bool,
}

/// Plain or in TLS.
#[derive(Debug)]
pub(super) enum ClientStream {
    Plain(LateTcp),
    Tls(Box<TlsStream<LateTcp>>),
}

impl ClientIo {
    pub(super) fn new(stream: ClientStream, state: &Arc<ConnectionState>, ahead: Bytes, http1: bool) -> Self {
        let mut this = Self {
            stream,
            state: Arc::clone(state),
            ahead: Bytes::new(),
            own: Bytes::new(),
            framing: Framing::new(),
            http1,
            between: true,
            ended: false,
            lingers: false,
        };
        this.note_read(&ahead);
        this.ahead = ahead;
        this
    }

    /// Writes what is left of our own answer, and what was interjected.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.own.is_empty()
            && let Some(interjection) = self.state.take_interjection()
        {
            self.own = interjection;
        }
        while !self.own.is_empty() {
            let result = Pin::new(&mut self.stream).poll_write(cx, &self.own);
            self.note_write(&result);
            let written = ready!(result)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Answers a head that no exchange is about.
    fn refuse(&mut self, reason: Reason) {
        self.own = raw_http1(reason);
        self.state.refuse(reason);
    }

    fn poll_header_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A client that sent nothing has asked nothing: there is nothing to answer.
        if self.state.any_bytes() && self.own.is_empty() {
            self.refuse(Reason::HeaderTimeout);
        }
        ready!(self.poll_end(cx))?;
        self.state.decide(Verdict::Close);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Closes our side, and waits for the client's end where it may still be sending.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.lingers {
            ready!(self.poll_own(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            let owed = self.state.refused().is_some() || self.state.may_be_owed();
            if !self.http1 || self.ended || !owed {
                return Poll::Ready(Ok(()));
            }
            self.lingers = true;
            self.state.linger();
        }
        self.poll_discard(cx)
    }

    /// Throws away what comes, up to the client's end.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut piece = [const { MaybeUninit::uninit() }; 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut piece);
            // Past TLS: its records need not be understood any more.
            match ready!(Pin::new(self.stream.tcp()).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.state.lingers_on(),
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }

    fn note_read(&mut self, bytes: &[u8]) {
        if !self.http1 || bytes.is_empty() || self.state.is_handed_over() {
            return;
        }
        if self.state.phase() == Phase::Idle {
            self.framing.found();
        }
        self.framing.look(bytes);
        self.state.came(&self.framing);
    }

    fn note_write<T>(&self, result: &Poll<io::Result<T>>) {
        match result {
            Poll::Pending => self.state.write_blocked(true),
            Poll::Ready(_) => self.state.write_progress(),
        }
    }
}

/// hyper's answer to a head that it refuses: a status and no word of why. Anything that was forwarded, and any answer of
/// ours, has more header fields.
fn refused_by_parser(bytes: &[u8]) -> Option<Reason> {
    let bare = bytes.len() < 160 && bytes.ends_with(b"\r\n\r\n") && !bytes.windows(5).any(|part| part == b"\r\nvia");
    let status = bytes.strip_prefix(b"HTTP/1.1 ").filter(|_| bare)?.get(..3)?;
    match status {
        b"400" => Some(Reason::InvalidRequest),
        b"414" => Some(Reason::UriTooLong),
        b"431" => Some(Reason::HeadersTooLarge),
        _ => None,
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.ahead.is_empty() {
            let bytes = this.ahead.split_to(this.ahead.len().min(buf.remaining()));
            buf.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        if this.http1 && this.state.verdict() == Verdict::HeaderTimeout {
            return this.poll_header_timeout(cx);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        match buf.filled().get(before..) {
            Some(bytes) if !bytes.is_empty() => this.note_read(bytes),
            _ => this.ended = true,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_own(cx))?;
        if this.http1
            && std::mem::replace(&mut this.between, false)
            && let Some(reason) = refused_by_parser(bytes)
        {
            this.refuse(reason);
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices {
            return self.poll_write(cx, only);
        }
        let this = &mut *self;
        ready!(this.poll_own(cx))?;
        this.between = false;
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_own(cx))?;
        // hyper flushes once it has nothing left to write.
        this.between = this.state.phase() != Phase::Busy;
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.note_write(&flushed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

impl ClientStream {
    /// The connection beneath TLS.
    fn tcp(&mut self) -> &mut LateTcp {
        match self {
            Self::Plain(io) => io,
            Self::Tls(io) => io.get_mut().0,
        }
    }
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            ClientStream::Plain($io) => $call,
            ClientStream::Tls($io) => $call,
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for ClientStream {
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
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}
