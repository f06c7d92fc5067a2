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
    judge(&[Outcome::Slow, answered(500), BAD]);
    judge(&[answered(500), BAD]);
    assert_eq!(view(&fixture, 0).ejections, 0);
    judge(&[answered(200)]);
    for left in [2, 1, 0] {
        assert_eq!(view(&fixture, 0).ejections, 0, "{left} to come");
        judge(&[answered(200), BAD, BAD]);
    }
    assert_eq!(view(&fixture, 0).ejections, 1);
}

#[test]
fn a_broken_body_lengthens_the_row_of_a_breaker_of_either_scope() {
    for scope in [BreakerScope::Endpoint, BreakerScope::Upstream] {
        let fixture = guarded(&[100], scope);
        let balancer = fixture.balancer();
        let open = || begin(&balancer, &[]).is_err();
        for failures in 0..breaker().failure_threshold {
            assert!(!open(), "{scope:?}: after {failures}");
            let (_, in_flight) = begin(&balancer, &[]).unwrap();
            balancer.judge(MemberIndex(0), &in_flight, answered(200));
            balancer.judge(MemberIndex(0), &in_flight, BAD);
        }
        assert!(open(), "{scope:?}");
    }
}

#[test]
fn a_broken_body_is_no_success_of_the_window() {
    for scope in [BreakerScope::Endpoint, BreakerScope::Upstream] {
        let mut fixture = guarded(&[100], scope);
        let settings = fixture.pool.circuit_breaker.as_mut().unwrap();
        (settings.failure_threshold, settings.minimum_success_percent) = (1_000, Some(30));
        let balancer = fixture.balancer();
        for attempts in 0..breaker().minimum_requests {
            let (_, in_flight) = begin(&balancer, &[]).unwrap_or_else(|_| panic!("{scope:?}: open after {attempts}"));
            balancer.judge(MemberIndex(0), &in_flight, answered(200));
            balancer.judge(MemberIndex(0), &in_flight, BAD);
        }
        assert!(begin(&balancer, &[]).is_err(), "{scope:?}");
    }
}

#[test]
fn a_good_answer_ends_the_row_that_a_broken_body_has_taken_up_again() {
    for scope in [BreakerScope::Endpoint, BreakerScope::Upstream] {
        let fixture = guarded(&[100], scope);
        let balancer = fixture.balancer();
        for _ in 0..3 {
            for _ in 1..breaker().failure_threshold {
                let (_, in_flight) = begin(&balancer, &[]).unwrap();
                balancer.judge(MemberIndex(0), &in_flight, answered(200));
                balancer.judge(MemberIndex(0), &in_flight, BAD);
            }
            attempt(&balancer, |_| answered(200)).unwrap();
        }
        assert!(attempt(&balancer, |_| answered(200)).is_ok(), "{scope:?}");
    }
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
async fn a_breaker_opens_lets_exactly_its_probes_through_and_closes() {
    let fixture = guarded(&[50, 50], BreakerScope::Endpoint);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let balancer = fixture.balancer();
    assert_eq!(fail(&balancer, answered(500)), 5);
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Open);
    assert!(matches!(begin(&balancer, &[1]), Err(NoUsableTarget::Open)));
    for round in 0..3 {
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(view(&fixture, 0).breaker, BreakerState::HalfOpen);
        assert_eq!(fail(&balancer, answered(500)), 2, "in round {round} two failures decide");
        assert_eq!(view(&fixture, 0).breaker, BreakerState::Open);
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    let mut probes: Vec<InFlight> = (0..3).map(|_| begin(&balancer, &[1]).unwrap().1).collect();
    assert!(matches!(begin(&balancer, &[1]), Err(NoUsableTarget::Open)), "three at a time");
    assert_eq!(attempt(&balancer, |_| answered(200)), Ok(1), "others go elsewhere");
    // One client goes away: its place is another's.
    drop(probes.pop());
    probes.push(begin(&balancer, &[1]).unwrap().1);
    assert!(begin(&balancer, &[1]).is_err());
    for probe in &probes {
        balancer.judge(MemberIndex(0), probe, answered(200));
    }
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Closed);
    // Nothing says over how long it returns.
    let during = count(2, 10_000, || pick(&balancer))[0];
    assert!((300..800).contains(&during), "about a tenth of its half: {during}");
    tokio::time::sleep(PassiveCheck::RECOVERY + Duration::from_secs(1)).await;
    assert_eq!(count(2, 100, || pick(&balancer)), [50, 50]);
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

#[tokio::test(start_paused = true)]
async fn an_upstream_breaker_guards_all_and_outlives_an_edit() {
    let fixture = guarded(&[50, 50], BreakerScope::Upstream);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let balancer = fixture.balancer();
    for _ in 0..5 {
        attempt(&balancer, |_| Outcome::Slow).unwrap();
    }
    assert_eq!(attempt(&balancer, |_| BAD), Err(NoUsableTarget::Open));
    assert_eq!((view(&fixture, 0).reason(), view(&fixture, 1).reason()), (None, None));
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&balancer));
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::Open);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let probes: Vec<(usize, InFlight)> = (0..3).map(|_| begin(&balancer, &[]).unwrap()).collect();
    assert!(matches!(begin(&balancer, &[]), Err(NoUsableTarget::Open)));
    assert!(matches!(begin(&balancer, &[0, 1]), Err(NoUsableTarget::Open)));
    for (member, probe) in &probes {
        balancer.judge(MemberIndex(*member as u32), probe, answered(200));
    }
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::Closed);
    assert_eq!(balancer.breaker().unwrap().word(), Word::default(), "nobody else could take over a share of the whole");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_breaker_that_came_before_its_targets_is_seen_and_half_opens_all_the_same() {
    let fixture = guarded(&[50, 50], BreakerScope::Upstream);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    let without = Balancer::new(&fixture.pool, &[None, None], None);
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&without));
    let generation = fixture.shared.generation();
    for _ in 0..5 {
        attempt(&balancer, |_| BAD).unwrap();
    }
    assert_ne!(fixture.shared.generation(), generation, "who listens is told");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::HalfOpen);
    // Targets that are gone for a moment change nothing.
    let without = Balancer::new(&fixture.pool, &[None, None], Some(&balancer));
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&without));
    assert_eq!(balancer.breaker().unwrap().view().breaker, BreakerState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn the_probes_of_a_pool_without_a_breaker_count_too() {
    let fixture = guarded(&[100], BreakerScope::Endpoint);
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&fixture.shared));
    assert_eq!(fail(&fixture.balancer(), BAD), 5);
    let mut plain = fixture.pool.clone();
    plain.circuit_breaker = None;
    let balancer = Balancer::new(&plain, &fixture.targets, None);
    assert_eq!(attempt(&balancer, |_| BAD), Err(NoUsableTarget::Open));
    tokio::time::sleep(Duration::from_secs(61)).await;
    for _ in 0..3 {
        attempt(&balancer, |_| answered(200)).unwrap();
    }
    assert_eq!(view(&fixture, 0).breaker, BreakerState::Closed);
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
