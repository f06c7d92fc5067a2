#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::super::strip_request;
use super::*;

type Lines<'a> = &'a [(&'static str, &'static str)];

fn map(lines: Lines<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

fn facts(peer: &str, forwarded_header: bool) -> ForwardedFacts {
    let networks = ["10.0.0.0/8", "fd00::/8"].iter().map(|network| network.parse().unwrap()).collect();
    let policy = ForwardingPolicy { trusted: TrustedProxies::new(networks), forwarded_header };
    ForwardedFacts::new(SocketAddr::new(peer.parse().unwrap(), 4000), false, &Arc::new(policy))
}

fn applied(facts: &ForwardedFacts, lines: Lines<'_>) -> HeaderMap {
    let mut headers = map(lines);
    let head = strip_request(&mut headers, Version::HTTP_11).unwrap();
    facts.apply(&mut headers, Some(&HeaderValue::from_static("shop.example:8080")), Version::HTTP_11, head);
    headers
}

#[test]
fn a_client_nobody_vouches_for_is_told_as_seen() {
    let told: Lines<'_> = &[
        ("via", "1.1 sluicegate"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example:8080"),
    ];
    let facts = facts("192.0.2.7", false);
    assert_eq!(applied(&facts, &[]), map(told));
    let spoofed: Lines<'_> = &[
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "admin.example"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "10.0.0.1"),
        ("x_real_ip", "10.0.0.1"),
        ("x_forwarded_for", "10.0.0.1"),
        ("x-forwarded_for", "10.0.0.1"),
        ("forwarded", "for=10.0.0.1"),
    ];
    assert_eq!(applied(&facts, spoofed), map(told));
    // Names that only look alike are nobody's business.
    let lookalikes: Lines<'_> = &[("x-real-ip2", "1"), ("x-forward", "1"), ("x-forwarded", "1")];
    let headers = applied(&facts, lookalikes);
    assert!(lookalikes.iter().all(|(name, _)| headers.contains_key(*name)), "{headers:?}");
}

#[test]
fn a_trusted_proxy_is_added_to() {
    let facts = facts("10.0.0.9", false);
    let headers = applied(
        &facts,
        &[
            ("x-forwarded-for", "203.0.113.5"),
            ("x-forwarded-for", "10.1.1.1, 10.1.1.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outer.example"),
            ("x-forwarded-port", "443"),
            ("forwarded", "for=203.0.113.5"),
            ("via", "2 edge"),
        ],
    );
    let expected = map(&[
        ("x-forwarded-for", "203.0.113.5, 10.1.1.1, 10.1.1.2, 10.0.0.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "outer.example"),
        ("x-forwarded-port", "443"),
        ("forwarded", "for=203.0.113.5"),
        ("forwarded", "for=10.0.0.9;host=\"shop.example:8080\";proto=http"),
        ("via", "2 edge"),
        ("via", "1.1 sluicegate"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn what_a_trusted_proxy_leaves_out_is_filled_in() {
    let expected = map(&[
        ("x-forwarded-for", "10.0.0.9"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop.example:8080"),
        ("via", "1.1 sluicegate"),
    ]);
    assert_eq!(applied(&facts("10.0.0.9", false), &[]), expected);
}

#[test]
fn forwarded_is_written_for_everyone_where_the_installation_asks() {
    let headers = applied(&facts("192.0.2.7", true), &[("forwarded", "for=10.0.0.1")]);
    assert_eq!(headers["forwarded"], "for=192.0.2.7;host=\"shop.example:8080\";proto=http");
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_static("a\"b");
    facts("2001:db8::1", true).apply(&mut headers, Some(&host), Version::HTTP_2, RequestHead::default());
    assert_eq!(headers["forwarded"], "for=\"[2001:db8::1]\";proto=http");
    assert_eq!(headers["via"], "2 sluicegate");
    assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
}

#[test]
fn without_a_host_no_forwarded_host_survives() {
    let mut headers = map(&[("x-forwarded-host", "admin.example")]);
    let head = strip_request(&mut headers, Version::HTTP_10).unwrap();
    facts("192.0.2.7", false).apply(&mut headers, None, Version::HTTP_10, head);
    assert!(!headers.contains_key("x-forwarded-host"));
    assert_eq!(headers["via"], "1.0 sluicegate");
}

#[test]
fn the_scheme_is_the_connections() {
    let tls = ForwardedFacts::new("192.0.2.7:1".parse().unwrap(), true, &Arc::default());
    let mut headers = HeaderMap::new();
    tls.apply(&mut headers, None, Version::HTTP_2, RequestHead::default());
    assert_eq!(headers["x-forwarded-proto"], "https");
}

#[test]
fn the_clients_address_is_the_first_that_no_trusted_proxy_has() {
    let cases: &[(&str, Lines<'_>, &str)] = &[
        ("192.0.2.7", &[("x-forwarded-for", "203.0.113.5")], "192.0.2.7"),
        ("10.0.0.9", &[], "10.0.0.9"),
        ("10.0.0.9", &[("x-forwarded-for", "203.0.113.5")], "203.0.113.5"),
        ("::ffff:10.0.0.9", &[("x-forwarded-for", "::ffff:203.0.113.5")], "203.0.113.5"),
        ("10.0.0.9", &[("x-forwarded-for", "6.6.6.6, 203.0.113.5, 10.2.2.2")], "203.0.113.5"),
        ("10.0.0.9", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.5")], "203.0.113.5"),
        ("10.0.0.9", &[("x-forwarded-for", "10.3.3.3, 10.2.2.2")], "10.3.3.3"),
        ("10.0.0.9", &[("x-forwarded-for", "6.6.6.6, nonsense, 10.2.2.2")], "10.2.2.2"),
        ("10.0.0.9", &[("x-forwarded-for", "unknown")], "10.0.0.9"),
        ("10.0.0.9", &[("x-forwarded-for", "203.0.113.5,")], "10.0.0.9"),
        ("10.0.0.9", &[("x-forwarded-for", "203.0.113.5:4711")], "203.0.113.5"),
        ("10.0.0.9", &[("x-forwarded-for", "[2001:db8::5]:4711")], "2001:db8::5"),
        ("10.0.0.9", &[("x-forwarded-for", "[2001:db8::5]")], "2001:db8::5"),
        ("fd00::9", &[("x-forwarded-for", "2001:db8::5")], "2001:db8::5"),
    ];
    for (peer, lines, client) in cases {
        let found = facts(peer, false).client_ip(&map(lines));
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
    }
}
