//! What attempts tell about the endpoints of a pool, on the pool's terms.

use std::sync::Arc;
use std::time::Duration;

use sluicegate_table::{BreakerScope, CircuitBreaker, PassiveCheck, Pool};

use super::MemberIndex;
use crate::endpoint::InFlight;
use crate::health::{EndpointHealth, Judgement, Outcome, Place, Probe, Shared, Verdict};

/// A pool's terms.
#[derive(Debug)]
pub(crate) struct Judging {
    /// Of each member: its Target's, else the pool's.
    passive: Box<[Option<Arc<PassiveCheck>>]>,
    breaker: Option<CircuitBreaker>,
    /// How long members without passive checks take to their whole share.
    recovery: Duration,
    /// The circuit breaker of the pool as a whole.
    pool_breaker: Option<Arc<EndpointHealth>>,
    wants: bool,
}

impl Judging {
    /// The terms of a pool whose members have these `passive` checks. The pool's own circuit breaker goes on.
    pub(crate) fn new(
        pool: &Pool,
        passive: Box<[Option<Arc<PassiveCheck>>]>,
        shared: Option<&Arc<Shared>>,
        previous: Option<&Self>,
    ) -> Self {
        let whole = pool.circuit_breaker.as_ref().filter(|breaker| breaker.scope == BreakerScope::Upstream);
        let pool_breaker = whole.map(|_| {
            let previous = previous.and_then(|previous| previous.pool_breaker.as_ref());
            // One that was made while the pool had no endpoint has seen nothing yet, and nobody would end its times.
            let is_ours =
                |breaker: &&Arc<_>| shared.is_none_or(|shared| Arc::ptr_eq(EndpointHealth::shared(breaker), shared));
            match previous.filter(is_ours) {
                Some(previous) => Arc::clone(previous),
                None => EndpointHealth::new(shared.unwrap_or(&Arc::default())),
            }
        });
        let wants = pool.circuit_breaker.is_some() || passive.iter().any(Option::is_some);
        let recovery = pool.slow_start.unwrap_or(PassiveCheck::RECOVERY);
        Self { passive, breaker: pool.circuit_breaker.clone(), recovery, pool_breaker, wants }
    }

    /// Whether these terms no longer have passive checks of a member, or a circuit breaker for each endpoint, that
    /// `previous` had, in which it was the member `before`.
    pub(crate) fn took_off(&self, previous: &Self, before: MemberIndex, member: MemberIndex) -> (bool, bool) {
        let for_each = |terms: &Self| terms.breaker.as_ref().is_some_and(|set| set.scope == BreakerScope::Endpoint);
        let passive = self.passive(member).is_none() && previous.passive(before).is_some();
        (passive, for_each(previous) && !for_each(self))
    }

    /// Whether these terms may lack something for some member that `previous` had.
    pub(crate) fn may_have_taken_off(&self, previous: &Self) -> bool {
        previous.wants && (self.passive.iter().any(Option::is_none) || self.breaker != previous.breaker)
    }

    /// Whether attempts need to be judged at all.
    pub(crate) fn wants(&self) -> bool {
        self.wants
    }

    /// How long an attempt may take to its answer's head.
    pub(crate) fn slow_after(&self) -> Option<Duration> {
        self.breaker.as_ref().map(|breaker| breaker.timeout)
    }

    /// The circuit breaker of the pool as a whole.
    pub(crate) fn pool_breaker(&self) -> Option<&Arc<EndpointHealth>> {
        self.pool_breaker.as_ref()
    }

    /// The passive checks of a member.
    pub(crate) fn passive(&self, member: MemberIndex) -> Option<&PassiveCheck> {
        self.passive.get(member.0 as usize)?.as_deref()
    }

    /// How long a member that returns takes to get its whole share, whatever kept it away.
    pub(crate) fn recovery(&self, member: MemberIndex) -> Duration {
        self.passive(member).map_or(self.recovery, |check| check.recovery)
    }

    /// Judges what became of an attempt of `in_flight` at `member`. `may_eject` is asked should that eject the endpoint.
    pub(crate) fn judge(
        &self,
        member: MemberIndex,
        in_flight: &InFlight,
        outcome: Outcome,
        may_eject: impl FnOnce() -> bool,
    ) {
        match in_flight.judged().get() {
            None => self.first(member, in_flight, outcome, may_eject),
            Some(before) if before.answered => self.again(member, in_flight, before, outcome, may_eject),
            Some(before) if before.slow && outcome != Outcome::Slow => {
                self.after_slow(member, in_flight, outcome, may_eject);
            }
            Some(_) => {}
        }
    }

    /// The first judgement.
    fn first(&self, member: MemberIndex, in_flight: &InFlight, outcome: Outcome, may_eject: impl FnOnce() -> bool) {
        let health = in_flight.load().health();
        let passive = self.passive(member);
        let failed = outcome.fails_breaker();
        if let Some(probe) = in_flight.probe() {
            // A pool as a whole has no share that others could take over.
            for (place, recovery) in [(&probe.endpoint, self.recovery(member)), (&probe.pool, Duration::ZERO)] {
                let Some(place) = place else { continue };
                place.judge(!failed, recovery);
            }
        }
        let verdict = passive.map_or(Verdict::None, |check| outcome.verdict(check));
        let (mut breaker_succeeded, mut pool_success) = (None, 0);
        if let Some(settings) = &self.breaker {
            match (&self.pool_breaker, failed) {
                (None, true) => health.fail_breaker(settings),
                (None, false) => breaker_succeeded = Some(settings.minimum_success_percent.is_some()),
                (Some(pool), true) => pool.fail_breaker(settings),
                (Some(pool), false) => {
                    pool_success = pool.succeed(false, true, settings.minimum_success_percent.is_some());
                }
            }
        }
        match (verdict, passive) {
            (Verdict::Failure, Some(check)) => health.fail(check, may_eject),
            (Verdict::Rest(asked), Some(check)) => health.rest(asked, check),
            _ => {}
        }
        let success = if verdict == Verdict::Success || breaker_succeeded.is_some() {
            health.succeed(verdict == Verdict::Success, breaker_succeeded.is_some(), breaker_succeeded == Some(true))
        } else {
            0
        };
        in_flight.judged().set(Judgement {
            answered: matches!(outcome, Outcome::Answered { .. }),
            passive: verdict == Verdict::Failure,
            breaker: failed,
            slow: outcome == Outcome::Slow,
            success,
            pool_success,
        });
    }

    /// What became of an attempt that circuit breakers have counted as slow: passive checks have a time of their own.
    #[cold]
    fn after_slow(
        &self,
        member: MemberIndex,
        in_flight: &InFlight,
        outcome: Outcome,
        may_eject: impl FnOnce() -> bool,
    ) {
        let health = in_flight.load().health();
        let passive = self.passive(member);
        let verdict = passive.map_or(Verdict::None, |check| outcome.verdict(check));
        let mut judgement = Judgement {
            answered: matches!(outcome, Outcome::Answered { .. }),
            passive: verdict == Verdict::Failure,
            breaker: true,
            ..Judgement::default()
        };
        match (verdict, passive) {
            (Verdict::Failure, Some(check)) => health.fail(check, may_eject),
            (Verdict::Rest(asked), Some(check)) => health.rest(asked, check),
            (Verdict::Success, _) => judgement.success = health.succeed(true, false, false),
            _ => {}
        }
        in_flight.judged().set(judgement);
    }

    /// The answer turned out to be a failure after its head had been judged: its body broke, or its trailers say so. What was
    /// a success was none, and the failure counts.
    #[cold]
    fn again(
        &self,
        member: MemberIndex,
        in_flight: &InFlight,
        before: Judgement,
        outcome: Outcome,
        may_eject: impl FnOnce() -> bool,
    ) {
        let passive =
            self.passive(member).filter(|check| !before.passive && outcome.verdict(check) == Verdict::Failure);
        let breaker = !before.breaker && outcome.fails_breaker();
        in_flight.judged().set(Judgement {
            answered: false,
            passive: before.passive || passive.is_some(),
            breaker: before.breaker || breaker,
            ..Judgement::default()
        });
        let health = in_flight.load().health();
        health.take_back(before.success, passive.is_some(), breaker && self.pool_breaker.is_none());
        if breaker {
            if let Some(pool) = &self.pool_breaker {
                pool.take_back(before.pool_success, false, true);
            }
            in_flight.probe().into_iter().flat_map(Probe::places).for_each(Place::take_back);
            if let Some(settings) = &self.breaker {
                let health = self.pool_breaker.as_ref().unwrap_or(health);
                if settings.minimum_success_percent.is_some() {
                    health.discount();
                }
                health.fail_breaker(settings);
            }
        }
        if let Some(check) = passive {
            health.fail(check, may_eject);
        }
    }
}

#[cfg(test)]
mod tests;
