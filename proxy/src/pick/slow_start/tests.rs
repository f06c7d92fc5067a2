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

#[test]
fn with_active_checks_it_starts_with_the_first_success() {
    let settings = ActiveCheck {
        probe: Probe::Tcp,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy_threshold: 2,
        unhealthy_threshold: 1,
    };
    let (fixture, balancer) = joined(|fixture| fixture.pool.health_checks.active = Some(settings));
    assert_eq!(share(&fixture, 1), 10);
    let (_, check) = balancer.checks().last().unwrap();
    check.set(true, tokio::time::Instant::now());
    assert_eq!(share(&fixture, 1), 0);
}
