//! The least load, exactly in small pools, nearly in large ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use sluicegate_table::Algorithm;

use crate::endpoint::InFlight;
use crate::pick::fast_random;
use crate::pick::fixture::{Fixture, count, is_likely, pick, pick_untried, splits};
use crate::pick::least::EXACT_UP_TO;

fn least(weights: &[u8]) -> Fixture {
    Fixture::new(Algorithm::LeastConnections, weights)
}

/// Puts so many requests in flight at each member.
fn load(fixture: &Fixture, in_flight: &[u32]) -> Vec<InFlight> {
    let begin = |(member, count): (usize, &u32)| (0..*count).map(move |_| InFlight::begin(fixture.load(member)));
    in_flight.iter().enumerate().flat_map(begin).collect()
}

proptest! {
    #[test]
    fn the_least_in_flight_by_weight_wins(
        members in proptest::collection::vec((1..=100_u8, 0..50_u32), 2..=EXACT_UP_TO),
        tried in 0..16_usize,
    ) {
        // Weights that do not add up to 100 become equal: fill up with a member that is always busier.
        let mut weights: Vec<u8> = Vec::new();
        for (weight, _) in &members {
            let left = 100 - weights.iter().sum::<u8>();
            weights.push((*weight).min(left.saturating_sub(1)));
        }
        *weights.last_mut().unwrap() += 100 - weights.iter().sum::<u8>();
        let fixture = least(&weights);
        let in_flight: Vec<u32> = members.iter().map(|(_, in_flight)| *in_flight).collect();
        let _guards = load(&fixture, &in_flight);
        let tried = tried % members.len();
        let ratio = |member: usize| f64::from(in_flight[member]) / f64::from(weights[member]);
        let free = |member: &usize| weights[*member] > 0 && *member != tried;
        let Some(least) = (0..members.len()).filter(free).map(ratio).min_by(f64::total_cmp) else { return Ok(()) };
        let balancer = fixture.balancer();
        for _ in 0..20 {
            let picked = pick_untried(&balancer, &[tried as u32]);
            prop_assert!(free(&picked));
            prop_assert!(ratio(picked).total_cmp(&least).is_eq(), "{weights:?} {in_flight:?}: {picked}");
        }
    }

    /// With nothing in flight every member is the least: turns by weight decide.
    #[test]
    fn an_idle_pool_is_used_by_weight(weights in splits().prop_filter("small", |split| split.len() <= EXACT_UP_TO)) {
        let balancer = least(&weights).balancer();
        let shares: Vec<usize> = weights.iter().map(|weight| usize::from(*weight)).collect();
        prop_assert_eq!(count(weights.len(), 100, || pick(&balancer)), shares);
    }
}

#[test]
fn ties_are_shared_out_among_the_tied() {
    fast_random::seed(4);
    let fixture = least(&[25; 4]);
    let _guards = load(&fixture, &[0, 3, 0, 3]);
    let balancer = fixture.balancer();
    let counts = count(4, 10_000, || pick(&balancer));
    // Half of the turns are their own, the turns of the busy ones are drawn.
    assert_eq!((counts[1], counts[3]), (0, 0));
    assert!(is_likely(counts[0] - 2500, 5000, 0.5), "{counts:?}");
}

#[test]
fn a_small_pool_stays_level() {
    let fixture = least(&[1; 10]);
    let balancer = fixture.balancer();
    let mut guards: Vec<InFlight> = Vec::new();
    for _ in 0..1000 {
        guards.push(InFlight::begin(fixture.load(pick(&balancer))));
    }
    assert!((0..10).all(|member| fixture.load(member).in_flight() == 100));
}

#[test]
fn a_large_pool_stays_nearly_level() {
    fast_random::seed(5);
    let fixture = least(&[1; 1000]);
    let balancer = fixture.balancer();
    let guards: Vec<InFlight> = (0..20_000).map(|_| InFlight::begin(fixture.load(pick(&balancer)))).collect();
    let most = (0..1000).map(|member| fixture.load(member).in_flight()).max().unwrap();
    // Two choices stay within ln ln n / ln 2 + O(1) of the mean of 20; one choice reaches about 35.
    assert!(most <= 25, "{most}");
    drop(guards);
    assert!((0..1000).all(|member| fixture.load(member).in_flight() == 0));
}

#[test]
fn a_large_pool_with_one_left_finds_it() {
    let balancer = least(&[1; 100]).balancer();
    let tried: Vec<u32> = (0..100).filter(|member| *member != 77).collect();
    assert_eq!(pick_untried(&balancer, &tried), 77);
}

#[test]
fn a_large_pool_gives_nothing_to_weight_0() {
    let mut weights = [1; 40];
    weights[0] = 0;
    let balancer = least(&weights).balancer();
    assert_eq!(count(40, 10_000, || pick(&balancer))[0], 0);
}
