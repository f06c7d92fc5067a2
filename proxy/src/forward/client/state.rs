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
//! The connection only notes changes; the sweep notes the time at which it saw a change. So the hot path reads no clock
//! for this, and limits are coarse by one tick.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;

use crate::answer::Reason;
use crate::forward::clock::Millis;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request's head; also the first bytes of a new connection.
    Head,
    /// An exchange's end.
    Busy,
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

/// How long a connection may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) header: Duration,
    pub(crate) idle: Duration,
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
    any_bytes: AtomicBool,
    saw_content_length: AtomicBool,
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

    fn phase_of(word: u32) -> Phase {
        match word & 3 {
            0 => Phase::Idle,
            1 => Phase::Head,
            _ => Phase::Busy,
        }
    }

    fn enter(&self, phase: Phase) {
        let low = match phase {
            Phase::Idle => 0,
            Phase::Head => 1,
            Phase::Busy => 2,
        };
        let word = self.phase.load(Ordering::Relaxed);
        self.phase.store((word & !3).wrapping_add(4) | low, Ordering::Relaxed);
    }

    /// Bytes came while no exchange was under way.
    pub(crate) fn head_bytes(&self, has_content_length: bool) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head);
        }
        if has_content_length {
            self.saw_content_length.store(true, Ordering::Relaxed);
        }
        self.any_bytes.store(true, Ordering::Relaxed);
    }

    /// Whether the bytes of the last head had a `Content-Length` line, even where the parser dropped it.
    pub(crate) fn saw_content_length(&self) -> bool {
        self.saw_content_length.load(Ordering::Relaxed)
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
        if self.verdict.fetch_max(word, Ordering::Relaxed) < word {
            self.wake();
        }
    }

    /// Wakes the connection's task.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
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
        if streams == 0 {
            self.enter(Phase::Busy);
        }
    }

    /// An exchange has ended.
    pub(crate) fn end_exchange(&self) {
        let streams = self.streams.load(Ordering::Relaxed).saturating_sub(1);
        self.streams.store(streams, Ordering::Relaxed);
        if streams == 0 {
            // The next head may be in hyper's buffer already: what was seen of this one says nothing about that.
            self.saw_content_length.store(false, Ordering::Relaxed);
            self.enter(Phase::Idle);
        }
    }

    /// Remembers the connection's task; its waker stays the same for its life.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }
}

/// Marks an exchange as under way until it is dropped at the end of the answer's body.
#[derive(Debug)]
pub(crate) struct Busy(Arc<ConnectionState>);

impl Busy {
    pub(crate) fn begin(state: &Arc<ConnectionState>) -> Self {
        state.begin_exchange();
        Self(Arc::clone(state))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end_exchange();
    }
}

/// All connections of a worker, as its sweep sees them.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    connections: Slab<Watched>,
    draining: bool,
}

#[derive(Debug)]
struct Watched {
    state: Arc<ConnectionState>,
    phase: u32,
    phase_since: Millis,
    write: u32,
    write_since: Millis,
}

impl Sweeper {
    /// Watches a connection; the number takes it out again.
    pub(crate) fn insert(&mut self, state: &Arc<ConnectionState>, now: Millis) -> usize {
        if self.draining {
            state.decide(Verdict::Graceful);
        }
        let state = Arc::clone(state);
        self.connections.insert(Watched { phase: 0, phase_since: now, write: 0, write_since: now, state })
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, key: usize) {
        self.connections.try_remove(key);
    }

    /// Wakes the task of a connection, if it is still there.
    pub(crate) fn wake(&self, key: usize) {
        if let Some(watched) = self.connections.get(key) {
            watched.state.wake();
        }
    }

    /// Asks every connection to finish what is under way.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for (_, watched) in &self.connections {
            watched.state.decide(Verdict::Graceful);
        }
    }

    /// Judges every connection.
    pub(crate) fn sweep(&mut self, now: Millis, patience: Patience) {
        for (_, watched) in &mut self.connections {
            watched.judge(now, patience);
        }
    }
}

impl Watched {
    fn judge(&mut self, now: Millis, patience: Patience) {
        let phase = self.state.phase.load(Ordering::Relaxed);
        if phase != self.phase {
            (self.phase, self.phase_since) = (phase, now);
        }
        let write = self.state.write_blocked.load(Ordering::Relaxed);
        if write != self.write {
            (self.write, self.write_since) = (write, now);
        }
        let over = |since: Millis, limit: Duration| now.saturating_sub(since) >= millis(limit);
        if write & 1 == 1 && over(self.write_since, patience.idle) {
            self.state.decide(Verdict::Close);
        }
        match ConnectionState::phase_of(phase) {
            Phase::Head if over(self.phase_since, patience.header) => self.state.decide(Verdict::HeaderTimeout),
            // One idle time to close in good order, another one before it is cut.
            Phase::Idle if over(self.phase_since, patience.idle * 2) => self.state.decide(Verdict::Close),
            Phase::Idle if over(self.phase_since, patience.idle) => self.state.decide(Verdict::Graceful),
            Phase::Idle | Phase::Head | Phase::Busy => {}
        }
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { header: Duration::from_secs(10), idle: Duration::from_mins(1) };

    fn watched() -> (Sweeper, Arc<ConnectionState>) {
        let state = ConnectionState::new();
        let mut sweeper = Sweeper::default();
        sweeper.insert(&state, 0);
        (sweeper, state)
    }

    #[test]
    fn a_head_that_never_ends_gets_408() {
        let (mut sweeper, state) = watched();
        sweeper.sweep(50, PATIENCE);
        sweeper.sweep(9_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(10_050, PATIENCE);
        assert_eq!(state.verdict(), Verdict::HeaderTimeout);
    }

    #[test]
    fn an_idle_connection_has_a_limit_of_its_own() {
        let (mut sweeper, state) = watched();
        drop(Busy::begin(&state));
        sweeper.sweep(50, PATIENCE);
        sweeper.sweep(59_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(60_050, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Graceful);
    }

    #[test]
    fn a_busy_connection_waits_for_ever_unless_the_client_stops_reading() {
        let (mut sweeper, state) = watched();
        let busy = Busy::begin(&state);
        sweeper.sweep(50, PATIENCE);
        sweeper.sweep(1_000_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        state.write_blocked(true);
        sweeper.sweep(1_000_050, PATIENCE);
        sweeper.sweep(1_059_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(1_060_050, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Close);
        drop(busy);
    }

    #[test]
    fn a_slow_reader_that_makes_progress_is_left_alone() {
        let (mut sweeper, state) = watched();
        let _busy = Busy::begin(&state);
        for second in 0..600 {
            state.write_progress();
            state.write_blocked(true);
            sweeper.sweep(second * 1_000, PATIENCE);
        }
        assert_eq!(state.verdict(), Verdict::None);
    }

    #[test]
    fn an_idle_phase_begins_when_the_last_of_several_streams_ends() {
        let (_, state) = watched();
        let (one, two) = (Busy::begin(&state), Busy::begin(&state));
        drop(one);
        assert_eq!(state.phase(), Phase::Busy);
        drop(two);
        assert_eq!(state.phase(), Phase::Idle);
    }

    #[test]
    fn draining_reaches_connections_that_come_during_it() {
        let mut sweeper = Sweeper::default();
        sweeper.drain();
        let state = ConnectionState::new();
        sweeper.insert(&state, 0);
        assert_eq!(state.verdict(), Verdict::Graceful);
    }
}
