//! A client's body that is kept while it is sent, so that it can be sent again.
//!
//! Frames are kept by reference, up to a bound; a body that grows beyond it goes on streaming and can be sent once only.
//! What the client has yet to send stays here rather than with the connection that sends it: the next attempt begins with
//! the kept frames and goes on where the last one stopped.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::body::{BodyFailed, BodyWatch, RequestBody};
use crate::forward::client::ClientBody;

/// A body that can be sent again. Once it is dropped, what is still being sent is kept no longer.
#[derive(Debug)]
pub(crate) struct Kept(Rc<Shared>);

/// One sending of a kept body.
#[derive(Debug)]
pub(super) struct Reading {
    shared: Rc<Shared>,
    /// Only the latest may read.
    number: u32,
}

#[derive(Debug)]
struct Shared {
    watch: Rc<BodyWatch>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    frames: Vec<KeptFrame>,
    /// What has not been read from the client.
    rest: Option<ClientBody>,
    /// Bytes in `frames`.
    bytes: u64,
    most: u64,
    /// More came than is kept.
    outgrown: bool,
    failed: bool,
    readings: u32,
    /// The frame that the latest reading comes to next.
    next: usize,
    /// Who waits for the client.
    waiting: Option<Waker>,
}

/// Smaller pieces are kept together: to keep one by itself takes some hundred bytes more than it has.
const SMALL: usize = 1024;

#[derive(Debug)]
enum KeptFrame {
    Data(Bytes),
    /// Small pieces, together.
    Small(Vec<u8>),
    Trailers(HeaderMap),
}

impl KeptFrame {
    fn of(frame: &Frame<Bytes>) -> Option<Self> {
        let data = frame
            .data_ref()
            .map(|data| if data.len() < SMALL { Self::Small(data.to_vec()) } else { Self::Data(data.clone()) });
        data.or_else(|| frame.trailers_ref().map(|trailers| Self::Trailers(trailers.clone())))
    }

    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data.clone()),
            Self::Small(data) => Frame::data(Bytes::copy_from_slice(data)),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Data(data) => data.len() as u64,
            Self::Small(data) => data.len() as u64,
            Self::Trailers(_) => 0,
        }
    }
}

impl Kept {
    /// Keeps up to `most` bytes of a body of which `frames` were read ahead.
    pub(crate) fn new(
        frames: &VecDeque<Frame<Bytes>>,
        rest: Option<ClientBody>,
        watch: Rc<BodyWatch>,
        most: u64,
    ) -> Self {
        let frames: Vec<_> = frames.iter().filter_map(KeptFrame::of).collect();
        let bytes = frames.iter().map(KeptFrame::bytes).sum();
        let state =
            State { frames, rest, bytes, most, outgrown: false, failed: false, readings: 0, next: 0, waiting: None };
        Self(Rc::new(Shared { watch, state: RefCell::new(state) }))
    }

    /// The body from its beginning; `None`: it can no longer be sent. The last one that was given is cut off.
    pub(crate) fn read(&self) -> Option<RequestBody> {
        let mut state = self.0.state.borrow_mut();
        if state.outgrown || state.failed {
            return None;
        }
        state.readings += 1;
        state.next = 0;
        if let Some(cut_off) = state.waiting.take() {
            cut_off.wake();
        }
        let reading = Reading { shared: Rc::clone(&self.0), number: state.readings };
        Some(RequestBody::kept(reading, Rc::clone(&self.0.watch)))
    }

    /// Whether [`Self::read`] would give the body.
    pub(crate) fn is_whole(&self) -> bool {
        let state = self.0.state.borrow();
        !state.outgrown && !state.failed
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        let state = &mut *state;
        state.outgrown = true;
        state.frames.drain(..state.next.min(state.frames.len()));
        state.next = 0;
    }
}

impl Reading {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let mut state = self.shared.state.borrow_mut();
        if state.readings != self.number {
            return Poll::Ready(Some(Err(BodyFailed)));
        }
        let state = &mut *state;
        if let Some(kept) = state.frames.get(state.next) {
            state.next += 1;
            return Poll::Ready(Some(Ok(kept.frame())));
        }
        let Some(rest) = &mut state.rest else { return Poll::Ready(None) };
        let Poll::Ready(next) = self.shared.watch.poll_frame(rest, cx) else {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        };
        match &next {
            Some(Ok(frame)) => state.keep(frame),
            Some(Err(_)) => state.failed = true,
            None => state.rest = None,
        }
        state.next = state.frames.len();
        Poll::Ready(next)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let state = self.shared.state.borrow();
        state.readings == self.number
            && state.next >= state.frames.len()
            && state.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let state = self.shared.state.borrow();
        let ahead: u64 = state.frames.iter().skip(state.next).map(KeptFrame::bytes).sum();
        let rest = state.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + ahead);
        }
        hint.set_lower(rest.lower() + ahead);
        hint
    }
}

impl State {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.outgrown {
            return;
        }
        self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if self.bytes > self.most {
            self.outgrown = true;
            self.frames = Vec::new();
            return;
        }
        // What is kept was given to whoever reads, so that more may be put to it.
        if let (Some(KeptFrame::Small(together)), Some(data)) = (self.frames.last_mut(), frame.data_ref())
            && data.len() < SMALL
        {
            together.extend_from_slice(data);
        } else if let Some(kept) = KeptFrame::of(frame) {
            self.frames.push(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;
    use crate::forward::clock::Clock;

    fn kept(texts: &[&'static str], most: u64) -> Kept {
        let watch = BodyWatch::new(&Clock::new(), 0, Duration::from_secs(30));
        let frames = texts.iter().map(|text| Frame::data(Bytes::from_static(text.as_bytes()))).collect();
        Kept::new(&frames, None, watch, most)
    }

    #[tokio::test]
    async fn a_body_is_read_again_from_its_beginning() {
        let kept = kept(&["one ", "two"], 100);
        for _ in 0..3 {
            let body = kept.read().unwrap();
            assert_eq!(body.size_hint().exact(), Some(7));
            assert_eq!(body.collect().await.unwrap().to_bytes(), "one two");
        }
    }

    #[tokio::test]
    async fn an_earlier_reading_is_cut_off() {
        let kept = kept(&["one ", "two"], 100);
        let mut first = kept.read().unwrap();
        assert!(first.frame().await.unwrap().is_ok());
        let second = kept.read().unwrap();
        assert!(first.frame().await.unwrap().is_err());
        assert!(!first.is_end_stream(), "cut off, not ended");
        assert_eq!(second.collect().await.unwrap().to_bytes(), "one two");
    }

    #[tokio::test]
    async fn what_need_not_be_sent_again_is_kept_no_longer() {
        let kept = kept(&["one ", "two ", "three"], 100);
        let shared = Rc::clone(&kept.0);
        let mut body = kept.read().unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        drop(kept);
        assert_eq!(shared.state.borrow().frames.len(), 2, "what was sent is gone");
        assert_eq!(body.size_hint().exact(), Some(9));
        shared.state.borrow_mut().keep(&Frame::data(Bytes::from_static(b"more")));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "two three");
    }

    #[tokio::test]
    async fn small_pieces_are_kept_together() {
        let large = "x".repeat(SMALL);
        let kept = kept(&[], 100_000);
        let mut expected = String::new();
        for piece in ["a", "b", &large, "c", "", "d"].iter().cycle().take(60) {
            kept.0.state.borrow_mut().keep(&Frame::data(Bytes::copy_from_slice(piece.as_bytes())));
            expected += piece;
        }
        assert_eq!(kept.0.state.borrow().frames.len(), 21, "ten large ones, and what is around them");
        assert_eq!(kept.read().unwrap().collect().await.unwrap().to_bytes(), expected);
    }

    #[test]
    fn what_outgrows_the_bound_is_not_kept() {
        let kept = kept(&[], 4);
        let keep = |text: &'static str| {
            kept.0.state.borrow_mut().keep(&Frame::data(Bytes::from_static(text.as_bytes())));
        };
        keep("four");
        assert!(kept.is_whole());
        keep("!");
        assert!(!kept.is_whole());
        assert!(kept.read().is_none());
        assert!(kept.0.state.borrow().frames.is_empty(), "nothing is held on to");
    }
}
