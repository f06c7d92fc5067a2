//! Targets with several addresses: their endpoints share what is the Target's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use sluicegate_table::{Affinity, Algorithm};

use crate::endpoint::{InFlight, places};
use crate::pick::fixture::{Client, Fixture, count, is_likely, pick, pick_untried};
use crate::pick::states::State;
use crate::pick::{Balancer, MemberIndex, NoUsableTarget};

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RoundRobin,
    Algorithm::WeightedRoundRobin,
    Algorithm::LeastConnections,
    Algorithm::Random,
    Algorithm::LeastLatency,
];

/// A level of Targets with these weights and numbers of addresses.
fn level(algorithm: Algorithm, targets: &[(u8, u8)]) -> Fixture {
    let weights: Vec<u8> = targets.iter().map(|(weight, _)| *weight).collect();
    let mut fixture = Fixture::new(algorithm, &weights);
    for (at, (_, addresses)) in targets.iter().enumerate() {
        fixture.addresses(at, 1..=*addresses);
    }
    fixture
}

/// For each member of the balancer its Target's position.
fn owners(fixture: &Fixture) -> Vec<usize> {
    let of = |(at, target): (usize, _)| places(Option::as_ref(target)).map(move |_| at).collect::<Vec<_>>();
    fixture.targets.iter().enumerate().flat_map(of).collect()
}

/// For each Target, what each of its endpoints got.
fn by_target(fixture: &Fixture, counts: &[usize]) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); fixture.targets.len()];
    for (owner, count) in owners(fixture).into_iter().zip(counts) {
        found[owner].push(*count);
    }
    found
}

fn is_even(counts: &[usize]) -> bool {
    counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
}

/// Two to four Targets whose weights add up to 100, with one to six addresses each.
fn targets() -> impl Strategy<Value = Vec<(u8, u8)>> {
    let cuts = proptest::collection::vec((1..100_u8, 1..=6_u8), 1..4);
    (cuts, 1..=6_u8).prop_map(|(mut cuts, last)| {
        cuts.sort_unstable();
        cuts.dedup_by_key(|(cut, _)| *cut);
        cuts.push((100, last));
        let mut before = 0;
        let weight = |(cut, addresses)| (cut - std::mem::replace(&mut before, cut), addresses);
        cuts.into_iter().map(weight).collect()
    })
}

proptest! {
    #[test]
    fn any_hundred_requests_match_the_weights_of_targets_and_are_even_within_each(
        targets in targets(),
        skip in 0..1000_usize,
    ) {
        let fixture = level(Algorithm::WeightedRoundRobin, &targets);
        let balancer = fixture.balancer();
        for _ in 0..skip {
            pick(&balancer);
        }
        let counts = count(owners(&fixture).len(), 100, || pick(&balancer));
        for ((weight, _), counts) in targets.iter().zip(by_target(&fixture, &counts)) {
            prop_assert_eq!(counts.iter().sum::<usize>(), usize::from(*weight));
            prop_assert!(is_even(&counts), "{:?}", counts);
        }
    }

    /// Whoever is not free, its Target's other endpoints stand in for it: the shares of Targets stay exact.
    #[test]
    fn endpoints_stand_in_within_their_target(targets in targets(), tried in any::<proptest::sample::Index>()) {
        for algorithm in [Algorithm::WeightedRoundRobin, Algorithm::RoundRobin] {
            let fixture = level(algorithm, &targets);
            let owners = owners(&fixture);
            let tried = tried.index(owners.len());
            prop_assume!(targets[owners[tried]].1 > 1);
            let balancer = fixture.balancer();
            let turns = 100 * targets.len();
            let counts = count(owners.len(), turns, || pick_untried(&balancer, &[tried as u32]));
            prop_assert_eq!(counts[tried], 0);
            for ((weight, _), counts) in targets.iter().zip(by_target(&fixture, &counts)) {
                let share = if algorithm == Algorithm::RoundRobin { 100 } else { usize::from(*weight) * targets.len() };
                prop_assert_eq!(counts.iter().sum::<usize>(), share);
            }
        }
    }

    /// Pods come and go, the shares of Targets do not notice.
    #[test]
    fn a_change_of_addresses_goes_on_with_the_sequence(targets in targets(), now in 1..=6_u8, at in 0..100_usize) {
        let mut fixture = level(Algorithm::WeightedRoundRobin, &targets);
        let before = fixture.balancer();
        let first = count(owners(&fixture).len(), at, || pick(&before));
        let first = by_target(&fixture, &first);
        fixture.addresses(0, 1..=now);
        let after = Balancer::new(&fixture.pool, &fixture.targets, Some(&before));
        let second = count(owners(&fixture).len(), 100 - at, || pick(&after));
        for ((weight, _), (first, second)) in targets.iter().zip(first.iter().zip(by_target(&fixture, &second))) {
            let sum = first.iter().chain(&second).sum::<usize>();
            prop_assert_eq!(sum, usize::from(*weight));
        }
    }
}

#[test]
fn targets_take_turns_and_their_endpoints_within() {
    let mut fixture = level(Algorithm::RoundRobin, &[(1, 2), (1, 1), (1, 0)]);
    let balancer = fixture.balancer();
    let picks: Vec<usize> = (0..8).map(|_| pick(&balancer)).collect();
    assert_eq!(picks, [0, 2, 1, 2, 0, 2, 1, 2]);
    // A single Target's endpoints take turns, too.
    fixture.addresses(1, []);
    let balancer = fixture.balancer();
    assert_eq!([0; 4].map(|_| pick(&balancer)), [0, 1, 0, 1]);
}

#[test]
fn a_target_draws_its_weight_however_many_its_endpoints() {
    let fixture = level(Algorithm::Random, &[(50, 3), (30, 1), (20, 7)]);
    let balancer = fixture.balancer();
    let counts = count(11, 20_000, || pick(&balancer));
    for (counts, share) in by_target(&fixture, &counts).iter().zip([0.5, 0.3, 0.2]) {
        assert!(is_likely(counts.iter().sum(), 20_000, share), "{counts:?}");
        let each = share / counts.len() as f64;
        assert!(counts.iter().all(|count| is_likely(*count, 20_000, each)), "{counts:?}");
    }
    // Drawn among those left.
    let counts = count(11, 20_000, || pick_untried(&balancer, &[0, 1, 3]));
    let left = [50.0 / 3.0, 20.0];
    assert!(is_likely(counts[2], 20_000, left[0] / (left[0] + left[1])), "{counts:?}");
}

#[test]
fn the_least_is_found_among_endpoints_by_their_part_of_the_weight() {
    let fixture = level(Algorithm::LeastConnections, &[(50, 1), (50, 2)]);
    let balancer = fixture.balancer();
    let endpoints: Vec<_> = fixture.targets.iter().flatten().flat_map(|target| &target.endpoints).collect();
    let busy = |member: usize, requests: usize| -> Vec<InFlight> {
        (0..requests).map(|_| InFlight::begin(&endpoints[member].load)).collect()
    };
    // 3 ÷ 50 is less than 2 ÷ 25; 1 ÷ 25 is less than 3 ÷ 50.
    let mut held = (busy(0, 3), busy(1, 2), busy(2, 2));
    assert_eq!(pick(&balancer), 0);
    held.2.pop();
    assert_eq!(pick(&balancer), 2);
}

#[test]
fn without_an_address_the_next_level_is_used_and_then_nothing() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(algorithm, &[100]).level(2, &[100]);
        fixture.addresses(0, []);
        let balancer = fixture.balancer();
        assert_eq!(balancer.members[0].state, State::NoAddress);
        assert_eq!(pick(&balancer), 1);
        fixture.addresses(1, []);
        assert_eq!(fixture.balancer().pick(&Client::default().view(), &[]), Err(NoUsableTarget::None));
        // And back.
        fixture.addresses(0, [7]);
        assert_eq!(pick(&fixture.balancer()), 0);
    }
}

#[test]
fn an_attempt_goes_to_every_endpoint_once() {
    for algorithm in ALGORITHMS {
        let balancer = level(algorithm, &[(70, 3), (30, 2)]).balancer();
        let mut tried: Vec<MemberIndex> = Vec::new();
        while let Ok(picked) = balancer.pick(&Client::default().view(), &tried) {
            assert!(!tried.contains(&picked.member), "{algorithm:?} repeats {:?}", picked.member);
            tried.push(picked.member);
        }
        assert_eq!(tried.len(), 5, "{algorithm:?}");
    }
}

/// The address of the Target that each of 500 sessions goes to.
fn homes(fixture: &Fixture) -> Vec<(usize, u8)> {
    let addresses: Vec<(usize, u8)> = fixture
        .targets
        .iter()
        .enumerate()
        .flat_map(|(at, target)| places(target.as_ref()).map(move |endpoint| (at, endpoint)))
        .map(|(at, endpoint)| match endpoint.and_then(|endpoint| endpoint.address).map(|address| address.ip()) {
            Some(std::net::IpAddr::V4(address)) => (at, address.octets()[3]),
            _ => (at, 0),
        })
        .collect();
    let balancer = fixture.balancer();
    let session = |number: u32| Client::with_header("x-session", &format!("session-{number}")).pick(&balancer);
    (0..500).map(|number| addresses[session(number)]).collect()
}

#[test]
fn what_belongs_together_stays_with_its_endpoint() {
    let mut fixture =
        level(Algorithm::RoundRobin, &[(60, 4), (40, 2)]).affinity(Affinity::Header { name: "x-session".into() });
    let before = homes(&fixture);
    assert_eq!(homes(&fixture), before);
    for home in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2)] {
        assert!(before.contains(&home), "{home:?} has no session");
    }
    // One leaves: its sessions are spread over the rest of its Target, all others stay. Then it is back.
    fixture.addresses(0, [1, 2, 4]);
    let during = homes(&fixture);
    for (before, during) in before.iter().zip(&during) {
        assert!(before == during || (*before == (0, 3) && during.0 == 0), "{before:?} {during:?}");
    }
    fixture.addresses(0, 1..=4);
    assert_eq!(homes(&fixture), before);
    // All leave: what was there goes to the other Target.
    fixture.addresses(0, []);
    assert!(before.iter().zip(homes(&fixture)).all(|(before, now)| now.0 == 1 && (before.0 == 0 || *before == now)));
}

#[test]
fn a_session_passes_over_an_endpoint_that_it_has_tried() {
    let fixture = level(Algorithm::RoundRobin, &[(50, 2), (50, 2)]).affinity(Affinity::ClientIp);
    let balancer = fixture.balancer();
    let client = Client::at([192, 0, 2, 9]);
    let first = balancer.pick(&client.view(), &[]).unwrap().member;
    let second = balancer.pick(&client.view(), &[first]).unwrap().member;
    assert_ne!(first, second);
    assert_eq!(first.0 / 2, second.0 / 2, "the other endpoint of the same Target");
    let third = balancer.pick(&client.view(), &[first, second]).unwrap().member;
    assert_ne!(third.0 / 2, first.0 / 2);
}

#[test]
fn cookies_name_endpoints() {
    let mut fixture =
        level(Algorithm::RoundRobin, &[(50, 3), (50, 1)]).affinity(Affinity::Cookie { name: "sg".into(), ttl: None });
    let mut clients: Vec<Client> = (0..8).map(|_| Client::default()).collect();
    let balancer = fixture.balancer();
    let homes: Vec<usize> = clients.iter_mut().map(|client| client.pick(&balancer)).collect();
    assert!((0..4).all(|member| homes.contains(&member)));
    assert_eq!(clients.iter_mut().map(|client| client.pick(&balancer)).collect::<Vec<_>>(), homes);
    fixture.addresses(0, [1, 3]);
    let balancer = fixture.balancer();
    for (client, home) in clients.iter_mut().zip(homes) {
        let now = client.pick(&balancer);
        match home {
            0 => assert_eq!(now, 0),
            2 => assert_eq!(now, 1),
            3 => assert_eq!(now, 2),
            _ => assert_eq!(client.pick(&balancer), now, "the one that moved has a new cookie"),
        }
    }
}

#[test]
fn explain_names_the_address() {
    let fixture = level(Algorithm::LeastConnections, &[(50, 2), (50, 0)]);
    let explained = fixture.balancer().explain(&Client::default().view());
    assert_eq!(
        explained.to_string(),
        "LeastConnections picks default/t0 10.0.0.1:80: its score is the least, shared with others, and ties go by turn\n\
         > default/t0 10.0.0.1:80  priority 1  weight  50  usable, 0 in flight, score 0.000000\n\
         \x20 default/t0 10.0.0.2:80  priority 1  weight  50  usable, 0 in flight, score 0.000000\n\
         \x20 default/t1              priority 1  weight  50  no ready address\n"
    );
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["address"], "10.0.0.1:80");
    assert_eq!(json["candidates"][1]["address"], "10.0.0.2:80");
    assert_eq!(json["candidates"][2]["state"], "NoAddress");
}
