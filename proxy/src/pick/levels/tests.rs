//! Levels, states and what was tried.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use sluicegate_table::{Algorithm, Credential, SecretText, TargetState, TrustRoots};

use crate::pick::fixture::{Client, Fixture, count, pick, pick_untried};
use crate::pick::states::State;
use crate::pick::{Balancer, MemberIndex, NoUsableTarget, Picked};

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RoundRobin,
    Algorithm::WeightedRoundRobin,
    Algorithm::LeastConnections,
    Algorithm::Random,
    Algorithm::LeastLatency,
];

fn try_pick(balancer: &Balancer, tried: &[MemberIndex]) -> Result<Picked, NoUsableTarget> {
    balancer.pick(&Client::default().view(), tried)
}

#[test]
fn the_first_level_with_a_usable_member_is_used() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(algorithm, &[50, 50]).level(2, &[50, 50]).level(7, &[100]);
        assert_eq!(count(5, 50, || pick(&fixture.balancer())).iter().skip(2).sum::<usize>(), 0);
        fixture.state(0, TargetState::Draining);
        assert_eq!(count(5, 50, || pick(&fixture.balancer())), [0, 50, 0, 0, 0]);
        fixture.state(1, TargetState::Disabled);
        let counts = count(5, 50, || pick(&fixture.balancer()));
        assert_eq!(counts[2] + counts[3], 50, "{algorithm:?}: {counts:?}");
        fixture.state(0, TargetState::Enabled);
        assert_eq!(pick(&fixture.balancer()), 0);
    }
}

#[test]
fn an_attempt_goes_on_through_all_levels() {
    for algorithm in ALGORITHMS {
        let balancer = Fixture::new(algorithm, &[40, 40, 20, 0]).level(2, &[30, 70]).balancer();
        let mut tried = Vec::new();
        while let Ok(picked) = try_pick(&balancer, &tried) {
            assert!(!tried.contains(&picked.member), "{algorithm:?} repeats {:?}", picked.member);
            tried.push(picked.member);
        }
        let mut members: Vec<u32> = tried.iter().map(|member| member.0).collect();
        members[..3].sort_unstable();
        members[3..].sort_unstable();
        assert_eq!(members, [0, 1, 2, 4, 5], "{algorithm:?}");
    }
}

#[test]
fn weight_0_gets_nothing_even_when_it_is_the_last() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(algorithm, &[100, 0]);
        assert_eq!(count(2, 200, || pick(&fixture.balancer())), [200, 0]);
        fixture.state(0, TargetState::Disabled);
        assert_eq!(try_pick(&fixture.balancer(), &[]), Err(NoUsableTarget::None));
    }
}

#[test]
fn a_single_member_is_picked_until_tried() {
    for algorithm in ALGORITHMS {
        let balancer = Fixture::new(algorithm, &[100]).balancer();
        assert_eq!(pick(&balancer), 0);
        assert_eq!(try_pick(&balancer, &[MemberIndex(0)]), Err(NoUsableTarget::None));
    }
}

#[test]
fn members_without_endpoint_and_pools_without_members_are_no_trouble() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(algorithm, &[50, 50]);
        fixture.targets[0] = None;
        assert_eq!(pick_untried(&fixture.balancer(), &[]), 1);
        fixture.targets.clear();
        assert_eq!(try_pick(&fixture.balancer(), &[]), Err(NoUsableTarget::None));
        fixture.pool.levels.clear();
        assert_eq!(try_pick(&fixture.balancer(), &[]), Err(NoUsableTarget::None));
    }
}

#[test]
fn states_say_why() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[1; 8]);
    fixture.targets[1] = None;
    fixture.state(2, TargetState::Disabled);
    fixture.state(3, TargetState::Draining);
    let without_value = Credential { header: "authorization".into(), value: None };
    let with_value = Credential { value: Some(SecretText::new("Bearer x")), ..without_value.clone() };
    fixture.edit(4, |target| target.credential = Some(without_value));
    fixture.edit(5, |target| target.credential = Some(with_value));
    fixture.edit(6, |target| target.tls.roots = TrustRoots::Missing);
    let balancer = fixture.balancer();
    let states: Vec<State> = balancer.members.iter().map(|member| member.state).collect();
    assert_eq!(
        states,
        [
            State::Usable,
            State::TargetMissing,
            State::Disabled,
            State::Draining,
            State::CredentialMissing,
            State::Usable,
            State::TrustRootsMissing,
            State::Usable,
        ]
    );
    assert_eq!(count(8, 300, || pick(&balancer)), [100, 0, 0, 0, 0, 100, 0, 100]);
}
