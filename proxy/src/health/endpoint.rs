//! The health of an endpoint, shared by all pools, workers and versions of the table.
//!
//! A state under a lock, for what happens seldom, and what picks read of it in atomics. Whoever changes the state publishes
//! it before he gives the lock back, so that all workers see a change as soon as it is decided.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sluicegate_table::{ActiveCheck, CircuitBreaker, EgressProxy, PassiveCheck};
use tokio::time::Instant;

use super::breaker::Places;
use super::published::{Published, Word};
use super::state::State;
use super::{CheckState, CheckStatus, Shared, View};

/// The health of an endpoint, shared by all pools, workers and versions of the table. The circuit breaker of an Upstream is
/// one, too, of which nothing else is used.
#[derive(Debug)]
#[repr(align(64))]
pub struct EndpointHealth {
    /// Read for each request and seldom written: on a cache line of its own.
    published: Published,
    /// On lines of its own again.
    rest: Box<Rest>,
}

#[derive(Debug)]
struct Rest {
    /// Successes since the circuit breaker last looked, where a pool wants them counted.
    succeeded: AtomicU64,
    inner: Mutex<Inner>,
    /// Those that some pool in force uses. Pools with the same settings share one.
    checks: Mutex<Vec<Weak<CheckState>>>,
    me: Weak<EndpointHealth>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// The earliest entry in the timetable.
    entered: Option<Instant>,
    /// How long it takes to its whole share when checks pass again.
    recovery: Duration,
    /// The same for when they pass for the first time.
    slow_start: Duration,
}

impl EndpointHealth {
    /// The health of a new endpoint.
    pub fn new(shared: &Arc<Shared>) -> Arc<Self> {
        let (recovery, slow_start) = (Duration::ZERO, Duration::ZERO);
        let inner = Inner { state: State::new(Instant::now()), entered: None, recovery, slow_start };
        Arc::new_cyclic(|me| Self {
            published: Published::new(),
            rest: Box::new(Rest {
                succeeded: AtomicU64::new(0),
                inner: Mutex::new(inner),
                checks: Mutex::default(),
                me: me.clone(),
                shared: Arc::clone(shared),
            }),
        })
    }

    /// What is known of it.
    pub fn view(&self) -> View {
        self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner).state.view()
    }

    /// What it has in common with others.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.rest.shared
    }

    /// What active checks with these settings, by way of this egress proxy, have found out: the same for everyone who asks
    /// for the same. Settings that ask the same question at other times begin with its answer.
    pub fn check(&self, settings: &ActiveCheck, egress_proxy: Option<&EgressProxy>) -> Arc<CheckState> {
        let mut checks = self.rest.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut found, mut status) = (None, CheckStatus::Unchecked);
        checks.retain(|check| {
            let Some(check) = check.upgrade() else { return false };
            if check.settings().probe == settings.probe && check.egress_proxy() == egress_proxy {
                status = check.status();
                if check.settings() == settings {
                    found = Some(check);
                }
            }
            true
        });
        found.unwrap_or_else(|| {
            let asked = (settings.clone(), egress_proxy.cloned());
            let new = Arc::new(CheckState::new(asked, status, self.rest.me.clone(), Arc::clone(&self.rest.shared)));
            checks.push(Arc::downgrade(&new));
            new
        })
    }

    /// What picks read.
    pub(crate) fn word(&self) -> Word {
        self.published.word()
    }

    /// Whether a place for a probe is left.
    pub(crate) fn has_place(&self) -> bool {
        self.published.places() > 0
    }

    /// Takes a place for a probe; the number of the half-open phase.
    pub(crate) fn take_place(&self) -> Option<u32> {
        self.published.take_place()
    }

    /// How long a probe may take to an answer's head.
    pub(super) fn probes_within(&self) -> Duration {
        self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner).state.probes_within()
    }

    /// Gives back a place that was taken in this phase.
    pub(super) fn give_back(&self, phase: u32) {
        self.published.give_back(phase);
    }

    /// An attempt succeeded, as passive checks, the circuit breaker or both see it; `counted`: the breaker has a window. The
    /// number by which it is [taken back](Self::take_back), 0: nothing ended with it.
    pub(crate) fn succeed(&self, passive: bool, breaker: bool, counted: bool) -> u32 {
        let word = self.word();
        if counted && !word.has(Word::OPEN.and(Word::HALF_OPEN)) {
            self.rest.succeeded.fetch_add(1, Ordering::Relaxed);
        }
        if word.has(Word::FAILED_LATELY) {
            self.update(Instant::now(), |state| (state.succeed(passive, breaker), None))
        } else {
            0
        }
    }

    /// A success that was counted for the circuit breaker's window was none after all. One that a failure has had counted
    /// since stays.
    pub(crate) fn discount(&self) {
        let one_less = |succeeded: u64| succeeded.checked_sub(1);
        // Where none is left there is nothing to take back.
        let _ = self.rest.succeeded.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }

    /// The success of this number was none after all, to passive checks, the circuit breaker or both.
    pub(crate) fn take_back(&self, number: u32, passive: bool, breaker: bool) {
        if number != 0 {
            self.update(Instant::now(), |state| (state.take_back(number, passive, breaker), None));
        }
    }

    /// An attempt failed, as passive checks see it. `may_eject` is asked when that ejects the endpoint, and no other one is
    /// ejected meanwhile.
    pub(crate) fn fail(&self, check: &PassiveCheck, may_eject: impl FnOnce() -> bool) {
        let now = Instant::now();
        if self.update(now, |state| (state.fail(now, check), None)) {
            let _one_at_a_time = self.rest.shared.ejecting();
            if may_eject() {
                self.update(now, |state| (state.eject(now, check), None));
            }
        }
    }

    /// An attempt failed, as the circuit breaker sees it.
    pub(crate) fn fail_breaker(&self, settings: &CircuitBreaker) {
        let now = Instant::now();
        let succeeded = &self.rest.succeeded;
        self.update(now, |state| (state.fail_breaker(now, settings, succeeded.swap(0, Ordering::Relaxed)), None));
    }

    /// It asked for a rest.
    pub(crate) fn rest(&self, asked: Duration, check: &PassiveCheck) {
        let now = Instant::now();
        self.update(now, |state| (state.rest(now, asked, check), None));
    }

    /// What became of a probe of this half-open phase.
    pub(crate) fn probed(&self, phase: u32, succeeded: bool, recovery: Duration) {
        let now = Instant::now();
        self.update(now, |state| ((), state.probed(now, phase, succeeded, recovery)));
    }

    /// A probe that had succeeded failed after all.
    pub(crate) fn take_back_probe(&self, phase: u32) {
        let now = Instant::now();
        self.update(now, |state| ((), state.take_back_probe(now, phase)));
    }

    /// An edit took these off: what they found holds no more. Where another pool has them as well, they begin anew.
    pub(crate) fn forget(&self, passive: bool, breaker: bool) {
        let now = Instant::now();
        if passive {
            self.update(now, |state| (state.forget_passive(), None));
        }
        if breaker {
            self.update(now, |state| ((), state.forget_breaker(now)));
        }
    }

    /// How long it takes to its whole share when checks pass again.
    pub(crate) fn recovers_over(&self, recovery: Duration) {
        self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner).recovery = recovery;
    }

    /// It joins others: its share grows from now on, or from the first success of the checks that it waits for.
    pub(crate) fn slow_start(&self, length: Duration, unchecked: bool) {
        if unchecked {
            self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner).slow_start = length;
        } else {
            let now = Instant::now();
            self.update(now, |state| (state.ramp(now, length), None));
        }
    }

    /// Active checks let it have requests again, or for the first time.
    pub(super) fn passed_checks(&self, before: CheckStatus, now: Instant) {
        let mut inner = self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let slow_start = std::mem::take(&mut inner.slow_start);
        let length = if before == CheckStatus::Unchecked { slow_start } else { inner.recovery };
        drop(inner);
        if !length.is_zero() {
            self.update(now, |state| (state.ramp(now, length), None));
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&self, now: Instant) {
        self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner).entered = None;
        self.update(now, |state| ((), state.tick(now)));
    }

    /// Changes the state, publishes it, and enters in the timetable what is due next.
    fn update<T>(&self, now: Instant, change: impl FnOnce(&mut State) -> (T, Option<Places>)) -> T {
        let mut inner = self.rest.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.word();
        let (result, places) = change(&mut inner.state);
        match places {
            None => {}
            Some(Places::Open(phase, places)) => self.published.open_places(phase, places),
            Some(Places::Add(phase, places)) => self.published.add_places(phase, places),
            Some(Places::Close(phase)) => self.published.close_places(phase),
        }
        let after = inner.state.word();
        self.published.set_word(after);
        if let Some(due) = inner.state.due(now)
            && inner.entered.is_none_or(|entered| due < entered)
        {
            inner.entered = Some(due);
            self.rest.shared.timetable().enter(due, self.rest.me.clone());
        }
        drop(inner);
        if before.marks() != after.marks() {
            self.rest.shared.changed();
        }
        result
    }
}

#[cfg(test)]
mod tests;
