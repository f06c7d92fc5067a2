//! Affinity by header, address and conversation, among members that come and go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::Ipv4Addr;

use http::HeaderMap;
use sluicegate_table::{Affinity, Algorithm, TargetState};

use crate::pick::fixture::{Client, Fixture, pick, pick_untried};
use crate::pick::{Balancer, MemberIndex};
use crate::request::BodyFacts;

const CLIENTS: u32 = 500;

fn by_header(weights: &[u8]) -> Fixture {
    Fixture::new(Algorithm::RoundRobin, weights).affinity(Affinity::Header { name: "x-session".into() })
}

fn session(number: u32) -> Client {
    Client::with_header("x-session", &format!("session-{number}"))
}

/// Where each session goes.
fn homes(balancer: &Balancer) -> Vec<usize> {
    (0..CLIENTS).map(|number| session(number).pick(balancer)).collect()
}

#[test]
fn a_header_value_goes_to_the_same_target_on_every_proxy() {
    let (one, other) = (by_header(&[50, 30, 20]).balancer(), by_header(&[50, 30, 20]).balancer());
    let first = homes(&one);
    assert_eq!(homes(&one), first);
    assert_eq!(homes(&other), first);
    assert!((0..3).all(|member| first.contains(&member)));
}

#[test]
fn without_the_header_the_algorithm_decides() {
    let balancer = by_header(&[1; 3]).balancer();
    let mut empty = Client::with_header("x-session", "");
    let picks = [pick(&balancer), empty.pick(&balancer), pick(&balancer), pick(&balancer)];
    assert_eq!(picks, [0, 1, 2, 0]);
}

#[test]
fn only_clients_of_a_member_that_drains_move_and_they_come_back() {
    for state in [TargetState::Draining, TargetState::Disabled] {
        let mut fixture = by_header(&[25; 4]);
        let before = homes(&fixture.balancer());
        fixture.state(2, state);
        let during = homes(&fixture.balancer());
        for (before, during) in before.iter().zip(&during) {
            assert_ne!(*during, 2);
            assert!(*before == 2 || before == during);
        }
        // Those that moved are spread over all the others.
        for member in [0, 1, 3] {
            assert!(before.iter().zip(&during).any(|(before, during)| *before == 2 && *during == member));
        }
        fixture.state(2, TargetState::Enabled);
        assert_eq!(homes(&fixture.balancer()), before);
    }
}

#[test]
fn a_second_attempt_goes_where_the_request_would_without_the_first() {
    let mut fixture = by_header(&[25; 4]);
    let all = fixture.balancer();
    fixture.state(1, TargetState::Disabled);
    let without = fixture.balancer();
    for number in 0..CLIENTS {
        let client = session(number);
        let second = all.pick(&client.view(), &[MemberIndex(1)]).unwrap();
        assert_eq!(second, without.pick(&client.view(), &[]).unwrap());
    }
}

#[test]
fn weight_0_gets_no_affine_client() {
    assert!(!homes(&by_header(&[50, 0, 50]).balancer()).contains(&1));
}

#[test]
fn affinity_stays_within_the_level_in_use() {
    let mut fixture = by_header(&[50, 50]).level(2, &[50, 50]);
    let before = homes(&fixture.balancer());
    assert!(before.iter().all(|member| *member < 2));
    fixture.state(0, TargetState::Disabled);
    fixture.state(1, TargetState::Disabled);
    let during = homes(&fixture.balancer());
    assert!(during.contains(&2) && during.contains(&3) && during.iter().all(|member| *member >= 2));
}

#[test]
fn the_client_address_decides_in_whatever_form_it_comes() {
    let balancer = Fixture::new(Algorithm::Random, &[1; 10]).affinity(Affinity::ClientIp).balancer();
    let mut seen = [false; 10];
    for number in 0..CLIENTS {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + number);
        let member = Client::at(address).pick(&balancer);
        assert_eq!(Client::at(address.to_ipv6_mapped()).pick(&balancer), member);
        seen[member] = true;
    }
    assert_eq!(seen, [true; 10]);
}

fn by_conversation(header: Option<&str>) -> Balancer {
    let affinity = Affinity::Conversation { header: header.map(Into::into) };
    Fixture::new(Algorithm::RoundRobin, &[1; 10]).affinity(affinity).balancer()
}

#[test]
fn a_conversation_is_known_by_its_header_or_else_its_first_messages() {
    let balancer = by_conversation(Some("x-conversation"));
    let named = |conversation| Client {
        body: Some(BodyFacts { conversation, ..BodyFacts::default() }),
        ..Client::with_header("x-conversation", "c1")
    };
    let home = named(None).pick(&balancer);
    assert_eq!(named(Some(1)).pick(&balancer), home);
    assert_eq!(named(Some(2)).pick(&balancer), home);

    let unnamed = |conversation| Client { headers: HeaderMap::default(), ..named(conversation) };
    let homes: Vec<usize> = (0..100).map(|conversation| unnamed(Some(conversation)).pick(&balancer)).collect();
    let again: Vec<usize> = (0..100).map(|conversation| unnamed(Some(conversation)).pick(&balancer)).collect();
    assert_eq!(homes, again);
    assert!((0..10).all(|member| homes.contains(&member)));
    // Neither: turns.
    let first = unnamed(None).pick(&balancer);
    assert_eq!(unnamed(None).pick(&balancer), (first + 1) % 10);
}

#[test]
fn a_body_is_needed_only_where_nothing_else_tells() {
    let balancer = by_conversation(Some("x-conversation"));
    let with_body = Client { content_length: Some(10), ..Client::default() };
    assert!(balancer.needs_body(&with_body.view()));
    assert!(balancer.needs_body(&Client { content_length: None, ..with_body.clone() }.view()));
    assert!(!balancer.needs_body(&Client { content_length: Some(0), ..with_body.clone() }.view()));
    assert!(!balancer.needs_body(&Client { body: Some(BodyFacts::default()), ..with_body.clone() }.view()));
    let named = Client { content_length: None, ..Client::with_header("x-conversation", "c1") };
    assert!(!balancer.needs_body(&named.view()));
    assert!(by_conversation(None).needs_body(&named.view()));
    assert!(!by_header(&[50, 50]).balancer().needs_body(&with_body.view()));
    // With one member there is nothing to decide.
    let single = Fixture::new(Algorithm::RoundRobin, &[100]).affinity(Affinity::Conversation { header: None });
    assert!(!single.balancer().needs_body(&with_body.view()));
}

#[test]
fn nothing_is_left_when_all_were_tried() {
    let balancer = by_header(&[50, 50]).balancer();
    assert!(balancer.pick(&session(1).view(), &[MemberIndex(0), MemberIndex(1)]).is_err());
    assert_eq!(pick_untried(&balancer, &[0]), 1);
}
