#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

type Lines = &'static [(&'static str, &'static str)];

#[test]
fn requests_keep_what_is_for_the_target_and_lose_what_is_for_this_hop() {
    let cases: &[(&str, Lines, Lines)] = &[
        ("nothing to do", &[("host", "a"), ("accept", "*/*")], &[("host", "a"), ("accept", "*/*")]),
        ("keep-alive", &[("host", "a"), ("connection", "keep-alive"), ("keep-alive", "timeout=5")], &[("host", "a")]),
        ("close", &[("connection", "close"), ("x-a", "1")], &[("x-a", "1")]),
        (
            "listed",
            &[("connection", "x-hop, X-Other ,close"), ("x-hop", "1"), ("x-other", "2"), ("x-a", "3")],
            &[("x-a", "3")],
        ),
        ("listed on two lines", &[("connection", "x-hop"), ("connection", "x-b"), ("x-hop", "1"), ("x-b", "1")], &[]),
        ("listed with many values", &[("connection", "x-hop"), ("x-hop", "1"), ("x-hop", "2")], &[]),
        ("listed but absent", &[("connection", "x-hop"), ("x-a", "1")], &[("x-a", "1")]),
        ("empty members", &[("connection", ", ,close,"), ("x-a", "1")], &[("x-a", "1")]),
        ("no token", &[("connection", "a b, x-hop"), ("x-hop", "1"), ("x-a", "1")], &[("x-a", "1")]),
        ("proxy-connection", &[("proxy-connection", "keep-alive"), ("x-a", "1")], &[("x-a", "1")]),
        (
            "proxy credentials",
            &[("proxy-authorization", "Basic eA=="), ("proxy-authenticate", "Basic"), ("x-a", "1")],
            &[("x-a", "1")],
        ),
        ("chunked", &[("transfer-encoding", "Chunked"), ("x-a", "1")], &[("x-a", "1")]),
        ("te with trailers", &[("te", "trailers, deflate;q=0.5"), ("connection", "te")], &[("te", "trailers")]),
        ("te without trailers", &[("te", "deflate"), ("connection", "TE")], &[]),
        ("trailer is end-to-end", &[("trailer", "x-sum")], &[("trailer", "x-sum")]),
        ("upgrade not in Connection", &[("upgrade", "websocket"), ("x-a", "1")], &[("x-a", "1")]),
        ("Connection without Upgrade", &[("connection", "upgrade"), ("x-a", "1")], &[("x-a", "1")]),
        ("h2c", &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMA")], &[]),
        ("h2c among others", &[("connection", "upgrade"), ("upgrade", "websocket, H2C")], &[]),
        ("tls", &[("connection", "upgrade"), ("upgrade", "TLS/1.0")], &[]),
        ("empty upgrade", &[("connection", "upgrade"), ("upgrade", "")], &[]),
    ];
    for (name, before, after) in cases {
        let mut headers = map(before);
        let head = strip_request(&mut headers, Version::HTTP_11).unwrap();
        assert!(!head.upgrade, "{name}");
        assert_eq!(headers, map(after), "{name}");
    }
}

#[test]
fn an_upgrade_passes_in_http_1_1_only() {
    let lines: Lines = &[("connection", "keep-alive, Upgrade, x-hop"), ("upgrade", "websocket"), ("x-hop", "1")];
    let mut headers = map(lines);
    assert!(strip_request(&mut headers, Version::HTTP_11).unwrap().upgrade);
    assert_eq!(headers, map(&[("connection", "upgrade"), ("upgrade", "websocket")]));
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut headers = map(lines);
        assert!(!strip_request(&mut headers, version).unwrap().upgrade);
        assert_eq!(headers, map(&[]));
    }
}

#[test]
fn smuggling_shapes_are_refused() {
    let cases: &[(Lines, RefusedHead)] = &[
        (&[("connection", "close, X-Forwarded-For"), ("x-forwarded-for", "10.0.0.1")], RefusedHead::EndToEndNamed),
        (&[("connection", "x-forwarded-prefix")], RefusedHead::EndToEndNamed),
        (&[("connection", "Forwarded")], RefusedHead::EndToEndNamed),
        (&[("connection", "x-real-ip")], RefusedHead::EndToEndNamed),
        (&[("connection", "Host"), ("host", "a")], RefusedHead::EndToEndNamed),
        (&[("connection", "Content-Length"), ("content-length", "4")], RefusedHead::EndToEndNamed),
        (&[("connection", "close"), ("connection", "Authorization")], RefusedHead::EndToEndNamed),
        (&[("connection", "Cookie")], RefusedHead::EndToEndNamed),
        (&[("connection", ":path")], RefusedHead::EndToEndNamed),
        (&[("transfer-encoding", "gzip, chunked")], RefusedHead::TransferCoding),
        (&[("transfer-encoding", "chunked;q=1")], RefusedHead::TransferCoding),
        (&[("transfer-encoding", "")], RefusedHead::TransferCoding),
        (&[("transfer-encoding", "identity")], RefusedHead::TransferCoding),
        (&[("transfer-encoding", "xchunked")], RefusedHead::TransferCoding),
        (&[("transfer-encoding", "chunked, chunked")], RefusedHead::ChunkedTwice),
        (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], RefusedHead::ChunkedTwice),
        (&[("transfer-encoding", "chunked"), ("transfer-encoding", "identity")], RefusedHead::TransferCoding),
    ];
    for (lines, refused) in cases {
        assert_eq!(strip_request(&mut map(lines), Version::HTTP_11).unwrap_err(), *refused, "{lines:?}");
    }
}

#[test]
fn refusals_have_answers() {
    assert_eq!(RefusedHead::EndToEndNamed.reason(), Reason::InvalidRequest);
    assert_eq!(RefusedHead::TransferCoding.reason(), Reason::NotImplemented);
    assert_eq!(RefusedHead::ChunkedTwice.reason(), Reason::AmbiguousFraming);
}

#[test]
fn answers_lose_hop_by_hop_fields() {
    let cases: &[(&str, u16, Lines, Lines)] = &[
        ("plain", 200, &[("connection", "close"), ("keep-alive", "x"), ("server", "s")], &[("server", "s")]),
        ("listed", 200, &[("connection", "x-hop"), ("x-hop", "1"), ("set-cookie", "a=b")], &[("set-cookie", "a=b")]),
        ("essential listed", 200, &[("connection", "set-cookie"), ("set-cookie", "a=b")], &[("set-cookie", "a=b")]),
        ("chunked", 200, &[("transfer-encoding", "chunked"), ("trailer", "x-sum")], &[("trailer", "x-sum")]),
        ("offer of h2", 200, &[("connection", "Upgrade"), ("upgrade", "h2,h2c")], &[]),
        (
            "switching",
            101,
            &[("connection", "Upgrade"), ("upgrade", "websocket")],
            &[("connection", "upgrade"), ("upgrade", "websocket")],
        ),
        (
            "required",
            426,
            &[("connection", "upgrade"), ("upgrade", "websocket")],
            &[("connection", "upgrade"), ("upgrade", "websocket")],
        ),
        ("te", 200, &[("te", "trailers")], &[]),
    ];
    for (name, status, before, after) in cases {
        let mut headers = map(before);
        strip_response(&mut headers, StatusCode::from_u16(*status).unwrap(), Version::HTTP_11).unwrap();
        assert_eq!(headers, map(after), "{name}");
    }
    let mut headers = map(&[("connection", "upgrade"), ("upgrade", "websocket")]);
    strip_response(&mut headers, StatusCode::UPGRADE_REQUIRED, Version::HTTP_2).unwrap();
    assert_eq!(headers, map(&[]), "HTTP/2 has no Connection");
    let mut headers = map(&[("transfer-encoding", "gzip, chunked")]);
    assert!(strip_response(&mut headers, StatusCode::OK, Version::HTTP_11).is_err());
}

#[test]
fn trailers_lose_what_frames_or_routes() {
    let mut trailers = map(&[
        ("grpc-status", "0"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("host", "a"),
        ("authorization", "x"),
    ]);
    strip_trailers(&mut trailers);
    assert_eq!(trailers, map(&[("grpc-status", "0")]));
}

/// Names and values that mean something to a proxy, and some that do not.
fn arbitrary_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec![
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "host",
        "x-a",
        "x-b",
        "accept",
    ]);
    let word = prop::sample::select(vec![
        "close",
        "keep-alive",
        "upgrade",
        "x-a",
        "x-b",
        "te",
        "trailers",
        "chunked",
        "websocket",
        "h2c",
        "",
        " ",
        "\u{ff}",
        "a b",
    ]);
    let value = prop::collection::vec(word, 0..4).prop_map(|words| words.join(", "));
    prop::collection::vec((name, value), 0..8).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    })
}

proptest! {
    #[test]
    fn what_is_for_one_hop_never_passes(before in arbitrary_headers()) {
        let mut after = before.clone();
        let Ok(head) = strip_request(&mut after, Version::HTTP_11) else { return Ok(()) };
        for name in [KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS, PROXY_AUTHORIZATION, TRANSFER_ENCODING] {
            prop_assert!(!after.contains_key(&name), "{name} in {after:?}");
        }
        prop_assert!(after.get(TE).is_none_or(|te| te == "trailers"), "{after:?}");
        prop_assert_eq!(after.contains_key(UPGRADE), head.upgrade);
        prop_assert_eq!(after.get(CONNECTION).is_some_and(|value| value == "upgrade"), head.upgrade);
        prop_assert!(head.upgrade || !after.contains_key(CONNECTION), "{after:?}");
        let named: Vec<&[u8]> = members(&before, &CONNECTION).collect();
        for name in ["host", "x-a", "x-b", "accept"] {
            let kept = before.contains_key(name) && !named.contains(&name.as_bytes());
            prop_assert_eq!(after.contains_key(name), kept, "{} of {:?}", name, before);
        }
    }
}

#[test]
fn a_coding_beside_a_length_is_refused() {
    let lines = [("transfer-encoding", "chunked"), ("content-length", "3")];
    let mut headers = map(&lines);
    assert_eq!(strip_request(&mut headers, Version::HTTP_11).unwrap_err(), RefusedHead::TwoFramings);
    let mut headers = map(&lines);
    let stripped = strip_response(&mut headers, StatusCode::OK, Version::HTTP_11);
    assert_eq!(stripped, Err(RefusedHead::TwoFramings));
}

#[test]
fn an_answer_cannot_carry_a_reason_of_ours() {
    let mut headers = map(&[("x-sluicegate-reason", "no-route"), ("x-other", "1")]);
    strip_response(&mut headers, StatusCode::OK, Version::HTTP_11).unwrap();
    assert_eq!(headers, map(&[("x-other", "1")]));
}
