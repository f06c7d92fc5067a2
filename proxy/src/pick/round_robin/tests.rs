//! Turns.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use sluicegate_table::{Algorithm, TargetState};

use crate::pick::fixture::{Fixture, count, pick, pick_untried};

#[test]
fn each_has_its_turn() {
    let balancer = Fixture::new(Algorithm::RoundRobin, &[1; 3]).balancer();
    let picks: Vec<usize> = (0..7).map(|_| pick(&balancer)).collect();
    assert_eq!(picks, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn unusable_members_leave_no_gap() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[1; 4]);
    fixture.state(1, TargetState::Draining);
    let balancer = fixture.balancer();
    let picks: Vec<usize> = (0..6).map(|_| pick(&balancer)).collect();
    assert_eq!(picks, [0, 2, 3, 0, 2, 3]);
}

#[test]
fn weight_0_has_no_turn() {
    let balancer = Fixture::new(Algorithm::RoundRobin, &[1, 0, 1]).balancer();
    assert_eq!(count(3, 10, || pick(&balancer)), [5, 0, 5]);
}

#[test]
fn second_attempts_have_turns_of_their_own() {
    let balancer = Fixture::new(Algorithm::RoundRobin, &[1; 2]).balancer();
    for _ in 0..3 {
        let first = pick(&balancer);
        assert_eq!((first, pick_untried(&balancer, &[first as u32])), (0, 1));
        let first = pick(&balancer);
        assert_eq!((first, pick_untried(&balancer, &[first as u32])), (1, 0));
    }
}

proptest! {
    /// However many are not free, the others share their turns exactly: nobody inherits a neighbour's.
    #[test]
    fn turns_of_those_not_free_are_shared_out(members in 2..12_usize, tried in proptest::collection::vec(0..12_u32, 1..6)) {
        let balancer = Fixture::new(Algorithm::RoundRobin, &vec![1; members]).balancer();
        let tried: Vec<u32> = (0..members as u32).filter(|member| tried.contains(member)).collect();
        let free = members - tried.len();
        prop_assume!(free > 0);
        let rounds = 3 * free;
        let counts = count(members, rounds * members, || pick_untried(&balancer, &tried));
        for (member, count) in counts.into_iter().enumerate() {
            prop_assert_eq!(count, if tried.contains(&(member as u32)) { 0 } else { 3 * members });
        }
    }
}
