//! What a client connection waits for, and how long it may.
//!
//! ```text
//!            bytes                    head complete               answer ended
//!   Idle ───────────▶ Head ─────────────────▶ Busy ─────────────────────▶ Idle
//!     │ idleTimeout     │ headerTimeout          │ client reads nothing for idleTimeout
//!     ▼                 ▼                        ▼
//!   closed            408, closed              closed
//! ```
//!
//! Before a connection is closed whose client may still be sending, it lingers: see [`Phase::Lingering`].
//!
//! The connection only notes changes; what is made of them, and when, is the sweep's.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::task::Waker;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request's head; also the first bytes of a new connection.
    Head,
    /// An exchange's end.
    Busy,
    /// The client's end of the connection, all of ours being said. What comes is thrown away: closing over bytes that
    /// nobody has read resets the connection, and a reset may take from the client the answer that it has not read yet
    /// (RFC 9112, 9.6).
    Lingering,
}

/// What the sweep decided about a connection, from the mildest to the harshest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It may go on.
    #[default]
    None,
    /// Finish what is under way, take nothing new.
    Graceful,
    /// Answer 408 and close.
    HeaderTimeout,
    /// Close at once.
    Close,
}

/// What a connection waits for.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    phase: Cell<Phase>,
    /// Grows with every change of the phase.
    phases: Cell<u32>,
    /// Odd while a write waits for the client to read; grows with every change.
    write_blocked: Cell<u32>,
    verdict: Cell<Verdict>,
    streams: Cell<u32>,
    /// Of the streams of an HTTP/2 connection, those whose client is to take what they have: h2 asks their answers for no
    /// more while the client's window is closed.
    at_client: Cell<u32>,
    /// Grows with every piece of an answer that an HTTP/2 client's window had room for.
    taken: Cell<u32>,
    waker: OnceCell<Waker>,
}

impl ConnectionState {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Head),
            phases: Cell::new(1),
            write_blocked: Cell::default(),
            verdict: Cell::default(),
            streams: Cell::default(),
            at_client: Cell::default(),
            taken: Cell::default(),
            waker: OnceCell::new(),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// A number that changes with every change of the phase.
    pub(super) fn phases(&self) -> u32 {
        self.phases.get()
    }

    /// Odd while a write waits for the client to read; changes with every change and all progress.
    pub(super) fn write_word(&self) -> u32 {
        self.write_blocked.get()
    }

    /// While all that is under way on an HTTP/2 connection waits for the client to take it: a number that changes when it
    /// takes something.
    pub(super) fn all_at_client(&self) -> Option<u32> {
        let at_client = self.at_client.get();
        let all = at_client > 0 && at_client == self.streams.get();
        all.then(|| self.taken.get())
    }

    /// A piece of an HTTP/2 stream's answer goes to the client. `first`: it is the first since the stream waited for its
    /// target.
    pub(crate) fn handed_on(&self, first: bool) {
        self.taken.set(self.taken.get().wrapping_add(1));
        if first {
            self.at_client.set(self.at_client.get() + 1);
        }
    }

    /// An HTTP/2 stream waits for the client no more, but for its target; or it has ended.
    pub(crate) fn not_at_client(&self) {
        self.at_client.set(self.at_client.get().saturating_sub(1));
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.phases.set(self.phases.get().wrapping_add(1));
    }

    /// Something of a request came while none was under way.
    pub(super) fn begin_head(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// The client is not idle, and yet owes no head: it sends the rest of what was answered before.
    pub(super) fn is_not_idle(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Idle);
        }
    }

    /// All is said and the sending side closed: what the client still sends is thrown away.
    pub(super) fn linger(&self) {
        self.write_blocked(true);
        self.enter(Phase::Lingering);
    }

    /// The client sent something while the connection lingers.
    pub(super) fn lingers_on(&self) {
        self.write_progress();
        self.write_blocked(true);
    }

    pub(crate) fn write_blocked(&self, blocked: bool) {
        let word = self.write_blocked.get();
        if (word & 1 == 1) != blocked {
            self.write_blocked.set(word.wrapping_add(1));
        }
    }

    /// Some of a blocked write went through: the wait begins anew.
    pub(crate) fn write_progress(&self) {
        let word = self.write_blocked.get();
        if word & 1 == 1 {
            self.write_blocked.set(word.wrapping_add(1));
        }
    }

    /// Whether the client takes what is written.
    pub(super) fn takes(&self) -> bool {
        self.write_blocked.get() & 1 == 0
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict.get()
    }

    /// Decides about the connection and wakes its task. A verdict is only ever replaced by a harsher one.
    pub(crate) fn decide(&self, verdict: Verdict) {
        if verdict > self.verdict.get() {
            self.verdict.set(verdict);
            if let Some(waker) = self.waker.get() {
                waker.wake_by_ref();
            }
        }
    }

    /// An exchange begins; [`ConnectionState::end_exchange`] must follow at the end of the answer's body.
    pub(crate) fn begin_exchange(&self) {
        let streams = self.streams.get();
        self.streams.set(streams + 1);
        if streams == 0 {
            self.enter(Phase::Busy);
        }
    }

    /// An exchange has ended.
    pub(crate) fn end_exchange(&self) {
        let streams = self.streams.get().saturating_sub(1);
        self.streams.set(streams);
        if streams == 0 {
            self.enter(Phase::Idle);
        }
    }

    /// Whether this is the waker of the connection's task.
    pub(super) fn is_polled_by(&self, waker: &Waker) -> bool {
        self.waker.get().is_some_and(|own| own.will_wake(waker))
    }

    /// Wakes the connection's task, unless this is the waker of it.
    pub(super) fn wake_from(&self, other: &Waker) {
        if let Some(waker) = self.waker.get().filter(|waker| !waker.will_wake(other)) {
            waker.wake_by_ref();
        }
    }

    /// Remembers the connection's task; its waker stays the same for its life.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_phase_begins_when_the_last_of_several_streams_ends() {
        let state = ConnectionState::new();
        state.begin_exchange();
        state.begin_exchange();
        state.end_exchange();
        assert_eq!(state.phase(), Phase::Busy);
        state.end_exchange();
        assert_eq!(state.phase(), Phase::Idle);
    }

    #[test]
    fn a_verdict_is_replaced_by_a_harsher_one_only() {
        let state = ConnectionState::new();
        state.decide(Verdict::HeaderTimeout);
        state.decide(Verdict::Graceful);
        assert_eq!(state.verdict(), Verdict::HeaderTimeout);
        state.decide(Verdict::Close);
        assert_eq!(state.verdict(), Verdict::Close);
    }
}
