//! The client's body on its way to a target: streamed, counted, and given up when it stands still.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::kept::Reading;
use crate::forward::client::ClientBody;
use crate::forward::clock::{Clock, Deadline, Millis};
use crate::forward::error::{ClientBodyError, ForwardError};

/// A client's body as a target gets it.
#[derive(Debug)]
pub(crate) struct RequestBody {
    source: Source,
    watch: Option<Rc<BodyWatch>>,
}

#[derive(Debug)]
enum Source {
    Empty,
    Client(ClientBody),
    Ahead(Box<Ahead>),
    Kept(Box<Reading>),
}

/// What was read ahead of forwarding, and what is still to come.
#[derive(Debug)]
struct Ahead {
    frames: VecDeque<Frame<Bytes>>,
    rest: Option<ClientBody>,
}

/// What the exchange wants to know of the body while the connection to the target reads it.
pub(crate) struct BodyWatch {
    clock: Rc<Clock>,
    /// Bytes still allowed; `u64::MAX`: no limit.
    allowed: Cell<u64>,
    stall_after: Duration,
    stalled: RefCell<Option<Deadline>>,
    failure: Cell<Option<ForwardError>>,
    received: Cell<u64>,
    /// Since when all that the client has given is with the target; `None`: the target waits for the client.
    given: Cell<Option<Millis>>,
}

impl fmt::Debug for BodyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWatch").field("received", &self.received).finish_non_exhaustive()
    }
}

impl BodyWatch {
    /// Watches a body that may have `allowed` bytes (0: any number) and may stand still for `stall_after`.
    pub(crate) fn new(clock: &Rc<Clock>, allowed: u64, stall_after: Duration) -> Rc<Self> {
        Rc::new(Self {
            clock: Rc::clone(clock),
            allowed: Cell::new(if allowed == 0 { u64::MAX } else { allowed }),
            stall_after,
            stalled: RefCell::new(None),
            failure: Cell::new(None),
            received: Cell::new(0),
            given: Cell::new(Some(clock.now())),
        })
    }

    /// Why the body failed, if it did: the cause of what the connection to the target then reports.
    pub(crate) fn take_failure(&self) -> Option<ForwardError> {
        self.failure.take()
    }

    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// For how long the target has had, unanswered, all that the client has given so far; `None`: it waits for the client.
    pub(crate) fn given_for(&self) -> Option<Duration> {
        self.given.get().map(|since| Duration::from_millis(self.clock.now().saturating_sub(since)))
    }

    /// It is the client's turn now, or no longer.
    pub(crate) fn wait_for_client(&self, waits: bool) {
        self.given.set((!waits).then(|| self.clock.now()));
    }

    /// Polls the client's body for its next frame, holding it to its limits.
    pub(crate) fn poll_frame(
        &self,
        body: &mut ClientBody,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => {
                self.wait_for_client(true);
                self.poll_stalled(cx)
            }
            Poll::Ready(next) => {
                self.stalled.take();
                self.wait_for_client(false);
                Poll::Ready(next.map(|frame| self.count(frame)))
            }
        }
    }

    fn poll_stalled(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let mut stalled = self.stalled.borrow_mut();
        let deadline = stalled.get_or_insert_with(|| self.clock.deadline(self.stall_after));
        if deadline.poll_passed(cx) {
            return Poll::Ready(Some(Err(self.fail(ForwardError::BodyStalled))));
        }
        Poll::Pending
    }

    fn count(&self, frame: Result<Frame<Bytes>, ClientBodyError>) -> Result<Frame<Bytes>, BodyFailed> {
        let frame = frame.map_err(|error| self.fail(ForwardError::ClientBody(error)))?;
        let bytes = frame_bytes(&frame);
        self.received.set(self.received.get() + bytes);
        match self.allowed.get().checked_sub(bytes) {
            Some(allowed) => {
                self.allowed.set(allowed);
                Ok(frame)
            }
            None => Err(self.fail(ForwardError::BodyTooLarge)),
        }
    }

    fn fail(&self, error: ForwardError) -> BodyFailed {
        self.failure.set(Some(error));
        BodyFailed
    }
}

fn frame_bytes(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

/// The client's body failed; [`BodyWatch::take_failure`] tells why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's body failed")]
pub(crate) struct BodyFailed;

impl RequestBody {
    /// The watch over the client's body, where there is one.
    pub(crate) fn watch(&self) -> Option<&Rc<BodyWatch>> {
        self.watch.as_ref()
    }

    /// No body.
    pub(crate) fn empty() -> Self {
        Self { source: Source::Empty, watch: None }
    }

    /// A body that streams as it comes.
    pub(crate) fn streamed(body: ClientBody, watch: Rc<BodyWatch>) -> Self {
        Self { source: Source::Client(body), watch: Some(watch) }
    }

    /// A body of which `frames` were read ahead.
    pub(crate) fn read_ahead(frames: VecDeque<Frame<Bytes>>, rest: Option<ClientBody>, watch: Rc<BodyWatch>) -> Self {
        Self { source: Source::Ahead(Box::new(Ahead { frames, rest })), watch: Some(watch) }
    }

    /// A body that is kept, so that it can be sent again.
    pub(super) fn kept(reading: Reading, watch: Rc<BodyWatch>) -> Self {
        Self { source: Source::Kept(Box::new(reading)), watch: Some(watch) }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let this = self.get_mut();
        let Some(watch) = &this.watch else { return Poll::Ready(None) };
        match &mut this.source {
            Source::Empty => Poll::Ready(None),
            Source::Client(body) => watch.poll_frame(body, cx),
            Source::Ahead(ahead) => {
                if let Some(frame) = ahead.frames.pop_front() {
                    return Poll::Ready(Some(Ok(frame)));
                }
                let Some(rest) = &mut ahead.rest else { return Poll::Ready(None) };
                Poll::Ready(ready!(watch.poll_frame(rest, cx)))
            }
            Source::Kept(reading) => reading.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Client(body) => body.is_end_stream(),
            Source::Ahead(ahead) => ahead.frames.is_empty() && ahead.rest.as_ref().is_none_or(Body::is_end_stream),
            Source::Kept(reading) => reading.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Client(body) => body.size_hint(),
            Source::Ahead(ahead) => {
                let ahead_bytes: u64 = ahead.frames.iter().map(frame_bytes).sum();
                let rest = ahead.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
                let mut hint = SizeHint::new();
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + ahead_bytes);
                }
                hint.set_lower(rest.lower() + ahead_bytes);
                hint
            }
            Source::Kept(reading) => reading.size_hint(),
        }
    }
}
