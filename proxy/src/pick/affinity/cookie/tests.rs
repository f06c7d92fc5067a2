//! Reading and setting cookies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use sluicegate_table::{Affinity, Algorithm, ObjectKey, TargetState};

use super::{parse_id, values};
use crate::pick::MemberIndex;
use crate::pick::affinity::endpoint_id;
use crate::pick::fixture::{Client, Fixture, count};

fn fixture(weights: &[u8], ttl: Option<Duration>) -> Fixture {
    Fixture::new(Algorithm::RoundRobin, weights).affinity(Affinity::Cookie { name: "sg".into(), ttl })
}

fn with_cookie(header: &str) -> Client {
    Client::with_header("cookie", header)
}

fn id(member: usize) -> String {
    format!("{:016x}", endpoint_id(&ObjectKey::new("default", format!("t{member}")), None))
}

#[test]
fn a_new_client_gets_a_cookie_and_comes_back_to_its_target() {
    let balancer = fixture(&[25; 4], None).balancer();
    for expected in [0, 1, 2, 3, 0] {
        let mut client = Client::default();
        assert_eq!(client.pick(&balancer), expected);
        for _ in 0..5 {
            let picked = balancer.pick(&client.view(), &[]).unwrap();
            assert_eq!((picked.member, picked.set_cookie), (MemberIndex(expected as u32), None));
        }
        // Another proxy reads it alike.
        assert_eq!(client.pick(&fixture(&[25; 4], None).balancer()), expected);
    }
}

#[test]
fn the_cookie_has_its_attributes() {
    let set_cookie = |ttl, tls| {
        let client = Client { tls, ..Client::default() };
        fixture(&[100], ttl).balancer().pick(&client.view(), &[]).unwrap().set_cookie.unwrap()
    };
    let value = id(0);
    assert_eq!(set_cookie(None, false), format!("sg={value}; Path=/; HttpOnly; SameSite=Lax"));
    assert_eq!(
        set_cookie(Some(Duration::from_hours(1)), true),
        format!("sg={value}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure")
    );
    assert_eq!(value.len(), 16);
}

#[test]
fn a_client_of_a_member_that_is_out_gets_a_new_home() {
    for state in [TargetState::Draining, TargetState::Disabled] {
        let mut fixture = fixture(&[50, 50], None);
        let mut client = with_cookie(&format!("sg={}", id(1)));
        assert_eq!(client.pick(&fixture.balancer()), 1);
        fixture.state(1, state);
        assert_eq!(client.pick(&fixture.balancer()), 0);
        assert_eq!(client.headers[COOKIE], format!("sg={}", id(0)));
        // Its new home stays its home.
        fixture.state(1, TargetState::Enabled);
        assert_eq!(client.pick(&fixture.balancer()), 0);
    }
}

#[test]
fn a_second_attempt_moves_the_client() {
    let balancer = fixture(&[50, 50], None).balancer();
    let client = with_cookie(&format!("sg={}", id(0)));
    let picked = balancer.pick(&client.view(), &[MemberIndex(0)]).unwrap();
    assert_eq!(picked.member, MemberIndex(1));
    assert!(picked.set_cookie.unwrap().to_str().unwrap().starts_with(&format!("sg={}", id(1))));
}

#[test]
fn weight_0_is_left_by_its_clients() {
    let client = with_cookie(&format!("sg={}", id(1)));
    let balancer = fixture(&[50, 0, 50], None).balancer();
    assert_eq!(count(3, 10, || client.clone().pick(&balancer)), [5, 0, 5]);
}

#[test]
fn cookies_are_found_among_others() {
    let balancer = fixture(&[25; 4], None).balancer();
    let id = id(3);
    for header in [
        format!("sg={id}"),
        format!("a=b; sg={id}; c=d"),
        format!("a=b;sg={id};c=d"),
        format!(" ; ;;a; =; sg=\"{id}\" "),
        format!("sg=; sg=unknown; sg={id}"),
        format!("SG=0000000000000000; xsg={id}0; sg={}", id.to_uppercase()),
    ] {
        let picked = balancer.pick(&with_cookie(&header).view(), &[]).unwrap();
        assert_eq!((picked.member, picked.set_cookie), (MemberIndex(3), None), "{header}");
    }
    // HTTP/2 clients may send a header for each.
    let mut client = with_cookie("a=b");
    client.headers.append(COOKIE, HeaderValue::from_bytes(b"\xff\xfe=\x80").unwrap());
    client.headers.append(COOKIE, HeaderValue::try_from(format!("sg={id}")).unwrap());
    assert_eq!(client.pick(&balancer), 3);
}

#[test]
fn what_is_no_cookie_of_ours_is_a_new_client() {
    let balancer = fixture(&[25; 4], None).balancer();
    let id = id(3);
    let long = format!("sg={id}0");
    for header in ["", "sg", "sg=", "sg=\"", "sg=+234567812345678", "sg=g234567812345678", &long, &id] {
        let picked = balancer.pick(&with_cookie(header).view(), &[]).unwrap();
        assert!(picked.set_cookie.is_some(), "{header}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_trouble(header in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            headers.insert(COOKIE, value);
        }
        for value in values(&headers, "sg") {
            prop_assert!(!value.contains(&b';'));
            let _ = parse_id(value);
        }
    }

    #[test]
    fn ids_are_read_as_written(id in any::<u64>()) {
        prop_assert_eq!(parse_id(format!("{id:016x}").as_bytes()), Some(id));
    }
}
