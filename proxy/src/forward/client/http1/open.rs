//! What the connection and the body of the request that is being served share: the stream, and what was read from it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

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
    /// The client has ended its side, or has gone.
    pub(super) ended: bool,
    /// Interim answers; they go before anything else, and are written by the connection's task alone.
    interim: BytesMut,
    /// Who waits for more of the body.
    reader: Reader,
}

/// A task beside the connection's that reads the body, such as that of a stream to a target over HTTP/2. It is woken when
/// nothing more is to come of what it waits for.
#[derive(Debug, Default)]
struct Reader(Option<Waker>);

impl Reader {
    fn waits(&mut self, waker: &Waker) {
        match &mut self.0 {
            Some(before) => before.clone_from(waker),
            None => self.0 = Some(waker.clone()),
        }
    }

    fn let_go(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.let_go();
    }
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
            reader: Reader::default(),
        }
    }

    /// The body's next frame.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        loop {
            match self.framing.take(&mut self.input.bytes) {
                Ok(Taken::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Taken::End) => return Poll::Ready(None),
                Ok(Taken::Nothing) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            if std::mem::take(&mut self.expects) {
                self.interim.extend_from_slice(CONTINUE);
                self.io.wake_from(cx.waker());
            }
            match self.input.poll_fill(&mut self.io, cx) {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(ended) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(ended.map_or_else(Into::into, |_| ClientBodyError::BrokenOff))));
                }
                Poll::Pending => {
                    if !self.io.is_polled_by(cx.waker()) {
                        self.reader.waits(cx.waker());
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// There is no more of the body. Whoever has read it may be another task; from now on the connection's looks for the
    /// client's end.
    pub(super) fn is_read(&mut self, cx: &Context<'_>) {
        self.reader.0 = None;
        self.io.wake_from(cx.waker());
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
        // Whoever wants the rest of the request reads it, and what stands behind it is read when its turn comes.
        if self.framing.left() != Some(self.input.bytes.len() as u64) {
            return Poll::Pending;
        }
        self.settle();
        match ready!(self.input.poll_fill(&mut self.io, cx)) {
            Ok(read) if read > 0 => Poll::Pending,
            Ok(_) | Err(_) => {
                self.ended = true;
                Poll::Ready(())
            }
        }
    }

    /// Lets go of the room that a large body needed, where nothing is in it.
    pub(super) fn settle(&mut self) {
        if self.input.bytes.is_empty() {
            self.input.settle();
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
        self.reader.let_go();
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
