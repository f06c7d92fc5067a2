//! Draws.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use sluicegate_table::Algorithm;

use crate::pick::fast_random;
use crate::pick::fixture::{Fixture, count, is_likely, pick, pick_untried, splits};

const DRAWS: usize = 20_000;

#[test]
fn equal_weights_are_drawn_equally_often() {
    fast_random::seed(2);
    let balancer = Fixture::new(Algorithm::Random, &[1; 7]).balancer();
    let counts = count(7, DRAWS, || pick(&balancer));
    assert!(counts.iter().all(|count| is_likely(*count, DRAWS, 1.0 / 7.0)), "{counts:?}");
}

#[test]
fn draws_are_independent() {
    fast_random::seed(3);
    let balancer = Fixture::new(Algorithm::Random, &[50, 50]).balancer();
    let picks: Vec<usize> = (0..DRAWS).map(|_| pick(&balancer)).collect();
    for distance in 1..8 {
        let same = picks.iter().zip(&picks[distance..]).filter(|(early, late)| early == late).count();
        assert!(is_likely(same, DRAWS - distance, 0.5), "{same} of {DRAWS} at distance {distance}");
    }
}

#[test]
fn every_thread_draws_differently() {
    let balancer = Fixture::new(Algorithm::Random, &[1; 10]).balancer();
    let draw = || (0..40).map(|_| pick(&balancer)).collect::<Vec<_>>();
    let (left, right) = std::thread::scope(|scope| {
        let (left, right) = (scope.spawn(draw), scope.spawn(draw));
        (left.join().unwrap(), right.join().unwrap())
    });
    assert_ne!(left, right);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn draws_follow_the_weights(weights in splits(), seed in 1..u64::MAX) {
        fast_random::seed(seed);
        let balancer = Fixture::new(Algorithm::Random, &weights).balancer();
        let counts = count(weights.len(), DRAWS, || pick(&balancer));
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert!(is_likely(*count, DRAWS, f64::from(*weight) / 100.0), "{:?}: {:?}", weights, counts);
        }
    }

    /// Also where so few are left that draws give way to adding up.
    #[test]
    fn among_those_left_draws_follow_their_weights(weights in splits(), left in 1..40_usize, seed in 1..u64::MAX) {
        let left: Vec<usize> = (0..weights.len()).filter(|member| weights[*member] > 0).take(left).collect();
        let tried: Vec<u32> = (0..weights.len() as u32).filter(|member| !left.contains(&(*member as usize))).collect();
        let total: f64 = left.iter().map(|member| f64::from(weights[*member])).sum();
        fast_random::seed(seed);
        let balancer = Fixture::new(Algorithm::Random, &weights).balancer();
        let counts = count(weights.len(), DRAWS, || pick_untried(&balancer, &tried));
        for (member, count) in counts.iter().enumerate() {
            let share = if left.contains(&member) { f64::from(weights[member]) / total } else { 0.0 };
            prop_assert!(is_likely(*count, DRAWS, share), "{:?} {:?}: {:?}", weights, left, counts);
        }
    }
}
