//! Exactness and evenness of the order of slots.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_sign_loss, clippy::cast_possible_wrap)]

use proptest::prelude::*;

use super::Weights;

/// Checks that any 100 consecutive slots match the weights, and that no member is ever a whole slot ahead or behind.
fn assert_exact_and_even(weights: &[u32]) {
    let order = Weights::new(weights.to_vec()).order();
    let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
    let members = weights.iter().filter(|weight| **weight > 0).count() as i64;
    assert_eq!(100 % order.len(), 0, "{weights:?}: {} slots do not repeat within 100", order.len());
    let mut counts = vec![0_i64; weights.len()];
    for slot in 1..=100_i64 {
        counts[order[(slot as usize - 1) % order.len()]] += 1;
        for (count, weight) in counts.iter().zip(weights) {
            // |count - slot · weight / total| ≤ 1 - 1/(2n - 2), in whole numbers.
            let deviation = (count * total - slot * i64::from(*weight)).abs();
            let bound = (2 * members - 2).max(1);
            assert!(deviation * bound <= total * (bound - 1).max(0), "{weights:?}: {counts:?} after {slot} slots");
        }
    }
    let counts: Vec<u32> = counts.iter().map(|count| *count as u32).collect();
    assert_eq!(counts, weights);
}

#[test]
fn every_split_between_two_is_exact_and_even() {
    for first in 0..=100 {
        assert_exact_and_even(&[first, 100 - first]);
    }
}

#[test]
fn every_split_among_three_is_exact_and_even() {
    for first in 0..=100 {
        for second in 0..=100 - first {
            assert_exact_and_even(&[first, second, 100 - first - second]);
        }
    }
}

#[test]
fn a_hundred_members_of_one_percent_take_turns() {
    assert_exact_and_even(&[1; 100]);
}

#[test]
fn weights_that_do_not_add_up_to_100_become_equal_shares_above_0() {
    assert_eq!(Weights::new(vec![90, 0, 20]).order(), [0, 2]);
    assert_eq!(Weights::new(vec![7; 1000]).order(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_dozen_percent_is_spread_over_the_hundred() {
    let order = Weights::new(vec![90, 10]).order();
    assert_eq!(order.len(), 10);
    let order = Weights::new(vec![99, 1]).order();
    assert_eq!(order.iter().filter(|member| **member == 1).count(), 1);
}

/// Weights of 4 to 40 members that add up to 100, some of them 0: the gaps between sorted cuts.
fn splits() -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(0..=100_u32, 3..40).prop_map(|mut cuts| {
        cuts.extend([0, 100]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    })
}

proptest! {
    #[test]
    fn every_split_is_exact_and_even(weights in splits()) {
        assert_exact_and_even(&weights);
    }
}
