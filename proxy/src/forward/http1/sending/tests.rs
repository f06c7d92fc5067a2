//! Whatever a body gives and however little a stream takes, what arrives is the message, or is seen to be broken off.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use http::HeaderValue;
use http_body_util::StreamBody;
use proptest::prelude::*;
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::*;

/// What a body does when it is asked.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Gives so many bytes.
    Data(usize),
    /// Has nothing yet.
    Waits,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// With its last frame, and says so.
    Said,
    /// When it is asked once more.
    Asked,
    /// With fields.
    Trailers,
    Fails,
}

/// How a stream takes what is written.
#[derive(Clone, Copy, Debug)]
struct Takes {
    at_a_time: usize,
    /// It takes nothing every so many times, and is not flushed at once.
    waits: Option<usize>,
    vectored: bool,
    /// After so many bytes it takes no more.
    breaks: Option<usize>,
}

#[derive(Clone, Debug)]
struct Script {
    head: usize,
    steps: Vec<Step>,
    end: End,
    coding: Coding,
}

impl Script {
    /// The pieces that are there before the end. No two bytes close to each other are the same.
    fn pieces(&self) -> Vec<Bytes> {
        let mut count = 0_usize;
        let lengths =
            self.steps.iter().filter_map(|step| if let Step::Data(length) = step { Some(*length) } else { None });
        let pieces = lengths.map(|length| {
            let bytes = (count..count + length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            count += length;
            bytes
        });
        pieces.collect()
    }

    fn total(&self) -> u64 {
        self.pieces().iter().map(|piece| piece.len() as u64).sum()
    }

    fn body(&self) -> Scripted {
        let mut pieces = self.pieces().into_iter();
        let mut polls: VecDeque<_> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Data(_) => Poll::Ready(Ok(Frame::data(pieces.next().unwrap()))),
                Step::Waits => Poll::Pending,
            })
            .collect();
        match self.end {
            End::Said | End::Asked => {}
            End::Trailers => polls.push_back(Poll::Ready(Ok(Frame::trailers(trailers())))),
            End::Fails => polls.push_back(Poll::Ready(Err(Failed))),
        }
        Scripted { polls, says: self.end != End::Asked, waited_for: Rc::default() }
    }
}

/// One that is promised, one that is not, and one that may not be there.
fn trailers() -> HeaderMap {
    let field = |name: &str| (name.parse().unwrap(), HeaderValue::from_static("7"));
    ["x-sum", "x-other", "content-length"].map(field).into_iter().collect()
}

#[derive(Debug)]
struct Failed;

struct Scripted {
    polls: VecDeque<Poll<Result<Frame<Bytes>, Failed>>>,
    says: bool,
    /// It had nothing when it was asked in this turn.
    waited_for: Rc<Cell<bool>>,
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        assert!(!self.waited_for.get(), "it is asked again although nobody was woken");
        let Some(next) = self.polls.pop_front() else { return Poll::Ready(None) };
        if next.is_pending() {
            self.waited_for.set(true);
            cx.waker().wake_by_ref();
        }
        next.map(Some)
    }

    fn is_end_stream(&self) -> bool {
        self.says && self.polls.is_empty()
    }
}

struct Stream {
    takes: Takes,
    times: usize,
    /// It took nothing when it was asked in this turn.
    waited_for: bool,
    flushed: bool,
    arrived: Vec<u8>,
}

impl Stream {
    fn new(takes: Takes) -> Self {
        Self { takes, times: 0, waited_for: false, flushed: true, arrived: Vec::new() }
    }

    fn waits(&mut self, cx: &Context<'_>) -> bool {
        self.times += 1;
        let waits = self.takes.waits.is_some_and(|every| self.times.is_multiple_of(every));
        if waits {
            self.waited_for = true;
            cx.waker().wake_by_ref();
        }
        waits
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.waits(cx) {
            return Poll::Pending;
        }
        let mut left = self.takes.at_a_time;
        if let Some(breaks) = self.takes.breaks {
            left = left.min(breaks - self.arrived.len());
            if left == 0 {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
        }
        let mut taken = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            let length = slice.len().min(left);
            self.arrived.extend_from_slice(&slice[..length]);
            (taken, left) = (taken + length, left - length);
            if !self.takes.vectored {
                break;
            }
        }
        self.flushed = false;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waits(cx) {
            return Poll::Pending;
        }
        self.flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        unreachable!("nobody asks for it")
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends the message, polling only after who is waited for has said so.
fn sent(sending: &mut Sending<Scripted>, script: &Script, stream: &mut Stream) -> Result<(), Unfinished> {
    let body = script.body();
    let waited_for = Rc::clone(&body.waited_for);
    sending.begin(body, |text, _| {
        text.resize(script.head, b'h');
        script.coding.clone()
    });
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        assert!(!sending.is_through() && !sending.was_written());
        assert!(woken.0.swap(false, Ordering::Relaxed), "nobody would wake it again");
        waited_for.set(false);
        stream.waited_for = false;
        if let Poll::Ready(result) = sending.poll(stream, &mut Context::from_waker(&waker)) {
            assert!(sending.is_through());
            return result;
        }
        assert!(stream.flushed || stream.waited_for, "what is there goes out while the body is waited for");
    }
}

/// What a chunked body comes to: its chunks, and what stands after the last one.
fn chunks(mut coded: &[u8]) -> (Vec<Bytes>, Option<&[u8]>) {
    let mut chunks = Vec::new();
    while let Some(line) = coded.windows(2).position(|end| end == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&coded[..line]).unwrap(), 16).unwrap();
        let rest = &coded[line + 2..];
        if size == 0 {
            return (chunks, Some(rest));
        }
        if rest.len() < size + 2 {
            return (chunks, None);
        }
        assert_eq!(&rest[size..size + 2], b"\r\n");
        chunks.push(Bytes::copy_from_slice(&rest[..size]));
        coded = &rest[size + 2..];
    }
    assert!(coded.is_empty(), "half a line");
    (chunks, None)
}

/// Checks what arrived over a stream that does not break.
fn check(script: &Script, result: Result<(), Unfinished>, arrived: &[u8]) {
    let (head, body) = arrived.split_at(script.head);
    assert!(head.iter().all(|byte| *byte == b'h'));
    let (pieces, total) = (script.pieces(), script.total());
    let fails = script.end == End::Fails;
    match &script.coding {
        Coding::Length(0) => assert!(body.is_empty() && result.is_ok(), "nobody asks for it"),
        Coding::Length(length) => {
            assert_eq!(result.is_ok(), !fails && total == *length);
            let fit = pieces.iter().scan(0, |sum, piece| {
                *sum += piece.len() as u64;
                (*sum <= *length).then_some(piece)
            });
            assert_eq!(body, fit.flatten().copied().collect::<Vec<u8>>());
        }
        Coding::UntilClose => {
            assert_eq!(result.is_ok(), !fails);
            assert_eq!(body, pieces.concat());
        }
        Coding::Chunked { promised } => {
            assert_eq!(result.is_ok(), !fails);
            let (chunks, last) = chunks(body);
            let given: Vec<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
            assert_eq!(chunks, given, "each frame is a chunk");
            let end: &[u8] =
                if script.end == End::Trailers && !promised.is_empty() { b"x-sum: 7\r\n\r\n" } else { b"\r\n" };
            assert_eq!(last, (!fails).then_some(end));
        }
    }
}

fn script() -> impl Strategy<Value = Script> {
    let length = prop_oneof![Just(0), 1..20_usize, Just(4096), Just(10_000)];
    let step = prop_oneof![2 => length.prop_map(Step::Data), 1 => Just(Step::Waits)];
    let end = prop::sample::select(vec![End::Said, End::Asked, End::Trailers, End::Fails]);
    let head = prop::sample::select(vec![1, 100, 5000]);
    (head, prop::collection::vec(step, 0..6), end, 0..7_u8).prop_map(|(head, steps, end, coding)| {
        let mut script = Script { head, steps, end, coding: Coding::UntilClose };
        let total = script.total();
        let promised = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        script.coding = match coding {
            0 | 1 => Coding::Length(total),
            2 => Coding::Length(total + 1),
            3 => Coding::Length(total.saturating_sub(1)),
            4 => Coding::Chunked { promised: Vec::new() },
            5 => Coding::Chunked { promised: promised(&["x-sum", "content-length", "x-none"]) },
            _ => Coding::UntilClose,
        };
        script
    })
}

fn takes() -> impl Strategy<Value = Takes> {
    let at_a_time = prop::sample::select(vec![1, 7, 4096, usize::MAX]);
    let waits = prop::option::of(2..5_usize);
    (at_a_time, waits, any::<bool>()).prop_map(|(at_a_time, waits, vectored)| Takes {
        at_a_time,
        waits,
        vectored,
        breaks: None,
    })
}

proptest! {
    #[test]
    fn what_arrives_is_what_was_given(scripts in prop::collection::vec(script(), 1..4), takes in takes()) {
        let mut sending = Sending::nothing();
        for script in &scripts {
            let mut stream = Stream::new(takes);
            let result = sent(&mut sending, script, &mut stream);
            check(script, result, &stream.arrived);
            prop_assert!(stream.flushed);
            prop_assert_eq!(sending.was_written(), result.is_ok());
            prop_assert!(sending.take_failure().is_none());
            if result.is_err() {
                return Ok(());
            }
        }
    }

    #[test]
    fn what_breaks_the_stream_off_is_told_and_nothing_follows_it(
        script in script(),
        takes in takes(),
        place in any::<prop::sample::Index>(),
    ) {
        let (mut whole, mut sending) = (Stream::new(takes), Sending::nothing());
        let _ = sent(&mut sending, &script, &mut whole);
        let breaks = place.index(whole.arrived.len());
        let (mut stream, mut sending) = (Stream::new(Takes { breaks: Some(breaks), ..takes }), Sending::nothing());
        prop_assert!(sent(&mut sending, &script, &mut stream).is_ok(), "the other side may have said something");
        prop_assert!(!sending.was_written());
        prop_assert_eq!(sending.take_failure().unwrap().kind(), io::ErrorKind::BrokenPipe);
        prop_assert_eq!(&stream.arrived, &whole.arrived[..breaks]);
    }
}

#[tokio::test]
async fn a_body_of_many_pieces_that_are_all_there_leaves_others_their_turn() {
    LocalSet::new()
        .run_until(async {
            let turns = Rc::new(Cell::new(0));
            let counted = Rc::clone(&turns);
            spawn_local(async move {
                loop {
                    counted.set(counted.get() + 1);
                    yield_now().await;
                }
            });
            let sending = spawn_local(async {
                let pieces = (0..10_000).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))));
                let mut sending = Sending::nothing();
                let chunked = |_: &mut Vec<u8>, _: &_| Coding::Chunked { promised: Vec::new() };
                sending.begin(StreamBody::new(futures_util::stream::iter(pieces)), chunked);
                let mut written = Vec::new();
                poll_fn(|cx| sending.poll(&mut written, cx)).await.unwrap();
                written.len()
            });
            assert_eq!(sending.await.unwrap(), 10_000 * 6 + LAST_CHUNK.len());
            assert!(turns.get() > 10, "{}", turns.get());
        })
        .await;
}
