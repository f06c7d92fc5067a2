//! Shares on the ring and how little moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use sluicegate_table::ObjectKey;
use xxhash_rust::xxh3::xxh3_64;

use super::{POINTS, Ring};
use crate::endpoint::Load;
use crate::health::EndpointHealth;
use crate::pick::MemberIndex;
use crate::pick::affinity::endpoint_id;
use crate::pick::candidates::{Candidate, Candidates, Lot, Pass};

const KEYS: u32 = 4000;

/// A member by its number, with its weight.
type Member = (u32, u32);

fn ring(members: &[Member]) -> Ring {
    let greatest = members.iter().map(|(_, weight)| *weight).max().unwrap();
    let entry = |(position, (number, weight)): (usize, &Member)| {
        (endpoint_id(&ObjectKey::new("default", format!("target-{number}")), None), *weight, position as u32)
    };
    Ring::new(members.iter().enumerate().map(entry), greatest)
}

fn free<'a>(among: &'a Candidates<'a>) -> impl Fn(usize) -> Option<usize> + 'a {
    |position| among.free(position).then_some(position)
}

/// The number of the member that each key belongs to.
fn homes(members: &[Member], tried: &[MemberIndex]) -> Vec<u32> {
    let candidates: Vec<Candidate> = members
        .iter()
        .enumerate()
        .map(|(at, (_, weight))| Candidate {
            load: Arc::new(Load::default()),
            health: EndpointHealth::new(&Arc::default()),
            check: None,
            member: MemberIndex(at as u32),
            weight: *weight as f32,
        })
        .collect();
    let ring = ring(members);
    let among = Candidates { all: &candidates, tried, now: Instant::now(), pass: Pass::Usable, lot: Lot::Always };
    (0..KEYS).map(|key| members[ring.find(xxh3_64(&key.to_le_bytes()), free(&among)).unwrap()].0).collect()
}

fn equal(count: u32) -> Vec<Member> {
    (0..count).map(|number| (number, 1)).collect()
}

#[test]
fn shares_follow_the_weights() {
    for members in [equal(3), equal(30), vec![(0, 70), (1, 20), (2, 10)], vec![(0, 50), (1, 49), (2, 1)]] {
        let total: u32 = members.iter().map(|(_, weight)| weight).sum();
        let homes = homes(&members, &[]);
        for (number, weight) in &members {
            let share = homes.iter().filter(|home| *home == number).count() as f64 / f64::from(KEYS);
            let expected = f64::from(*weight) / f64::from(total);
            // The ring is uneven by about 1/√points, the sample by about 1/√keys.
            let greatest = members.iter().map(|(_, weight)| *weight).max().unwrap();
            let points = f64::from((POINTS * weight).div_ceil(greatest));
            let tolerance = 4.0 * expected * (1.0 / points + 1.0 / (f64::from(KEYS) * expected)).sqrt();
            assert!((share - expected).abs() < tolerance, "{members:?}: {number} has {share}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// When a member leaves, exactly its own keys move, and they are spread over the others.
    #[test]
    fn only_the_keys_of_a_leaver_move(count in 2..60_u32, leaver in 0..60_u32) {
        let leaver = leaver % count;
        let members = equal(count);
        let rest: Vec<Member> = members.iter().copied().filter(|(number, _)| *number != leaver).collect();
        let (before, after) = (homes(&members, &[]), homes(&rest, &[]));
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(*before == leaver || before == after);
        }
        // To pass over it gives the same as to take it out.
        prop_assert_eq!(homes(&members, &[MemberIndex(leaver)]), after);
    }
}

/// When a member joins, keys move to it only, and no more than its share, with some tolerance.
#[test]
fn a_joiner_takes_its_share_and_nothing_else_moves() {
    let mut before = homes(&equal(1), &[]);
    for count in 1..40_u32 {
        let after = homes(&equal(count + 1), &[]);
        let moved: Vec<u32> =
            before.iter().zip(&after).filter(|(before, after)| before != after).map(|(_, after)| *after).collect();
        assert!(moved.iter().all(|after| *after == count));
        let share = f64::from(KEYS) / f64::from(count + 1);
        assert!(
            (moved.len() as f64) < share * 1.2 + 3.0 * share.sqrt(),
            "{} of {KEYS} to one of {}",
            moved.len(),
            count + 1
        );
        before = after;
    }
}

/// When weights change, about as many keys move as shares do.
#[test]
fn a_change_of_weights_moves_about_what_it_must() {
    let splits: Vec<(u32, Vec<u32>)> =
        (5..=95).step_by(5).map(|first| (first, homes(&[(0, first), (1, 100 - first)], &[]))).collect();
    for (first, before) in &splits {
        for (second, after) in &splits {
            let moved = before.iter().zip(after).filter(|(before, after)| before != after).count() as f64;
            let must = f64::from(first.abs_diff(*second)) / 100.0;
            assert!(moved / f64::from(KEYS) <= must + 0.09, "from {first} to {second} percent: {moved} of {KEYS}");
        }
    }
}

/// Weights are percentages, so who joins changes all of them a little.
#[test]
fn joining_by_percentages_moves_about_a_share() {
    let before = homes(&[(0, 50), (1, 50)], &[]);
    let after = homes(&[(0, 34), (1, 33), (2, 33)], &[]);
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count() as f64;
    assert!(moved / f64::from(KEYS) < 0.33 + 0.06, "{moved} of {KEYS}");
}

#[test]
fn the_whole_ring_is_covered() {
    let members = equal(2);
    let ring = ring(&members);
    let candidates: Vec<Candidate> = (0..2)
        .map(|at| Candidate {
            load: Arc::new(Load::default()),
            health: EndpointHealth::new(&Arc::default()),
            check: None,
            member: MemberIndex(at),
            weight: 1.0,
        })
        .collect();
    let among = Candidates { all: &candidates, tried: &[], now: Instant::now(), pass: Pass::Usable, lot: Lot::Always };
    assert!((0..100_000_u64).all(|key| ring.find(key, free(&among)).is_some()));
    assert!(ring.points.is_sorted_by_key(|point| point.hash));
    assert_eq!(ring.points.len(), 2 * POINTS as usize);
    let all_tried = Candidates { tried: &[MemberIndex(0), MemberIndex(1)], ..among };
    assert_eq!(ring.find(1, free(&all_tried)), None);
    let empty = Ring::new(std::iter::empty(), 0);
    assert_eq!(empty.find(1, free(&Candidates { all: &[], ..among })), None);
}
