//! A message on its way: its head, then its body as it comes.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{HeaderMap, HeaderName, TRAILER};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;
use tokio::task::coop::poll_proceed;

use super::write_field;
use crate::forward::headers::{members_of, strip_trailers};

/// More than this of room for heads is not kept.
const KEPT_ROOM: usize = 4 * 1024;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How a body is framed (RFC 9112, 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// So many bytes are still to be sent.
    Length(u64),
    /// In chunks, and then the fields that the head has promised.
    Chunked { promised: Vec<HeaderName> },
    /// The end of the connection is its end.
    UntilClose,
}

/// What is being sent. Nothing, to begin with.
#[derive(Debug)]
pub(crate) struct Sending<B> {
    /// A head, a chunk's size, or trailers; goes first.
    text: Vec<u8>,
    /// How much of `text` is written.
    written: usize,
    /// A piece of the body; goes second.
    data: Bytes,
    /// What ends a chunk, or the body; goes last.
    end: &'static [u8],
    /// The rest of the body.
    body: Option<B>,
    coding: Coding,
    flushed: bool,
    unfinished: bool,
    failed: Option<io::Error>,
}

/// The body failed, or was not as long as its head has said: the message has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished;

impl<B> Sending<B> {
    /// Nothing is sent.
    pub(crate) fn nothing() -> Self {
        Self {
            text: Vec::new(),
            written: 0,
            data: Bytes::new(),
            end: b"",
            body: None,
            coding: Coding::Length(0),
            flushed: true,
            unfinished: false,
            failed: None,
        }
    }

    /// Begins a message, whose head `write` writes. What was sent before it is through.
    pub(crate) fn begin(&mut self, body: B, write: impl FnOnce(&mut Vec<u8>, &B) -> Coding) {
        self.forget_text();
        self.coding = write(&mut self.text, &body);
        self.flushed = false;
        self.unfinished = false;
        self.body = (self.coding != Coding::Length(0)).then_some(body);
    }

    /// The head of a message without a body, as it was written; it can be written again.
    pub(crate) fn take_head(&mut self) -> Vec<u8> {
        self.written = 0;
        std::mem::take(&mut self.text)
    }

    /// Whether all of the message was written, or will never be.
    pub(crate) fn is_through(&self) -> bool {
        self.flushed
    }

    /// Why the message could not be written. What the other side says may have come all the same.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Whether the message was written to its end.
    pub(crate) fn was_written(&self) -> bool {
        self.flushed && !self.unfinished && self.failed.is_none()
    }

    fn poll_write<W: AsyncWrite + Unpin>(&mut self, stream: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let text = self.text.get(self.written..).unwrap_or_default();
            let left = text.len() + self.data.len() + self.end.len();
            if left == 0 {
                break;
            }
            let mut stream = Pin::new(&mut *stream);
            let sent = if left == text.len() {
                ready!(stream.as_mut().poll_write(cx, text))?
            } else {
                let slices = [IoSlice::new(text), IoSlice::new(&self.data), IoSlice::new(self.end)];
                ready!(stream.as_mut().poll_write_vectored(cx, &slices))?
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(sent);
        }
        // An empty piece would still hold the buffer that it came in, for as long as the connection is idle.
        self.data = Bytes::new();
        if self.body.is_some() {
            self.forget_text();
        }
        Poll::Ready(Ok(()))
    }

    fn forget_text(&mut self) {
        self.written = 0;
        self.text.clear();
        self.text.shrink_to(KEPT_ROOM);
    }

    fn advance(&mut self, mut sent: usize) {
        let of_text = sent.min(self.text.len() - self.written);
        self.written += of_text;
        sent -= of_text;
        let of_data = sent.min(self.data.len());
        self.data.advance(of_data);
        sent -= of_data;
        self.end = self.end.get(sent..).unwrap_or_default();
    }

    /// Puts a frame in line.
    fn put(&mut self, frame: Frame<Bytes>) -> Result<(), Unfinished> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                if let Ok(mut trailers) = frame.into_trailers() {
                    strip_trailers(&mut trailers);
                    self.put_trailers(&trailers);
                }
                return Ok(());
            }
        };
        match &mut self.coding {
            Coding::Length(left) => *left = left.checked_sub(data.len() as u64).ok_or(Unfinished)?,
            // A chunk of nothing would be the last one.
            Coding::Chunked { .. } if data.is_empty() => {}
            Coding::Chunked { .. } => {
                // Writing to a Vec does not fail.
                let _ = write!(self.text, "{:x}\r\n", data.len());
                self.end = b"\r\n";
            }
            Coding::UntilClose => {}
        }
        self.data = data;
        Ok(())
    }

    /// What was promised of the fields after the body, and may be there; they end it.
    fn put_trailers(&mut self, trailers: &HeaderMap) {
        let Coding::Chunked { promised } = &self.coding else { return };
        self.text.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().filter(|(name, _)| promised.contains(name)) {
            write_field(&mut self.text, name, value.as_bytes());
        }
        self.text.extend_from_slice(b"\r\n");
        self.body = None;
    }

    /// The body has ended.
    fn finish(&mut self) -> Result<(), Unfinished> {
        self.body = None;
        match self.coding {
            Coding::Length(0) | Coding::UntilClose => Ok(()),
            Coding::Length(_) => Err(Unfinished),
            Coding::Chunked { .. } => {
                self.end = if self.end.is_empty() { LAST_CHUNK } else { b"\r\n0\r\n\r\n" };
                Ok(())
            }
        }
    }

    #[cold]
    fn fail(&mut self, error: io::Error) {
        let text = std::mem::take(&mut self.text);
        *self = Self { failed: Some(error), text, ..Self::nothing() };
    }
}

impl<B: Body<Data = Bytes> + Unpin> Sending<B> {
    /// Writes what can be written; ready when that was all. A message that has no end is written up to where it breaks
    /// off.
    pub(crate) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unfinished>> {
        while !self.flushed {
            // A piece goes out together with the head or the end that it is between, where both are there.
            let waits = self.data.is_empty() && self.end.is_empty() && self.poll_body(cx).is_pending();
            if let Err(error) = ready!(self.poll_write(stream, cx)) {
                self.fail(error);
                break;
            }
            if self.body.is_some() && !waits {
                continue;
            }
            match Pin::new(&mut *stream).poll_flush(cx) {
                Poll::Ready(Err(error)) => {
                    self.fail(error);
                    break;
                }
                Poll::Ready(Ok(())) if !waits => self.flushed = true,
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(if self.unfinished { Err(Unfinished) } else { Ok(()) })
    }

    /// Puts the body's next frame in line, or its end.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(body) = &mut self.body else { return Poll::Ready(()) };
        // Small pieces that are all there are written without waiting for the socket: others have their turn in between.
        let turn = ready!(poll_proceed(cx));
        let put = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let ended = body.is_end_stream();
                self.put(frame).and_then(|()| if ended && self.body.is_some() { self.finish() } else { Ok(()) })
            }
            Some(Err(_)) => Err(Unfinished),
            None => self.finish(),
        };
        turn.made_progress();
        if put.is_err() {
            self.unfinished = true;
            self.body = None;
        }
        Poll::Ready(())
    }
}

/// The fields that a head says may follow its body.
#[cold]
pub(crate) fn promised(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = headers.get_all(TRAILER).iter().flat_map(members_of);
    names.filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
}

#[cfg(test)]
mod tests;
