//! The answer's body on its way to the client, of one concrete type.
//!
//! It holds what must last until the body's end: the connection to the target, the count of requests in flight, and the
//! record. A body is dropped at its end, be that the last chunk, trailers, or the client going away, so everything
//! happens on drop.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sluicegate_table::ObjectKey;

use super::record::Record;
use super::send::Answered;
use crate::answer::Reason;
use crate::endpoint::InFlight;
use crate::forward::clock::{Clock, Deadline};
use crate::forward::grpc_status;
use crate::forward::headers::strip_trailers;
use crate::forward::last_good::Capture;
use crate::forward::upstream::{Answer, BodyWatch, Connections, Http1, Http1Error, Stream, Switched};
use crate::health::Outcome;
use crate::pick::MemberIndex;

/// The most bytes of an answer that are read only to use its connection again, and how long that may take.
const DRAINED: u64 = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

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
    /// An answer that broke off, until that is told.
    Broken(Option<BrokenOff>),
}

/// A target's body and the connection it comes over.
#[derive(Debug)]
pub(super) struct Streamed {
    pub(super) carrier: Carrier,
    /// `timeouts.idle` and when it will be over.
    pub(super) idle: Option<(Deadline, Duration)>,
    /// Counts until the body ends; a tunnel that follows takes it over.
    pub(super) in_flight: Option<InFlight>,
    /// Whose answer it is.
    pub(super) member: MemberIndex,
    /// What few answers have.
    pub(super) rare: Option<Box<Rare>>,
    /// All of the body was read.
    pub(super) ended: bool,
}

/// What few answers have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The pool of the member where it is not the route's own.
    pub(super) fallback: Option<ObjectKey>,
    /// The watch over the client's body, where the answer is judged.
    pub(super) watch: Option<Rc<BodyWatch>>,
    /// Keeps the answer for when there is none.
    pub(super) capture: Option<Box<Capture>>,
}

/// What carries an answer's body.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A connection that goes back when the body was read to its end; `None`: it is given back.
    Http1 { answer: Option<Answer>, connections: Rc<Connections>, clock: Rc<Clock> },
    /// A stream among others.
    Http2 { body: Incoming, stream: Stream },
    /// Nothing: there is no body, and the connection serves something else now.
    Switched,
}

impl Carrier {
    pub(super) fn http1(connection: Http1, connections: Rc<Connections>, clock: &Rc<Clock>) -> Self {
        Self::Http1 { answer: Some(connection.into_answer()), connections, clock: Rc::clone(clock) }
    }

    /// The byte stream of a connection that was to switch protocols; `None`: no such thing over HTTP/2.
    pub(super) fn into_switched(self) -> Option<Switched> {
        match self {
            Self::Http1 { answer, .. } => answer.and_then(Answer::into_switched),
            Self::Http2 { .. } | Self::Switched => None,
        }
    }

    /// Whether this side cut it, because the target leaves.
    fn was_cut(&self) -> bool {
        match self {
            Self::Http1 { connections, .. } => connections.link().was_cut(),
            Self::Http2 { stream, .. } => stream.link().was_cut(),
            Self::Switched => false,
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Http1 { answer: Some(answer), .. } => answer.poll_frame(cx).map_err(BrokenOff::Http1),
            Self::Http2 { body, .. } => Pin::new(body).poll_frame(cx).map_err(BrokenOff::Http2),
            Self::Http1 { answer: None, .. } | Self::Switched => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1 { answer, .. } => answer.as_ref().is_none_or(Answer::is_end_stream),
            Self::Http2 { body, .. } => body.is_end_stream(),
            Self::Switched => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1 { answer: Some(answer), .. } => answer.size_hint(),
            Self::Http2 { body, .. } => body.size_hint(),
            Self::Http1 { answer: None, .. } | Self::Switched => SizeHint::with_exact(0),
        }
    }
}

/// An answer that broke off; the client sees its connection or stream cut, never an end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokenOff {
    /// The target failed, over HTTP/1.1.
    #[error(transparent)]
    Http1(Http1Error),
    /// The target failed, over HTTP/2.
    #[error(transparent)]
    Http2(hyper::Error),
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

impl AnswerBody {
    /// Lets go of an answer that broke off, and has it judged unless the client's own body did, this side cut it, or it stood
    /// still because the target waits for the client.
    #[cold]
    fn break_off(&mut self, error: BrokenOff) {
        self.record.broke_off(match error {
            BrokenOff::Http1(_) | BrokenOff::Http2(_) => Reason::UpstreamReset,
            BrokenOff::Idle => Reason::UpstreamTimeout,
        });
        if let Source::Streamed(streamed) = &self.source {
            let watch = streamed.rare.as_ref().and_then(|rare| rare.watch.as_ref());
            let clients = watch.is_some_and(|watch| {
                watch.take_failure().is_some() || matches!(error, BrokenOff::Idle) && watch.given_for().is_none()
            });
            if !streamed.carrier.was_cut() && !clients {
                self.judge(Outcome::Reset);
            }
        }
        self.source = Source::Broken(Some(error));
    }

    /// Has a gRPC call judged whose trailers say that the server failed.
    #[cold]
    fn trailed(&self, trailers: &HeaderMap) {
        if let Some(status) = grpc_status::failure(trailers) {
            self.judge(Outcome::Answered { status, retry_after: None });
        }
    }

    /// Has an answer judged whose head was judged before.
    fn judge(&self, outcome: Outcome) {
        let Source::Streamed(streamed) = &self.source else { return };
        if let Some(in_flight) = &streamed.in_flight
            && let Some(pool) = self.record.pool(streamed.fallback())
            && pool.balancer.judges_attempt(in_flight)
        {
            pool.balancer.judge(streamed.member, in_flight, outcome);
        }
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
            Source::Streamed(streamed) => match streamed.poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    this.record.awaits();
                    return Poll::Pending;
                }
            },
            Source::Broken(error) => return Poll::Ready(error.take().map(Err)),
        };
        match frame {
            Some(Err(error)) => {
                this.break_off(error);
                // Told at once, hyper would reset the stream before what came until now has gone out.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Ok(ref frame)) => match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) => this.record.sent(data.len()),
                (None, Some(trailers)) => this.trailed(trailers),
                (None, None) => {}
            },
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Streamed(streamed) => streamed.carrier.is_end_stream(),
            Source::Broken(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Streamed(streamed) => streamed.carrier.size_hint(),
            Source::Broken(_) => SizeHint::new(),
        }
    }
}

impl Streamed {
    /// A body that nothing but its connection depends on.
    pub(super) fn handed_over(carrier: Carrier) -> Self {
        let member = MemberIndex(0);
        Self { carrier, idle: None, in_flight: None, member, rare: None, ended: false }
    }

    /// The pool that stood in for the route's own.
    pub(super) fn fallback(&self) -> Option<&ObjectKey> {
        self.rare.as_ref()?.fallback.as_ref()
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let Poll::Ready(next) = self.carrier.poll_frame(cx) else {
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
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.ended = true;
                None
            }
        })
    }

    fn passed(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                // After trailers nobody polls further.
                self.ended = true;
                strip_trailers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => {
                if let Some(rare) = &mut self.rare
                    && let (Some(capture), Some(data)) = (&mut rare.capture, frame.data_ref())
                {
                    capture.push(data);
                }
                frame
            }
        }
    }
}

/// Reads a small answer that nobody gets to its end, so that its connection can be used again. The connection of a larger
/// one is closed.
pub(super) fn drain((_, carrier): Answered) {
    if carrier.size_hint().lower() > DRAINED {
        return;
    }
    let mut streamed = Streamed::handed_over(carrier);
    if streamed.carrier.is_end_stream() {
        return;
    }
    tokio::task::spawn_local(tokio::time::timeout(DRAIN_TIME, async move {
        let mut bytes = 0;
        while let Some(Ok(frame)) = poll_fn(|cx| streamed.poll_frame(cx)).await {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > DRAINED {
                return;
            }
        }
    }));
}

impl Drop for Streamed {
    fn drop(&mut self) {
        let ended = self.ended || self.carrier.is_end_stream();
        if let Some(rare) = self.rare.take()
            && let Some(capture) = rare.capture
            && ended
        {
            capture.keep();
        }
        if let Carrier::Http1 { answer, connections, clock } = &mut self.carrier
            && ended
            && let Some(connection) = answer.take().and_then(Answer::into_connection)
        {
            connections.give_back(connection, clock.now());
        }
    }
}
