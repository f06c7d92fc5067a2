//! Exact shares, whatever happens to sequence and members.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use sluicegate_table::{Algorithm, TargetState, Weight};

use crate::pick::Balancer;
use crate::pick::fixture::{Fixture, count, is_likely, pick, pick_untried, splits};
use crate::pick::{Run, fast_random};

fn weighted(weights: &[u8]) -> Fixture {
    Fixture::new(Algorithm::WeightedRoundRobin, weights)
}

fn shares(weights: &[u8]) -> Vec<usize> {
    weights.iter().map(|weight| usize::from(*weight)).collect()
}

#[test]
fn every_split_between_two_is_exact_from_any_request_on() {
    for first in 0..=100 {
        let weights = [first, 100 - first];
        let balancer = weighted(&weights).balancer();
        // Windows that begin at every phase of the hundred.
        for _ in 0..101 {
            assert_eq!(count(2, 100, || pick(&balancer)), shares(&weights));
            pick(&balancer);
        }
    }
}

proptest! {
    #[test]
    fn every_split_is_exact_from_any_request_on(weights in splits(), skip in 0..1000_usize) {
        let balancer = weighted(&weights).balancer();
        for _ in 0..skip {
            pick(&balancer);
        }
        for _ in 0..3 {
            prop_assert_eq!(count(weights.len(), 100, || pick(&balancer)), shares(&weights));
        }
    }

    /// What falls on the slots of those that are out goes to the others; those keep their own.
    #[test]
    fn members_keep_their_slots_when_others_are_out(weights in splits(), out in 0..40_usize) {
        let mut fixture = weighted(&weights);
        let out = out % weights.len();
        prop_assume!(weights[out] < 100);
        let all = fixture.balancer();
        fixture.state(out, TargetState::Disabled);
        let rest = fixture.balancer();
        for _ in 0..100 {
            let (with, without) = (pick(&all), pick(&rest));
            prop_assert_ne!(without, out);
            prop_assert!(with == out || with == without);
        }
    }
}

#[test]
fn slots_of_members_that_are_out_are_drawn_by_weight() {
    fast_random::seed(1);
    let mut fixture = weighted(&[50, 30, 20]);
    fixture.state(0, TargetState::Draining);
    let balancer = fixture.balancer();
    let counts = count(3, 100_000, || pick(&balancer));
    // Half of the slots are their own and exact, the other half are drawn 30 to 20.
    assert_eq!(counts[0], 0);
    assert!(is_likely(counts[1] - 30_000, 50_000, 0.6), "{counts:?}");
    let counts = count(3, 100_000, || pick_untried(&balancer, &[0, 1]));
    assert_eq!(counts, [0, 0, 100_000]);
}

#[test]
fn eight_threads_share_one_exact_sequence() {
    let weights = [61, 28, 11, 0];
    let balancer = weighted(&weights).balancer();
    let counts: [AtomicUsize; 4] = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    counts[pick(&balancer)].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let expected = shares(&weights).into_iter().map(|share| share * 8 * 5000 / 100).collect::<Vec<_>>();
    assert_eq!(counts.map(AtomicUsize::into_inner).as_slice(), expected);
}

#[test]
fn an_edit_goes_on_with_the_sequence() {
    let mut fixture = weighted(&[70, 30]);
    let first = fixture.balancer();
    let mut counts = count(2, 37, || pick(&first));
    // Another edit of the same pool: the hundred that is under way is completed exactly, even by workers that still pick
    // from the version before.
    let second = Balancer::new(&fixture.pool, &fixture.targets, Some(&first));
    for picks in [count(2, 21, || pick(&second)), count(2, 2, || pick(&first)), count(2, 40, || pick(&second))] {
        counts = counts.iter().zip(picks).map(|(sum, count)| sum + count).collect();
    }
    assert_eq!(counts, [70, 30]);
    // New weights: exact from the first request on.
    fixture.pool.levels[0].members[0].weight = Weight::try_from(5).unwrap();
    fixture.pool.levels[0].members[1].weight = Weight::try_from(95).unwrap();
    let third = Balancer::new(&fixture.pool, &fixture.targets, Some(&second));
    assert_eq!(third.sequence(1).unwrap().turn(Run::Dry), 100);
    assert_eq!(count(2, 100, || pick(&third)), [5, 95]);
}

#[test]
fn a_level_that_was_out_of_use_goes_on_with_its_sequence() {
    let mut fixture = weighted(&[50, 50]);
    let first = fixture.balancer();
    pick(&first);
    fixture.state(0, TargetState::Disabled);
    fixture.state(1, TargetState::Disabled);
    let second = Balancer::new(&fixture.pool, &fixture.targets, Some(&first));
    fixture.state(0, TargetState::Enabled);
    fixture.state(1, TargetState::Enabled);
    let third = Balancer::new(&fixture.pool, &fixture.targets, Some(&second));
    assert_eq!(third.sequence(1).unwrap().turn(Run::Dry), 1);
}

#[test]
fn weights_that_do_not_add_up_to_100_are_equal_shares() {
    let balancer = weighted(&[90, 0, 20, 5]).balancer();
    assert_eq!(count(4, 99, || pick(&balancer)), [33, 0, 33, 33]);
}
