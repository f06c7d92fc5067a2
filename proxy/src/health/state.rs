//! An endpoint's state: ejection, rest, circuit breaker and ramp together.
//!
//! No clock and no lock in here: each event comes with its time, and [`State::due`] says when [`State::tick`] has something
//! to do next.
//!
//! | part | states | enters | leaves |
//! |---|---|---|---|
//! | ejection | out, in | `threshold` failures in a row, as the level allows | after interval × times, or passive checks are taken off |
//! | rest | resting, not | 429 or 503 with `Retry-After` | when that is over, or passive checks are taken off |
//! | breaker | Closed, Open, `HalfOpen` | see [`super::breaker`] | |
//! | ramp | ramping, not | an ejection or the breaker's distrust ends, checks pass again, a new endpoint joins others | with its whole share |
//!
//! The parts are independent of each other but for this: nothing ramps that is ejected or whose breaker is not closed, so
//! that its share begins small when it really gets requests; and failures of one that is ejected begin no new row.

use std::time::Duration;

use sluicegate_table::watch::BreakerState;
use sluicegate_table::{CircuitBreaker, PassiveCheck};
use tokio::time::Instant;

use super::View;
use super::breaker::{Breaker, Places};
use super::ejection::Ejection;
use super::published::Word;
use super::ramp::Ramp;
use super::rest::Rest;
use super::row::Row;

/// An endpoint's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    row: Row,
    ejection: Ejection,
    rest: Rest,
    breaker: Breaker,
    ramp: Option<Ramp>,
    /// What the last success ended.
    ended: Ended,
}

/// The rows that a success ended. An answer's head counts as a success; should its body break, it never was one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ended {
    /// Counts the successes that ended a row, from 1.
    number: u32,
    row: Row,
    breaker_row: u32,
}

impl State {
    /// Numbers of successes go round after so many.
    const NUMBERS: u32 = (1 << 28) - 1;

    /// That of a new endpoint.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            row: Row::default(),
            ejection: Ejection::default(),
            rest: Rest::default(),
            breaker: Breaker::new(now),
            ramp: None,
            ended: Ended::default(),
        }
    }

    /// An attempt failed, as passive checks see it; whether it should be [ejected](Self::eject).
    pub(super) fn fail(&mut self, now: Instant, check: &PassiveCheck) -> bool {
        if self.ejection.until().is_some() {
            return false;
        }
        self.row.fail(now, check);
        self.row.ejects(now, check)
    }

    /// Ejects it, where its row still asks for that.
    pub(super) fn eject(&mut self, now: Instant, check: &PassiveCheck) {
        if self.row.ejects(now, check) {
            self.row = Row::default();
            self.ramp = None;
            self.ejection.eject(now, check);
        }
    }

    /// An attempt failed, as the circuit breaker sees it; `succeeded` since the last one that did.
    pub(super) fn fail_breaker(&mut self, now: Instant, settings: &CircuitBreaker, succeeded: u64) {
        if self.breaker.fail(now, settings, succeeded) {
            self.ramp = None;
        }
    }

    /// An attempt succeeded, as passive checks or the circuit breaker see it. What [`Self::take_back`] asks for.
    pub(super) fn succeed(&mut self, passive: bool, breaker: bool) -> u32 {
        self.ended = Ended {
            number: (self.ended.number + 1) & Self::NUMBERS | u32::from(self.ended.number == Self::NUMBERS),
            row: if passive { std::mem::take(&mut self.row) } else { Row::default() },
            breaker_row: if breaker { self.breaker.succeed() } else { 0 },
        };
        self.ended.number
    }

    /// The success of this number was none after all to passive checks, the circuit breaker or both, unless another has come
    /// since.
    pub(super) fn take_back(&mut self, number: u32, passive: bool, breaker: bool) {
        if self.ended.number == number {
            let Ended { row, breaker_row, .. } = std::mem::take(&mut self.ended);
            self.ended.number = number;
            if passive && self.ejection.until().is_none() {
                self.row.resume(row);
            }
            if breaker {
                self.breaker.resume(breaker_row);
            }
        }
    }

    /// It asked for a rest.
    pub(super) fn rest(&mut self, now: Instant, asked: Duration, check: &PassiveCheck) {
        self.rest.rest(now, asked, check);
    }

    /// A probe of the half-open phase of this number was answered or failed. `recovery`: how long it then takes to its whole
    /// share.
    pub(super) fn probed(&mut self, now: Instant, number: u32, succeeded: bool, recovery: Duration) -> Option<Places> {
        let places = self.breaker.probed(now, number, succeeded);
        if places.is_some() && self.breaker.state() == BreakerState::Closed {
            self.ramp(now, recovery);
        }
        places
    }

    /// How long a probe may take to an answer's head.
    pub(super) fn probes_within(&self) -> Duration {
        self.breaker.probes_within()
    }

    /// A probe's answer broke in its body.
    pub(super) fn take_back_probe(&mut self, now: Instant, number: u32) -> Option<Places> {
        self.breaker.take_back(now, number)
    }

    /// Begins a ramp, where it gets requests.
    pub(super) fn ramp(&mut self, now: Instant, length: Duration) {
        if self.ejection.until().is_none() && self.breaker.state() == BreakerState::Closed {
            self.ramp = Ramp::new(now, length);
        }
    }

    /// Passive checks were taken off: what they found holds no more.
    pub(super) fn forget_passive(&mut self) {
        (self.row, self.rest, self.ended) = (Row::default(), Rest::default(), Ended::default());
        self.ejection.forget();
    }

    /// The circuit breaker was taken off: it is closed.
    pub(super) fn forget_breaker(&mut self, now: Instant) -> Option<Places> {
        self.ended = Ended::default();
        self.breaker.forget(now)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Places> {
        self.ramp = self.ramp.and_then(|ramp| ramp.tick(now));
        self.rest.tick(now);
        if let Some(recovery) = self.ejection.tick(now) {
            self.ramp(now, recovery);
        }
        self.breaker.tick(now)
    }

    /// When something is due next, seen from `now`.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let ramp = self.ramp.map(|ramp| ramp.due(now));
        [self.ejection.until(), self.rest.until(), self.breaker.open_until(), ramp].into_iter().flatten().min()
    }

    /// What picks read of it.
    pub(super) fn word(&self) -> Word {
        let breaker = match self.breaker.state() {
            BreakerState::Closed => Word::default(),
            BreakerState::Open => Word::OPEN,
            BreakerState::HalfOpen => Word::HALF_OPEN,
        };
        breaker
            .and_if(self.ejection.until().is_some(), Word::EJECTED)
            .and_if(self.rest.until().is_some(), Word::RESTING)
            .and_if(!self.row.is_empty() || self.breaker.row() > 0, Word::FAILED_LATELY)
            .with_share(self.ramp.map_or(Word::WHOLE, Ramp::share))
    }

    /// What people are told of it.
    pub(super) fn view(&self) -> View {
        View {
            breaker: self.breaker.state(),
            open_until: self.breaker.open_until(),
            ejected_until: self.ejection.until(),
            times_ejected: self.ejection.times(),
            resting_until: self.rest.until(),
            share: self.word().share(),
            ejections: self.ejection.count(),
            openings: self.breaker.openings(),
        }
    }
}

#[cfg(test)]
mod tests;
