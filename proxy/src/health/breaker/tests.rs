//! Each transition of the circuit breaker's table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::health::fixture::breaker as settings;

const HOUR: Duration = Duration::from_hours(1);

/// One that has just opened, and when.
fn opened() -> (Breaker, Instant) {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    for failure in 1..=5 {
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.fail(now, &settings(), 0), failure == 5);
    }
    assert_eq!((breaker.state(), breaker.openings()), (BreakerState::Open, 1));
    (breaker, now)
}

/// One that has just become half-open, and when.
fn half_open() -> (Breaker, Instant) {
    let (mut breaker, opened) = opened();
    let now = breaker.open_until().unwrap();
    assert_eq!(now, opened + settings().open_duration);
    assert_eq!(breaker.tick(now.checked_sub(Duration::from_nanos(1)).unwrap()), None);
    assert_eq!(breaker.tick(now), Some(Places::Open(1, 3)));
    assert_eq!((breaker.state(), breaker.tick(now + HOUR)), (BreakerState::HalfOpen, None));
    (breaker, now)
}

#[test]
fn failures_in_a_row_open_it_and_a_success_ends_the_row() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    for _ in 0..4 {
        assert!(!breaker.fail(now, &settings(), 0));
    }
    assert_eq!((breaker.row(), breaker.succeed(), breaker.row()), (4, 4, 0));
    for _ in 0..4 {
        assert!(!breaker.fail(now, &settings(), 0));
    }
    breaker.resume(1);
    assert!(breaker.fail(now, &settings(), 0));
}

#[test]
fn a_small_share_of_successes_opens_it() {
    let settings = CircuitBreaker { minimum_success_percent: Some(95), failure_threshold: 1000, ..settings() };
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    assert!(!breaker.fail(now, &settings, 30));
    assert!(breaker.fail(now, &settings, 0), "30 of 32 are less than 95 %");
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[test]
fn while_it_is_open_nothing_counts() {
    let (mut breaker, now) = opened();
    let before = breaker.clone();
    assert!(!breaker.fail(now, &settings(), 1));
    assert_eq!((breaker.succeed(), breaker.probed(now, 1, true), breaker.take_back(now, 1)), (0, None, None));
    breaker.resume(4);
    assert_eq!(breaker, before);
}

#[test]
fn while_it_is_half_open_only_its_probes_count() {
    let (mut breaker, now) = half_open();
    let before = breaker.clone();
    assert!(!breaker.fail(now, &settings(), 1));
    assert_eq!((breaker.succeed(), breaker.probed(now, 0, false), breaker.take_back(now, 0)), (0, None, None));
    assert_eq!(breaker, before);
}

#[test]
fn rounds_pass_until_enough_probes_have_succeeded() {
    let (mut breaker, now) = half_open();
    assert_eq!(breaker.probed(now, 1, true), None);
    assert_eq!(
        breaker.probed(now, 1, true),
        Some(Places::Add(1, 2)),
        "the round passes; the third place is still taken"
    );
    assert_eq!(breaker.probed(now, 1, true), Some(Places::Close(1)), "three successes in all");
    assert_eq!((breaker.state(), breaker.openings()), (BreakerState::Closed, 1));
    for failure in 1..=5 {
        assert_eq!(breaker.fail(now, &settings(), 0), failure == 5, "it counts from the beginning");
    }
}

#[test]
fn a_round_may_pass_with_a_failure() {
    let (mut breaker, now) = half_open();
    assert_eq!([false, true].map(|succeeded| breaker.probed(now, 1, succeeded)), [None, None]);
    assert_eq!(breaker.probed(now, 1, true), Some(Places::Add(1, 3)));
    assert_eq!(breaker.probed(now, 1, false), None);
    assert_eq!(breaker.probed(now, 1, true), Some(Places::Close(1)));
}

#[test]
fn few_successes_in_all_do_not_close_it_before_a_round_has_passed() {
    let now = Instant::now();
    let mut breaker = Breaker::new(now);
    let settings = CircuitBreaker { failure_threshold: 1, success_threshold: 1, ..settings() };
    assert!(breaker.fail(now, &settings, 0));
    assert_eq!(breaker.tick(now + settings.open_duration), Some(Places::Open(1, 3)));
    assert_eq!(breaker.probed(now, 1, true), None);
    assert_eq!(breaker.probed(now, 1, true), Some(Places::Close(1)));
}

#[test]
fn it_opens_again_once_the_round_cannot_pass() {
    let (mut breaker, now) = half_open();
    assert_eq!([true, false].map(|succeeded| breaker.probed(now, 1, succeeded)), [None, None]);
    assert_eq!(breaker.probed(now, 1, false), Some(Places::Close(1)));
    assert_eq!((breaker.state(), breaker.openings()), (BreakerState::Open, 2));
    assert_eq!(breaker.open_until(), Some(now + settings().open_duration));
    assert_eq!(breaker.tick(now + HOUR), Some(Places::Open(2, 3)), "and the next phase has another number");
}

#[test]
fn a_probe_whose_answer_breaks_has_failed() {
    let (mut breaker, now) = half_open();
    assert_eq!(breaker.probed(now, 1, true), None);
    assert_eq!(breaker.take_back(now, 1), None);
    assert_eq!(breaker.probed(now, 1, true), None);
    assert_eq!(breaker.probed(now, 1, false), Some(Places::Close(1)));
    assert_eq!(breaker.state(), BreakerState::Open);
}
