//! What attempts do to an endpoint, from pick to judgement.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use sluicegate_table::watch::BreakerState;
use sluicegate_table::{Algorithm, BreakerScope, CircuitBreaker, PassiveCheck};
use tokio::runtime::Handle;
use tokio::time::advance;

use super::*;
use crate::health::fixture::{breaker, passive};
use crate::health::published::Word;
use crate::health::{Timekeeper, View};
use crate::pick::fixture::{Fixture, answered, attempt, begin, count, pick};
use crate::pick::{Balancer, NoUsableTarget};

mod breakers;

const BAD: Outcome = Outcome::Reset;

/// Two equal members, with passive checks that eject after three failures in a row for a minute.
fn checked() -> Fixture {
    let mut fixture = Fixture::new(Algorithm::WeightedRoundRobin, &[50, 50]);
    fixture.pool.health_checks.passive = Some(passive(3, 60));
    fixture
}

fn guarded(weights: &[u8], scope: BreakerScope) -> Fixture {
    let mut fixture = Fixture::new(Algorithm::WeightedRoundRobin, weights);
    fixture.pool.circuit_breaker = Some(CircuitBreaker { scope, ..breaker() });
    fixture
}

fn view(fixture: &Fixture, member: usize) -> View {
    fixture.load(member).health().view()
}

/// Attempts of which those at member 0 have this outcome, until it gets none.
fn fail(balancer: &Balancer, outcome: Outcome) -> usize {
    let mut failures = 0;
    for _ in 0..40 {
        if attempt(balancer, |member| if member == 0 { outcome } else { answered(200) }) == Ok(0) {
            failures += 1;
        }
    }
    failures
}

#[test]
fn nothing_is_judged_where_nothing_is_set() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[100]);
    let balancer = fixture.balancer();
    assert!(!balancer.judges() && balancer.slow_after().is_none() && balancer.breaker().is_none());
    for _ in 0..100 {
        attempt(&balancer, |_| BAD).unwrap();
    }
    assert_eq!(view(&fixture, 0).reason(), None);
    assert!(checked().balancer().judges());
    assert_eq!(guarded(&[100], BreakerScope::Endpoint).balancer().slow_after(), Some(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_is_ejected_at_once_everywhere_and_returns_by_a_ramp_to_its_exact_share() {
    let fixture = checked();
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let (balancer, other) = (fixture.balancer(), fixture.balancer());
    for outcome in [Outcome::NotConnected, Outcome::Reset] {
        attempt(&balancer, |_| answered(200)).unwrap();
        attempt(&balancer, |_| outcome).unwrap();
    }
    let mut changes = fixture.shared.changes();
    let (member, in_flight) = loop {
        let (member, in_flight) = begin(&balancer, &[]).unwrap();
        if fixture.load(member).health().word().has(crate::health::published::Word::FAILED_LATELY) {
            break (member, in_flight);
        }
    };
    balancer.judge(MemberIndex(member as u32), &in_flight, Outcome::TimedOut);
    assert_eq!(count(2, 100, || pick(&other))[member], 0);
    changes.changed().await;

    advance(Duration::from_mins(1)).await;
    changes.changed().await;
    let during = count(2, 10_000, || pick(&balancer))[member];
    assert!((300..800).contains(&during), "about a tenth of its half: {during}");
    // The tasks run when this one waits, one step of the ramp after the other.
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(count(2, 100, || pick(&balancer)), [50, 50]);
}

#[test]
fn good_answers_end_a_row_and_bad_statuses_lengthen_it() {
    let fixture = checked();
    let balancer = fixture.balancer();
    for _ in 0..50 {
        for outcome in [BAD, answered(500), answered(404)] {
            let (_, in_flight) = begin(&balancer, &[1]).unwrap();
            balancer.judge(MemberIndex(0), &in_flight, outcome);
        }
    }
    assert_eq!(view(&fixture, 0).ejections, 0);
    assert_eq!(fail(&balancer, answered(503)), 3);
    assert_eq!(view(&fixture, 0).ejections, 1);
}

#[test]
fn an_attempt_is_judged_once_and_its_body_besides() {
    let fixture = checked();
    let balancer = fixture.balancer();
    let judge = |outcomes: &[Outcome]| {
        let (member, in_flight) = begin(&balancer, &[1]).unwrap();
        assert_eq!(member, 0);
        for outcome in outcomes {
            balancer.judge(MemberIndex(0), &in_flight, *outcome);
        }
    };
    judge(&[BAD, BAD, BAD, BAD]);
    judge(&[answered(500), BAD]);
    assert_eq!(view(&fixture, 0).ejections, 0);
    judge(&[answered(200)]);
    for left in [2, 1, 0] {
        assert_eq!(view(&fixture, 0).ejections, 0, "{left} to come");
        judge(&[answered(200), BAD, BAD]);
    }
    assert_eq!(view(&fixture, 0).ejections, 1);
}

/// That an attempt is slow decides for the circuit breaker; what else becomes of it still counts for passive checks.
#[test]
fn passive_checks_wait_for_what_becomes_of_a_slow_attempt() {
    let mut fixture = checked();
    fixture.pool.circuit_breaker = Some(CircuitBreaker { failure_threshold: 100, ..breaker() });
    let balancer = fixture.balancer();
    let mut failures = 0;
    let mut judge = |outcomes: &[Outcome]| {
        let (_, in_flight) = begin(&balancer, &[1]).unwrap();
        for outcome in [Outcome::Slow].iter().chain(outcomes) {
            balancer.judge(MemberIndex(0), &in_flight, *outcome);
        }
        failures += 1;
    };
    judge(&[Outcome::TimedOut]);
    judge(&[answered(500), BAD]);
    judge(&[answered(200)]);
    judge(&[BAD]);
    judge(&[]);
    judge(&[Outcome::Slow, answered(200), BAD]);
    assert_eq!(view(&fixture, 0).ejections, 0);
    judge(&[Outcome::TimedOut, BAD]);
    assert_eq!(view(&fixture, 0).ejections, 1);
    let health = fixture.load(0).health();
    assert_eq!((view(&fixture, 0).openings, failures), (0, 7));
    (failures..100).for_each(|_| health.fail_breaker(&CircuitBreaker { failure_threshold: 100, ..breaker() }));
    assert_eq!(view(&fixture, 0).openings, 1, "each was one failure to the breaker");
}

/// What another Target of the pool has of its own is no setting that an edit could take off this one.
#[test]
fn an_edit_of_anything_else_ends_no_ejection_that_another_pool_found() {
    let mut fixture = checked();
    let other = fixture.balancer();
    fixture.edit(1, |target| target.health_checks.passive = Some(passive(3, 60)));
    fixture.pool.health_checks.passive = None;
    let balancer = fixture.balancer();
    assert_eq!(fail(&other, BAD), 3);
    let edited = Balancer::new(&fixture.pool, &fixture.targets, Some(&balancer));
    assert!(view(&fixture, 0).ejected_until.is_some());
    // The Target's own are taken off.
    fixture.edit(1, |target| target.health_checks.passive = None);
    for _ in 0..3 {
        fixture.load(1).health().fail(&passive(3, 60), || true);
    }
    drop(Balancer::new(&fixture.pool, &fixture.targets, Some(&edited)));
    assert!(view(&fixture, 0).ejected_until.is_some() && view(&fixture, 1).ejected_until.is_none());
}

#[tokio::test(start_paused = true)]
async fn one_that_asks_for_a_rest_gets_it() {
    let fixture = checked();
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let balancer = fixture.balancer();
    let wait = |seconds| Outcome::Answered {
        status: http::StatusCode::TOO_MANY_REQUESTS,
        retry_after: Some(Duration::from_secs(seconds)),
    };
    assert_eq!(fail(&balancer, wait(20)), 1);
    assert_eq!(attempt(&balancer, |_| wait(5)), Ok(1));
    assert_eq!(attempt(&balancer, |_| BAD), Err(NoUsableTarget::Resting(Duration::from_secs(5))));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(count(2, 10, || pick(&balancer)), [0, 10]);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(count(2, 10, || pick(&balancer)), [5, 5]);
    assert_eq!(view(&fixture, 0).ejections, 0);
}

#[test]
fn a_targets_own_checks_go_before_the_pools() {
    let mut fixture = checked();
    fixture.edit(0, |target| target.health_checks.passive = Some(passive(1, 60)));
    fixture.pool.health_checks.passive = None;
    let balancer = fixture.balancer();
    assert!(balancer.judges());
    for _ in 0..20 {
        let (member, in_flight) = begin(&balancer, &[0]).unwrap();
        balancer.judge(MemberIndex(member as u32), &in_flight, BAD);
    }
    assert_eq!(view(&fixture, 1).ejections, 0, "the pool has none");
    assert_eq!(fail(&balancer, BAD), 1);
}

#[tokio::test(start_paused = true)]
async fn whatever_kept_it_away_it_returns_over_the_time_that_is_set() {
    let returns = |passive: Option<PassiveCheck>, slow_start: Option<u64>| {
        let mut fixture = guarded(&[50, 50], BreakerScope::Endpoint);
        fixture.pool.health_checks.passive = passive;
        fixture.pool.slow_start = slow_start.map(Duration::from_secs);
        fixture.balancer().judging.recovery(MemberIndex(0)).as_secs()
    };
    assert_eq!(returns(Some(passive(3, 60)), Some(20)), 10);
    assert_eq!(returns(None, Some(20)), 20);
    assert_eq!(returns(None, None), 30);
}

#[test]
fn checks_and_breakers_that_an_edit_takes_off_hold_nothing_back() {
    let mut fixture = checked();
    fixture.pool.circuit_breaker = Some(breaker());
    let guarded = fixture.balancer();
    assert_eq!(fail(&guarded, BAD), 3);
    for _ in 0..5 {
        fixture.load(0).health().fail_breaker(&breaker());
    }
    let reason = |fixture: &Fixture| (view(fixture, 0).ejected_until.is_some(), view(fixture, 0).breaker);
    assert_eq!(reason(&fixture), (true, BreakerState::Open));
    let edited = Balancer::new(&fixture.pool, &fixture.targets, Some(&guarded));
    assert_eq!(reason(&fixture), (true, BreakerState::Open), "an edit of anything else changes nothing");
    fixture.pool.circuit_breaker = None;
    let unguarded = Balancer::new(&fixture.pool, &fixture.targets, Some(&edited));
    assert_eq!(reason(&fixture), (true, BreakerState::Closed));
    fixture.pool.health_checks.passive = None;
    let unchecked = Balancer::new(&fixture.pool, &fixture.targets, Some(&unguarded));
    assert_eq!(view(&fixture, 0).reason(), None);
    assert_eq!(count(2, 100, || pick(&unchecked)), [50, 50]);
}

#[test]
fn a_call_whose_trailers_tell_of_a_failure_has_failed() {
    let mut fixture = guarded(&[100], BreakerScope::Endpoint);
    fixture.pool.health_checks.passive = Some(passive(3, 60));
    let balancer = fixture.balancer();
    let call = |trailers: Option<u16>| {
        let (member, in_flight) = begin(&balancer, &[]).unwrap();
        balancer.judge(MemberIndex(member as u32), &in_flight, answered(200));
        if let Some(status) = trailers {
            balancer.judge(MemberIndex(member as u32), &in_flight, answered(status));
        }
    };
    call(Some(503));
    call(Some(429));
    assert!(fixture.load(0).health().word().has(Word::FAILED_LATELY));
    call(None);
    call(Some(503));
    call(Some(503));
    assert_eq!(view(&fixture, 0).reason(), None, "a call that went well ended the row");
    call(Some(503));
    assert!(view(&fixture, 0).ejected_until.is_some());
}
