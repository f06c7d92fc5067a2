//! Who is free, by health and pass.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use sluicegate_table::Algorithm;

use super::*;
use crate::health::fixture::{breaker, passive};
use crate::pick::fixture::Fixture;

/// For each pass whether a lone candidate is free, once `change` was done to its health.
fn free(change: impl FnOnce(&EndpointHealth)) -> [bool; 4] {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[100]);
    let balancer = fixture.balancer();
    change(fixture.load(0).health());
    [Pass::Usable, Pass::Ramping, Pass::Ejected, Pass::Unchecked].map(|pass| {
        let among = balancer.levels[0].candidates(Instant::now(), &[], pass);
        assert_eq!(among.any_free(), among.free(0));
        assert!(!balancer.levels[0].candidates(Instant::now(), &[MemberIndex(0)], pass).any_free(), "it was tried");
        among.free(0)
    })
}

fn open(health: &EndpointHealth) {
    (0..5).for_each(|_| health.fail_breaker(&breaker()));
}

#[test]
fn each_pass_lets_more() {
    assert_eq!(free(|_| {}), [true; 4]);
    assert_eq!(free(|health| health.fail(&passive(2, 60), || true)), [true; 4], "one failure is nothing yet");
    assert_eq!(free(|health| health.fail(&passive(1, 60), || true)), [false, false, true, true]);
    assert_eq!(free(|health| health.rest(Duration::from_secs(5), &passive(1, 60))), [false; 4]);
    assert_eq!(free(open), [false; 4]);
    let half_open = |health: &EndpointHealth| {
        open(health);
        health.tick(tokio::time::Instant::now() + Duration::from_hours(1));
    };
    assert_eq!(free(half_open), [true; 4], "as long as a place is left");
    assert_eq!(
        free(|health| {
            half_open(health);
            assert!((0..3).all(|_| health.take_place().is_some()));
        }),
        [false; 4]
    );
}

#[test]
fn a_share_is_drawn_for_each_request_and_stays_the_same_within_it() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[50, 50]);
    let balancer = fixture.balancer();
    (0..2).for_each(|member| fixture.load(member).health().slow_start(Duration::from_hours(1), false));
    let start = Instant::now();
    let mut counts = [0; 2];
    let mut both = 0;
    for request in 0..10_000 {
        let now = start + Duration::from_micros(request);
        let among = balancer.levels[0].candidates(now, &[], Pass::Usable);
        let free = [among.free(0), among.free(1)];
        assert_eq!(free, [among.free(0), among.free(1)]);
        (0..2).for_each(|member| counts[member] += usize::from(free[member]));
        both += usize::from(free == [true; 2]);
    }
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "a tenth each: {counts:?}");
    assert!((50..150).contains(&both), "each for itself: {both}");
}

#[test]
fn one_who_is_recognised_moves_once() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[100]);
    let balancer = fixture.balancer();
    fixture.load(0).health().slow_start(Duration::from_hours(1), false);
    let among = balancer.levels[0].candidates(Instant::now(), &[], Pass::Usable);
    let clients: Vec<bool> = (0..1000).map(|hash| among.with_lot(Lot::Hash(hash)).free(0)).collect();
    let later = balancer.levels[0].candidates(Instant::now() + Duration::from_secs(1), &[], Pass::Usable);
    assert_eq!(clients, (0..1000).map(|hash| later.with_lot(Lot::Hash(hash)).free(0)).collect::<Vec<_>>());
    assert!((50..150).contains(&clients.iter().filter(|free| **free).count()));
    assert!(among.with_lot(Lot::Always).free(0));
}
