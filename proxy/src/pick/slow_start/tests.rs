//! Who starts slowly.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use sluicegate_table::{ActiveCheck, Algorithm, Probe};

use super::*;
use crate::health::published::Word;
use crate::pick::Balancer;
use crate::pick::fixture::{Fixture, count, pick};

fn share(fixture: &Fixture, member: usize) -> u32 {
    fixture.load(member).health().word().share() * 10 / Word::WHOLE
}

/// A pool of one, that another joins after the first version.
fn joined(edit: impl FnOnce(&mut Fixture)) -> (Fixture, Balancer) {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[1, 1]);
    fixture.pool.slow_start = Some(Duration::from_secs(30));
    edit(&mut fixture);
    let mut before = fixture.pool.clone();
    before.levels[0].members.pop();
    let before = Balancer::new(&before, &fixture.targets[..1], None);
    let balancer = Balancer::new(&fixture.pool, &fixture.targets, Some(&before));
    (fixture, balancer)
}

#[test]
fn what_joins_others_starts_slowly() {
    let (fixture, balancer) = joined(|_| {});
    assert_eq!((share(&fixture, 0), share(&fixture, 1)), (10, 0));
    let counts = count(2, 10_000, || pick(&balancer));
    assert!((300..800).contains(&counts[1]), "{counts:?}");
    let again = Balancer::new(&fixture.pool, &fixture.targets, Some(&balancer));
    assert_eq!(share(&fixture, 1), 0);
    drop(again);
}

#[test]
fn what_starts_together_or_was_used_before_does_not() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[1, 1]);
    fixture.pool.slow_start = Some(Duration::from_secs(30));
    let first = fixture.balancer();
    assert_eq!((share(&fixture, 0), share(&fixture, 1)), (10, 10));
    let other = Fixture::new(Algorithm::RoundRobin, &[1, 1]);
    drop(Balancer::new(&fixture.pool, &other.targets, Some(&first)));
    assert_eq!((share(&other, 0), share(&other, 1)), (10, 10), "nobody is left of those before");
    let (fixture, _) = joined(|fixture| drop(crate::endpoint::InFlight::begin(fixture.load(1))));
    assert_eq!(share(&fixture, 1), 10);
}

/// Checks that one result decides.
fn checks() -> ActiveCheck {
    let second = Duration::from_secs(1);
    ActiveCheck { probe: Probe::Tcp, interval: second, timeout: second, healthy_threshold: 1, unhealthy_threshold: 1 }
}

#[test]
fn one_whose_checks_pass_again_returns_slowly_without_any_setting() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[1, 1]);
    fixture.pool.health_checks.active = Some(checks());
    let balancer = fixture.balancer();
    let (_, check) = balancer.checks().next().unwrap();
    for (passed, tenths) in [(true, 10), (false, 10), (true, 0)] {
        check.set(passed, tokio::time::Instant::now());
        assert_eq!(share(&fixture, 0), tenths, "{passed}");
    }
}

#[test]
fn what_another_pool_makes_of_returns_is_nothing_to_one_that_checks() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[1, 1]);
    fixture.pool.health_checks.active = Some(checks());
    fixture.pool.slow_start = Some(Duration::from_millis(1));
    let balancer = fixture.balancer();
    let mut other = fixture.pool.clone();
    (other.health_checks.active, other.slow_start) = (None, Some(Duration::from_hours(1)));
    let _other = Balancer::new(&other, &fixture.targets, None);
    let (_, check) = balancer.checks().next().unwrap();
    let start = tokio::time::Instant::now();
    for passed in [true, false, true] {
        check.set(passed, start);
    }
    fixture.load(0).health().tick(start + Duration::from_millis(1));
    assert_eq!(share(&fixture, 0), 10);
}

#[test]
fn with_active_checks_it_starts_with_the_first_success() {
    let (fixture, balancer) = joined(|fixture| fixture.pool.health_checks.active = Some(checks()));
    assert_eq!(share(&fixture, 1), 10);
    let (_, check) = balancer.checks().last().unwrap();
    check.set(true, tokio::time::Instant::now());
    assert_eq!(share(&fixture, 1), 0);
}
