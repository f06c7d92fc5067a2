//! The answer's body on its way to the client, of one concrete type.
//!
//! It holds what must last until the body's end: the connection to the target, the count of requests in flight, and the
//! record. hyper drops a body at its end, be that the last chunk, trailers, or the client going away, so everything
//! happens on drop.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::record::Record;
use crate::answer::Reason;
use crate::endpoint::InFlight;
use crate::forward::clock::{Clock, Deadline};
use crate::forward::headers::strip_trailers;
use crate::forward::upstream::{Connections, Http1, Stream};

/// An answer's body.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    source: Source,
    record: Record,
}

#[derive(Debug)]
enum Source {
    /// Made by us.
    Full(Bytes),
    /// From a target.
    Streamed(Streamed),
    /// A stream that stood still for too long, and was cut.
    Cut,
}

/// A target's body and the connection it comes over.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) body: Incoming,
    pub(super) carrier: Carrier,
    /// `timeouts.idle` and when it will be over.
    pub(super) idle: Option<(Deadline, Duration)>,
    /// Counts until the body ends; a tunnel that follows takes it over.
    pub(super) _in_flight: Option<InFlight>,
    /// All of the body was read.
    pub(super) ended: bool,
}

/// What carries an answer.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A connection that goes back when the body was read to its end.
    Http1 { connection: Option<Http1>, connections: Rc<Connections>, clock: Rc<Clock> },
    /// A stream among others.
    Http2 { _stream: Stream },
}

/// An answer that broke off; the client sees its connection or stream cut, never an end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    /// The target failed.
    #[error(transparent)]
    Target(hyper::Error),
    /// The body stood still for `timeouts.idle`.
    #[error("the answer's body stood still for timeouts.idle")]
    Idle,
}

impl AnswerBody {
    pub(super) fn full(bytes: Bytes, record: Record) -> Self {
        Self { source: Source::Full(bytes), record }
    }

    pub(super) fn streamed(streamed: Streamed, record: Record) -> Self {
        Self { source: Source::Streamed(streamed), record }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = self.get_mut();
        let frame = match &mut this.source {
            Source::Full(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Full(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Source::Streamed(streamed) => ready!(streamed.poll_frame(cx)),
            Source::Cut => None,
        };
        match &frame {
            Some(Ok(frame)) => this.record.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(error)) => {
                this.record.broke_off(match error {
                    BrokenOff::Target(_) => Reason::UpstreamReset,
                    BrokenOff::Idle => Reason::UpstreamTimeout,
                });
                this.source = Source::Cut;
            }
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Streamed(streamed) => streamed.body.is_end_stream(),
            Source::Cut => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Streamed(streamed) => streamed.body.size_hint(),
            Source::Cut => SizeHint::new(),
        }
    }
}

impl Streamed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_frame(cx) else {
            if let Some((deadline, _)) = &self.idle
                && deadline.poll_passed(cx)
            {
                return Poll::Ready(Some(Err(BrokenOff::Idle)));
            }
            return Poll::Pending;
        };
        if let Some((deadline, limit)) = &self.idle {
            deadline.reset(*limit);
        }
        Poll::Ready(match next {
            Some(Ok(frame)) => Some(Ok(self.passed(frame))),
            Some(Err(error)) => Some(Err(BrokenOff::Target(error))),
            None => {
                self.ended = true;
                None
            }
        })
    }

    fn passed(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                // After trailers hyper polls no further.
                self.ended = true;
                strip_trailers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if let Carrier::Http1 { connection, connections, clock } = &mut self.carrier
            && (self.ended || self.body.is_end_stream())
            && let Some(connection) = connection.take()
        {
            connections.give_back(connection, clock.now());
        }
    }
}
