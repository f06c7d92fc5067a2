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

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;

use bytes::Bytes;

use super::framing::{Framing, Place};
use crate::answer::Reason;

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

/// What the sweep decided about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may go on.
    None,
    /// Finish what is under way, take nothing new.
    Graceful,
    /// Answer 408 and close.
    HeaderTimeout,
    /// Close at once.
    Close,
}

/// What a connection waits for. Written by its own thread only; atomics because an upgraded connection's stream must be
/// `Send`.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    /// Grows by 4 with every change; the two low bits are the phase.
    phase: AtomicU32,
    /// Odd while a write waits for the client to read; grows with every change.
    write_blocked: AtomicU32,
    verdict: AtomicU8,
    streams: AtomicU32,
    /// Of the streams of an HTTP/2 connection, those whose client is to take what they have: h2 asks their answers for no
    /// more while the client's window is closed.
    at_client: AtomicU32,
    /// Grows with every piece of an answer that an HTTP/2 client's window had room for.
    taken: AtomicU32,
    any_bytes: AtomicBool,
    /// What the client's bytes of HTTP/1 stop in.
    place: AtomicU8,
    /// How many heads have come, and how many exchanges have begun.
    heads: AtomicU32,
    exchanges: AtomicU32,
    /// The number of the head with two framings; 0: none has.
    two_framings: AtomicU32,
    /// The connection was handed over: its bytes are no HTTP.
    handed_over: AtomicBool,
    waker: OnceLock<Waker>,
    /// Why a head was refused without an exchange.
    refused: OnceLock<Reason>,
    interjects: AtomicBool,
    interjection: Mutex<Bytes>,
}

impl ConnectionState {
    pub(crate) fn new() -> Arc<Self> {
        let state = Self::default();
        state.enter(Phase::Head);
        Arc::new(state)
    }

    pub(crate) fn phase(&self) -> Phase {
        Self::phase_of(self.phase.load(Ordering::Relaxed))
    }

    /// The phase, in a word that changes with every change of it.
    pub(super) fn phase_word(&self) -> u32 {
        self.phase.load(Ordering::Relaxed)
    }

    /// Odd while a write waits for the client to read; changes with every change and all progress.
    pub(super) fn write_word(&self) -> u32 {
        self.write_blocked.load(Ordering::Relaxed)
    }

    /// While all that is under way on an HTTP/2 connection waits for the client to take it: a word that changes when it
    /// takes something.
    pub(super) fn all_at_client(&self) -> Option<u32> {
        let at_client = self.at_client.load(Ordering::Relaxed);
        let all = at_client > 0 && at_client == self.streams.load(Ordering::Relaxed);
        all.then(|| self.taken.load(Ordering::Relaxed))
    }

    /// A piece of an HTTP/2 stream's answer goes to the client. `first`: it is the first since the stream waited for its
    /// target.
    pub(crate) fn handed_on(&self, first: bool) {
        self.taken.store(self.taken.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if first {
            self.at_client.store(self.at_client.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// An HTTP/2 stream waits for the client no more, but for its target; or it has ended.
    pub(crate) fn not_at_client(&self) {
        self.at_client.store(self.at_client.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    pub(super) fn phase_of(word: u32) -> Phase {
        match word & 3 {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Lingering,
        }
    }

    fn enter(&self, phase: Phase) {
        let low = match phase {
            Phase::Idle => 0,
            Phase::Head => 1,
            Phase::Busy => 2,
            Phase::Lingering => 3,
        };
        let word = self.phase.load(Ordering::Relaxed);
        self.phase.store((word & !3).wrapping_add(4) | low, Ordering::Relaxed);
    }

    /// Bytes of HTTP/1 came, and this is what they amount to.
    pub(super) fn came(&self, framing: &Framing) {
        let place = framing.place();
        self.place.store(place as u8, Ordering::Relaxed);
        self.heads.store(framing.heads(), Ordering::Relaxed);
        if let Some(number) = framing.two_framings() {
            self.two_framings.store(number, Ordering::Relaxed);
        }
        if place != Place::Between {
            self.any_bytes.store(true, Ordering::Relaxed);
        }
        match (self.phase(), place) {
            (Phase::Idle, Place::Head) => self.enter(Phase::Head),
            // What is left of a body whose answer has been sent: the client is not idle, and owes no head.
            (Phase::Idle, Place::Body) => self.enter(Phase::Idle),
            _ => {}
        }
    }

    /// Whether the request of the exchange that began last declares both a length and a transfer coding, of which the
    /// parser has dropped the one.
    pub(crate) fn has_two_framings(&self) -> bool {
        let number = self.two_framings.load(Ordering::Relaxed);
        number != 0 && number == self.exchanges.load(Ordering::Relaxed)
    }

    /// Whether the client has more to send of the request of the exchange that began last.
    pub(super) fn sends_on(&self) -> bool {
        self.place.load(Ordering::Relaxed) == Place::Body as u8 && self.behind() == 0
    }

    /// How many heads have come behind that of the exchange that began last.
    fn behind(&self) -> u32 {
        self.heads.load(Ordering::Relaxed).wrapping_sub(self.exchanges.load(Ordering::Relaxed))
    }

    /// Whether the client may have sent what nobody has read: the rest of a request, or requests that get no answer.
    pub(super) fn may_be_owed(&self) -> bool {
        !self.is_handed_over() && (self.place.load(Ordering::Relaxed) != Place::Between as u8 || self.behind() != 0)
    }

    /// Whether the connection's bytes are no HTTP any more.
    pub(super) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
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

    /// A head is refused without an exchange, and with it whatever is behind it.
    pub(crate) fn refuse(&self, reason: Reason) {
        self.refused.get_or_init(|| reason);
    }

    /// Why a head was refused without an exchange, if one was.
    pub(crate) fn refused(&self) -> Option<Reason> {
        self.refused.get().copied()
    }

    /// Whether the client sent anything at all.
    pub(crate) fn any_bytes(&self) -> bool {
        self.any_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn write_blocked(&self, blocked: bool) {
        let word = self.write_blocked.load(Ordering::Relaxed);
        if (word & 1 == 1) != blocked {
            self.write_blocked.store(word.wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// Some of a blocked write went through: the wait begins anew.
    pub(crate) fn write_progress(&self) {
        let word = self.write_blocked.load(Ordering::Relaxed);
        if word & 1 == 1 {
            self.write_blocked.store(word.wrapping_add(1), Ordering::Relaxed);
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.verdict.load(Ordering::Relaxed) {
            0 => Verdict::None,
            1 => Verdict::Graceful,
            2 => Verdict::HeaderTimeout,
            _ => Verdict::Close,
        }
    }

    /// Decides about the connection and wakes its task. A verdict is only ever replaced by a harsher one.
    pub(crate) fn decide(&self, verdict: Verdict) {
        let word = match verdict {
            Verdict::None => 0,
            Verdict::Graceful => 1,
            Verdict::HeaderTimeout => 2,
            Verdict::Close => 3,
        };
        if self.verdict.fetch_max(word, Ordering::Relaxed) < word
            && let Some(waker) = self.waker.get()
        {
            waker.wake_by_ref();
        }
    }

    /// Whether all that was written for the client has gone out, so that bytes of ours stand between two messages.
    pub(crate) fn may_interject(&self) -> bool {
        self.write_blocked.load(Ordering::Relaxed) & 1 == 0 && !self.interjects.load(Ordering::Relaxed)
    }

    /// Bytes that go to the client before anything that is written from now on. Only from the connection's own task, and
    /// only where [`ConnectionState::may_interject`] says so.
    pub(crate) fn interject(&self, bytes: Bytes) {
        *self.interjection.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        self.interjects.store(true, Ordering::Relaxed);
    }

    /// What was interjected and has not been taken yet.
    pub(crate) fn take_interjection(&self) -> Option<Bytes> {
        if !self.interjects.load(Ordering::Relaxed) {
            return None;
        }
        self.interjects.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut *self.interjection.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// An exchange begins; [`ConnectionState::end_exchange`] must follow at the end of the answer's body.
    pub(crate) fn begin_exchange(&self) {
        let streams = self.streams.load(Ordering::Relaxed);
        self.streams.store(streams + 1, Ordering::Relaxed);
        self.exchanges.store(self.exchanges.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if streams == 0 {
            self.enter(Phase::Busy);
        }
    }

    /// An exchange has ended.
    pub(crate) fn end_exchange(&self) {
        let streams = self.streams.load(Ordering::Relaxed).saturating_sub(1);
        self.streams.store(streams, Ordering::Relaxed);
        if streams == 0 {
            // Half of the next head may be in hyper's buffer already.
            let in_head = self.place.load(Ordering::Relaxed) == Place::Head as u8;
            self.enter(if in_head { Phase::Head } else { Phase::Idle });
        }
    }

    /// Remembers the connection's task; its waker stays the same for its life.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }
}

/// Marks a connection as busy that was handed over to another protocol, until it is dropped at the end of that.
#[derive(Debug)]
pub(crate) struct Busy(Arc<ConnectionState>);

impl Busy {
    pub(crate) fn begin(state: &Arc<ConnectionState>) -> Self {
        state.handed_over.store(true, Ordering::Relaxed);
        state.begin_exchange();
        Self(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end_exchange();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_phase_begins_when_the_last_of_several_streams_ends() {
        let state = ConnectionState::new();
        let (one, two) = (Busy::begin(&state), Busy::begin(&state));
        drop(one);
        assert_eq!(state.phase(), Phase::Busy);
        drop(two);
        assert_eq!(state.phase(), Phase::Idle);
    }
}
