//! The circuit breaker.
//!
//! | state | event | next state |
//! |---|---|---|
//! | Closed | a failure that makes `failureThreshold` in a row, or too small a share of the window's attempts | Open |
//! | Closed | any other answer | Closed; a success ends the row |
//! | Open | `openDuration` is over | `HalfOpen`, with a round of `probes` places |
//! | `HalfOpen` | a probe succeeds, `successThreshold` have, and a round has passed | Closed |
//! | `HalfOpen` | a probe succeeds, and `successes` of the round have | `HalfOpen`, with a new round |
//! | `HalfOpen` | a probe fails, and too few are left for the round to pass | Open |
//! | `HalfOpen` | any other probe's answer | `HalfOpen` |
//! | `HalfOpen` | a probe has no answer within `timeout`, because of the target | as after one that fails |
//! | `HalfOpen` | the same because of its client, or the client goes away | `HalfOpen`; its place is another's |
//! | any | nobody has a circuit breaker for it any more | Closed |
//!
//! A probe that is still under way when its round passes keeps its place, in the next round, so that there are never more
//! than `probes` at a time. What comes of attempts that are no probes counts in Closed only, and what comes of probes of
//! an earlier half-open phase counts as that of other attempts.

use std::time::Duration;

use sluicegate_table::CircuitBreaker;
use sluicegate_table::watch::BreakerState;
use tokio::time::Instant;

use super::timetable::after;
use super::window::Window;

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breaker {
    phase: Phase,
    /// Failures in a row while closed.
    row: u32,
    window: Window,
    /// Of the pool that opened it.
    terms: Terms,
    /// The number of the half-open phase at hand, or of the next.
    number: u32,
    /// How often it opened.
    openings: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen(Round),
}

/// A round of probes. Its places are `judged`, under way, or left to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    judged: u32,
    succeeded: u32,
    failed: u32,
    /// Rounds passed before.
    passed: u32,
    /// Successes in all rounds.
    in_all: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Terms {
    /// An attempt that is slower has failed.
    timeout: Duration,
    open_duration: Duration,
    probes: u32,
    successes: u32,
    success_threshold: u32,
}

/// What becomes of the places for probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// The half-open phase of this number begins, with so many.
    Open(u32, u32),
    /// So many of it are free again.
    Add(u32, u32),
    /// It is over.
    Close(u32),
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(now: Instant) -> Self {
        let (window, terms) = (Window::new(now), Terms::default());
        Self { phase: Phase::Closed, row: 0, window, terms, number: 0, openings: 0 }
    }

    /// Its state.
    pub(super) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen(_) => BreakerState::HalfOpen,
        }
    }

    /// Until when it is open.
    pub(super) fn open_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open { until } => Some(until),
            Phase::Closed | Phase::HalfOpen(_) => None,
        }
    }

    /// How long a probe may take to an answer's head.
    pub(super) fn probes_within(&self) -> Duration {
        self.terms.timeout
    }

    /// Failures in a row while closed.
    pub(super) fn row(&self) -> u32 {
        self.row
    }

    /// The number of the half-open phase at hand, or of the next.
    #[cfg(test)]
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// How often it opened.
    pub(super) fn openings(&self) -> u64 {
        self.openings
    }

    /// Takes in a failed attempt, and the successes since the last one; whether that opens it.
    pub(super) fn fail(&mut self, now: Instant, settings: &CircuitBreaker, succeeded: u64) -> bool {
        if self.phase != Phase::Closed {
            return false;
        }
        self.row = self.row.saturating_add(1);
        let few = self.window.fail(now, settings, succeeded);
        if self.row < settings.failure_threshold && !few {
            return false;
        }
        self.terms = Terms {
            timeout: settings.timeout,
            open_duration: settings.open_duration,
            probes: settings.probes,
            successes: settings.successes,
            success_threshold: settings.success_threshold,
        };
        self.open(now);
        true
    }

    /// Takes in a success: it ends the row, which is returned.
    pub(super) fn succeed(&mut self) -> u32 {
        std::mem::take(&mut self.row)
    }

    /// Goes on with a row that was taken to have ended.
    pub(super) fn resume(&mut self, row: u32) {
        if self.phase == Phase::Closed {
            self.row = self.row.saturating_add(row);
        }
    }

    /// Takes in what became of a probe of the half-open phase of this number.
    pub(super) fn probed(&mut self, now: Instant, number: u32, succeeded: bool) -> Option<Places> {
        let Phase::HalfOpen(round) = &mut self.phase else { return None };
        if number != self.number {
            return None;
        }
        round.judged += 1;
        if succeeded {
            round.succeeded += 1;
            round.in_all = round.in_all.saturating_add(1);
        } else {
            round.failed += 1;
        }
        self.decide(now)
    }

    /// Takes back the success of a probe of the half-open phase of this number: it has failed after all.
    pub(super) fn take_back(&mut self, now: Instant, number: u32) -> Option<Places> {
        let Phase::HalfOpen(round) = &mut self.phase else { return None };
        if number != self.number {
            return None;
        }
        round.succeeded = round.succeeded.saturating_sub(1);
        round.in_all = round.in_all.saturating_sub(1);
        round.failed += 1;
        self.decide(now)
    }

    /// Whether the round at hand has passed or failed.
    fn decide(&mut self, now: Instant) -> Option<Places> {
        let Phase::HalfOpen(round) = &mut self.phase else { return None };
        if self.terms.probes.saturating_sub(round.failed) < self.terms.successes {
            return Some(self.open(now));
        }
        let passed = round.succeeded >= self.terms.successes;
        if round.in_all >= self.terms.success_threshold && (passed || round.passed > 0) {
            return Some(self.close(now));
        }
        if !passed {
            return None;
        }
        let free = round.judged;
        *round = Round { passed: round.passed.saturating_add(1), in_all: round.in_all, ..Round::default() };
        Some(Places::Add(self.number, free))
    }

    fn open(&mut self, now: Instant) -> Places {
        let ended = Places::Close(self.number);
        self.number = self.number.wrapping_add(1);
        self.row = 0;
        self.openings += 1;
        self.phase = Phase::Open { until: after(now, self.terms.open_duration) };
        ended
    }

    /// Nobody has set it any more: it begins anew.
    pub(super) fn forget(&mut self, now: Instant) -> Option<Places> {
        self.row = 0;
        self.window = Window::new(now);
        (self.phase != Phase::Closed).then(|| self.close(now))
    }

    fn close(&mut self, now: Instant) -> Places {
        let ended = Places::Close(self.number);
        self.number = self.number.wrapping_add(1);
        self.window = Window::new(now);
        self.phase = Phase::Closed;
        ended
    }

    /// Goes on to half-open when its time has come.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Places> {
        let until = self.open_until()?;
        if until > now {
            return None;
        }
        self.phase = Phase::HalfOpen(Round::default());
        Some(Places::Open(self.number, self.terms.probes))
    }
}

#[cfg(test)]
mod tests;
