//! What the connection and the body of the request that is being served share: the stream, and what was read from it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Frame;
use tokio::io::AsyncWrite;

use crate::forward::client::io::ClientIo;
use crate::forward::error::ClientBodyError;
use crate::forward::http1::{Framing, Input, Taken};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An open connection.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) io: ClientIo,
    pub(super) input: Input,
    /// Of the request that is being served: what is still to come of its body.
    pub(super) framing: Framing,
    /// Tells the requests apart, so that nobody who still holds the body of one reads from another's.
    pub(super) number: u32,
    /// The client waits for `100 Continue`.
    pub(super) expects: bool,
    /// The client has ended its side, or cannot be understood any more.
    pub(super) ended: bool,
    /// Interim answers; they go before anything else.
    interim: BytesMut,
}

impl Open {
    pub(super) fn new(io: ClientIo, read: BytesMut) -> Self {
        Self {
            io,
            input: Input::of(read),
            framing: Framing::END,
            number: 0,
            expects: false,
            ended: false,
            interim: BytesMut::new(),
        }
    }

    /// The body's next frame.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        loop {
            match self.framing.take(&mut self.input.bytes) {
                Ok(Taken::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Taken::End) => return Poll::Ready(None),
                Ok(Taken::Nothing) => {}
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
            if std::mem::take(&mut self.expects) {
                self.interim.extend_from_slice(CONTINUE);
            }
            // Where the client takes nothing, what it sends is read all the same.
            let _ = self.poll_interim(cx)?;
            match ready!(self.input.poll_fill(&mut self.io, cx)) {
                Ok(0) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(ClientBodyError::BrokenOff)));
                }
                Ok(_) => {}
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    /// Takes what has come of a body that nobody wants; `false`: it cannot be one.
    pub(super) fn pass_over(&mut self) -> bool {
        loop {
            match self.framing.take(&mut self.input.bytes) {
                Ok(Taken::Frame(_)) => {}
                Ok(Taken::Nothing | Taken::End) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Ready when the client has gone, which shows while nothing else is to come from it.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Ready(());
        }
        // What stands behind the request is read when its turn comes.
        if !self.framing.is_end() || !self.input.bytes.is_empty() {
            return Poll::Pending;
        }
        match ready!(self.input.poll_fill(&mut self.io, cx)) {
            Ok(read) if read > 0 => Poll::Pending,
            Ok(_) | Err(_) => {
                self.ended = true;
                Poll::Ready(())
            }
        }
    }

    /// Whether the client may have sent what nobody has read.
    pub(super) fn owed(&self) -> bool {
        !(self.ended || self.framing.is_end() && self.input.bytes.is_empty())
    }

    /// Ready when all is said and our side is closed.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever still holds the last request's body reads no more.
        self.number = self.number.wrapping_add(1);
        ready!(self.poll_interim(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Puts interim answers in line.
    pub(super) fn put_interim(&mut self, heads: &[u8]) {
        self.interim.extend_from_slice(heads);
    }

    /// Writes interim answers.
    pub(super) fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(written);
            if self.interim.is_empty() {
                self.interim = BytesMut::new();
            }
        }
        Poll::Ready(Ok(()))
    }
}
