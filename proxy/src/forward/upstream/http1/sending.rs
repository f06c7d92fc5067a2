//! A request on its way to a target: its head, then its body as it comes from the client.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::HeaderMap;
use http::request::Parts;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::request_head::{self, Coding};
use crate::forward::headers::strip_trailers;
use crate::forward::upstream::body::{BodyFailed, RequestBody};

/// More than this of room for heads is not kept.
const KEPT_ROOM: usize = 4 * 1024;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What is being sent. Nothing, to begin with.
#[derive(Debug)]
pub(super) struct Sending {
    /// A head, a chunk's size, or trailers; goes first.
    text: Vec<u8>,
    /// How much of `text` is written.
    written: usize,
    /// A piece of the body; goes second.
    data: Bytes,
    /// What ends a chunk, or the body; goes last.
    end: &'static [u8],
    /// The rest of the body.
    body: Option<RequestBody>,
    coding: Coding,
    flushed: bool,
    failed: Option<io::Error>,
}

impl Sending {
    /// Nothing is sent.
    pub(super) fn nothing() -> Self {
        Self {
            text: Vec::new(),
            written: 0,
            data: Bytes::new(),
            end: b"",
            body: None,
            coding: Coding::Length(0),
            flushed: true,
            failed: None,
        }
    }

    /// Begins a request. What was sent before it is through.
    pub(super) fn begin(&mut self, parts: &Parts, body: RequestBody) {
        self.coding = request_head::write(&mut self.text, parts, &body);
        self.flushed = false;
        self.body = (self.coding != Coding::Length(0)).then_some(body);
    }

    /// Whether all of the request was written, or will never be.
    pub(super) fn is_through(&self) -> bool {
        self.flushed
    }

    /// Why the request could not be written. The target may have answered all the same.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Whether the request was written to its end.
    pub(super) fn was_written(&self) -> bool {
        self.flushed && self.failed.is_none()
    }

    /// Writes what can be written; ready when that was all.
    pub(super) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyFailed>> {
        while !self.flushed {
            if let Err(error) = ready!(self.poll_write(stream, cx)) {
                self.fail(error);
                break;
            }
            let Some(body) = &mut self.body else {
                match ready!(Pin::new(&mut *stream).poll_flush(cx)) {
                    Ok(()) => self.flushed = true,
                    Err(error) => self.fail(error),
                }
                break;
            };
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => {
                    if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(cx) {
                        self.fail(error);
                        break;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Some(frame)) => {
                    let ended = body.is_end_stream();
                    self.put(frame?)?;
                    if ended && self.body.is_some() {
                        self.finish()?;
                    }
                }
                Poll::Ready(None) => self.finish()?,
            }
        }
        Poll::Ready(Ok(()))
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
        self.written = 0;
        // An empty piece would still hold the client's buffer, for as long as the connection is idle.
        self.data = Bytes::new();
        self.text.clear();
        self.text.shrink_to(KEPT_ROOM);
        Poll::Ready(Ok(()))
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

    /// Puts a frame in line, after everything before it was written.
    fn put(&mut self, frame: Frame<Bytes>) -> Result<(), BodyFailed> {
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
            Coding::Length(left) => *left = left.checked_sub(data.len() as u64).ok_or(BodyFailed)?,
            // A chunk of nothing would be the last one.
            Coding::Chunked { .. } if data.is_empty() => {}
            Coding::Chunked { .. } => {
                // Writing to a Vec does not fail.
                let _ = write!(self.text, "{:x}\r\n", data.len());
                self.end = b"\r\n";
            }
        }
        self.data = data;
        Ok(())
    }

    /// What was promised of the fields after the body, and may be there; they end it.
    fn put_trailers(&mut self, trailers: &HeaderMap) {
        let Coding::Chunked { promised } = &self.coding else { return };
        self.text.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().filter(|(name, _)| promised.contains(name)) {
            request_head::write_field(&mut self.text, name, value.as_bytes());
        }
        self.text.extend_from_slice(b"\r\n");
        self.body = None;
    }

    /// The body has ended.
    fn finish(&mut self) -> Result<(), BodyFailed> {
        self.body = None;
        match self.coding {
            Coding::Length(0) => Ok(()),
            Coding::Length(_) => Err(BodyFailed),
            Coding::Chunked { .. } => {
                self.end = if self.end.is_empty() { LAST_CHUNK } else { b"\r\n0\r\n\r\n" };
                Ok(())
            }
        }
    }

    #[cold]
    fn fail(&mut self, error: io::Error) {
        *self = Self { failed: Some(error), ..Self::nothing() };
    }
}
