//! How much may be ejected, and what happens when too little is left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use proptest::prelude::*;
use sluicegate_table::{ActiveCheck, Algorithm, Probe};

use super::*;
use crate::health::Outcome;
use crate::health::fixture::passive;
use crate::pick::fixture::{Fixture, answered, attempt, begin, count, pick};
use crate::pick::{Balancer, MemberIndex, NoUsableTarget};

/// One level of equal members of which so many percent may be ejected, by one failure.
fn level(members: usize, max_ejected_percent: u8) -> Fixture {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &vec![1; members]);
    fixture.pool.health_checks.passive = Some(PassiveCheck { max_ejected_percent, ..passive(1, 60) });
    fixture
}

fn ejected(fixture: &Fixture) -> Vec<usize> {
    let ejected = |member: &usize| fixture.load(*member).health().view().ejected_until.is_some();
    (0..fixture.targets.len()).filter(ejected).collect()
}

/// Fails every attempt that goes to one of these members.
fn fail(balancer: &Balancer, attempts: usize, members: &[usize]) {
    for _ in 0..attempts {
        let outcome = |member| if members.contains(&member) { Outcome::Reset } else { answered(200) };
        attempt(balancer, outcome).unwrap();
    }
}

fn active() -> ActiveCheck {
    ActiveCheck {
        probe: Probe::Tcp,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy_threshold: 1,
        unhealthy_threshold: 1,
    }
}

/// Has the active checks of a member pass, or fail.
fn check(balancer: &Balancer, member: u32, passed: bool) {
    let (_, check) = balancer.checks().find(|(at, _)| *at == MemberIndex(member)).unwrap();
    check.set(passed, tokio::time::Instant::now());
}

#[test]
fn only_a_part_of_a_level_is_ejected() {
    for (members, percent, most) in
        [(1, 50, 0), (2, 50, 1), (3, 50, 1), (3, 67, 2), (10, 35, 3), (4, 100, 4), (4, 0, 0)]
    {
        let fixture = level(members, percent);
        let balancer = fixture.balancer();
        fail(&balancer, 10 * members, &(0..members).collect::<Vec<_>>());
        assert_eq!(ejected(&fixture).len(), most, "{percent} % of {members}");
    }
}

#[test]
fn all_of_a_level_is_ejected_where_a_lower_one_is_usable() {
    let mut fixture = level(1, 50).level(2, &[50, 50]);
    let balancer = fixture.balancer();
    fail(&balancer, 1, &[0]);
    assert_eq!(ejected(&fixture), [0]);
    assert_eq!(count(3, 10, || pick(&balancer)), [0, 5, 5]);
    assert_eq!(balancer.panic(), None);
    fail(&balancer, 40, &[1, 2]);
    assert_eq!(ejected(&fixture).len(), 2, "of the last level, half");
    fixture.state(1, sluicegate_table::TargetState::Disabled);
    fixture.state(2, sluicegate_table::TargetState::Disabled);
    let balancer = fixture.balancer();
    assert_eq!((pick(&balancer), balancer.panic()), (0, Some(Panic::LastResort)));
}

#[test]
fn two_that_fail_at_once_are_not_both_ejected() {
    let fixture = level(2, 50);
    let balancer = fixture.balancer();
    std::thread::scope(|scope| {
        for member in 0..2_u32 {
            let (at, in_flight) = begin(&balancer, &[1 - member]).unwrap();
            assert_eq!(at, member as usize);
            let balancer = &balancer;
            scope.spawn(move || balancer.judge(MemberIndex(member), &in_flight, Outcome::NotConnected));
        }
    });
    assert_eq!(ejected(&fixture).len(), 1);
}

#[test]
fn a_level_with_too_few_usable_ones_uses_its_ejected_ones() {
    let mut fixture = level(4, 50);
    fixture.pool.health_checks.active = Some(active());
    let balancer = fixture.balancer();
    (0..4).for_each(|member| check(&balancer, member, true));
    fail(&balancer, 40, &[0, 1]);
    assert_eq!((ejected(&fixture).len(), balancer.panic()), (2, None));
    assert_eq!(count(4, 40, || pick(&balancer))[..2], [0, 0]);
    check(&balancer, 3, false);
    assert_eq!(balancer.panic(), Some(Panic::Level(1)));
    let counts = count(4, 300, || pick(&balancer));
    assert!(counts[..3].iter().all(|count| *count > 50) && counts[3] == 0, "{counts:?}");
    check(&balancer, 3, true);
    assert_eq!(balancer.panic(), None);
    assert_eq!(count(4, 40, || pick(&balancer))[..2], [0, 0]);
}

#[test]
fn where_nothing_is_usable_the_least_bad_is_used() {
    let mut fixture = level(2, 100).level(2, &[50, 50]);
    fixture.pool.health_checks.active = Some(active());
    let balancer = fixture.balancer();
    assert_eq!(balancer.panic(), Some(Panic::LastResort), "nothing is checked yet");
    assert_eq!(count(4, 10, || pick(&balancer)), [5, 5, 0, 0]);
    check(&balancer, 3, true);
    assert_eq!((count(4, 10, || pick(&balancer)), balancer.panic()), (vec![0, 0, 0, 10], None));
    fail(&balancer, 1, &[3]);
    assert_eq!(ejected(&fixture), [3], "all of the last level may be");
    assert_eq!(count(4, 10, || pick(&balancer)), [0, 0, 0, 10], "ejected rather than never checked");
    let (tried, _) = begin(&balancer, &[3]).unwrap();
    assert!(tried < 2, "and then the others");
}

#[test]
fn a_request_that_has_tried_all_finds_none() {
    let fixture = level(2, 50);
    let balancer = fixture.balancer();
    fail(&balancer, 2, &[0]);
    assert_eq!(ejected(&fixture), [0]);
    assert_eq!(begin(&balancer, &[1]).unwrap().0, 0, "an ejected one rather than none");
    assert!(matches!(begin(&balancer, &[0, 1]), Err(NoUsableTarget::None)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_more_than_the_allowed_part_is_ejected(
        members in 1..8_usize,
        percent in 0..=100_u8,
        attempts in proptest::collection::vec(any::<bool>(), 0..200),
    ) {
        let fixture = level(members, percent);
        let balancer = fixture.balancer();
        for bad in attempts {
            attempt(&balancer, |_| if bad { Outcome::Reset } else { answered(200) }).unwrap();
            prop_assert!(ejected(&fixture).len() * 100 <= members * usize::from(percent));
        }
    }
}
