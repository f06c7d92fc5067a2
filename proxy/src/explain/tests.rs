//! Explanations of a small table, in both forms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::Ipv4Addr;

use serde_json::json;
use sluicegate_table::{CircuitBreaker, Fallback, Pool, Table};

use super::*;
use crate::health::fixture::breaker;

const SECRET: &str = "planted-secret-value";

fn snapshot() -> Snapshot {
    let pool = |members| json!({ "algorithm": "RoundRobin", "levels": [{ "priority": 1, "members": members }] });
    let target = |port, path| json!({ "host": "127.0.0.1", "port": port, "protocol": "HTTP", "path": path });
    let mut one = target(9101, "/base");
    one["credential"] = json!({ "header": "authorization", "value": SECRET });
    let mut off = target(9103, "");
    off["state"] = "Disabled".into();
    let rule = |wanted, pool| json!({ "matches": [wanted], "stripPath": true, "bufferSize": 65_536, "backend": { "pool": pool } });
    let prefix = |path| json!({ "path": { "Prefix": path } });
    let table: Table = serde_json::from_value(json!({
        "version": 3,
        "routes": {
            "default/api": rule(json!({ "path": { "Prefix": "/api" }, "methods": ["GET", "POST"] }), "default/one"),
            "default/big": rule(json!({ "path": { "Prefix": "/chat" }, "models": ["gpt-4*"] }), "default/one"),
            "default/chat": rule(prefix("/chat"), "default/two"),
            "default/off": rule(prefix("/off"), "default/off"),
            "default/broken": rule(prefix("/broken"), "default/gone"),
        },
        "pools": {
            "default/one": pool(json!([{ "target": "default/one", "weight": 100 }])),
            "default/two": pool(json!([{ "target": "default/two", "weight": 100 }])),
            "default/off": pool(json!([{ "target": "default/off", "weight": 100 }])),
        },
        "targets": { "default/one": one, "default/two": target(9102, ""), "default/off": off },
    }))
    .unwrap();
    Snapshot::build(Arc::new(table), &Snapshot::default()).0
}

fn ask(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Explanation {
    let client = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    let request = DescribedRequest::new(method, url, headers.iter().copied(), body.to_owned(), client).unwrap();
    explain(&snapshot(), &request, &IdentityHeaders::default())
}

fn answer(explanation: &Explanation) -> (u16, &'static str) {
    explanation.answer.as_ref().map(|answer| (answer.status, answer.reason)).unwrap()
}

#[test]
fn a_request_that_a_target_gets() {
    let explanation = ask("GET", "http://h.test/a/../api/x%41?v=2", &[], "");
    assert_eq!(explanation.rule, Some(ObjectKey::new("default", "api")));
    let forwarded = explanation.forwarded.as_ref().unwrap();
    assert_eq!(forwarded.url, "http://127.0.0.1:9101/base/xA?v=2");
    assert_eq!(forwarded.target, ObjectKey::new("default", "one"));
    assert_eq!(explanation.answer, None);
    assert_eq!(explanation.request.path, "/api/xA");
    assert_eq!(explanation.rules.len(), 5);
}

#[test]
fn the_text_says_what_becomes_of_it_and_why() {
    insta::assert_snapshot!(ask("GET", "http://h.test/api/x?v=2", &[], "").to_string());
}

#[test]
fn the_text_of_many_rules_shows_those_that_match() {
    let rule = |path: String| json!({ "matches": [{ "path": { "Prefix": path } }], "bufferSize": 1, "backend": { "pool": "default/gone" } });
    let routes: serde_json::Map<String, serde_json::Value> =
        (100..300).map(|number| (format!("default/r{number}"), rule(format!("/p{number}")))).collect();
    let table = json!({ "version": 1, "routes": routes, "pools": {}, "targets": {} });
    let (snapshot, _) = Snapshot::build(Arc::new(serde_json::from_value(table).unwrap()), &Snapshot::default());
    let client = IpAddr::from(Ipv4Addr::LOCALHOST);
    let request = DescribedRequest::new("GET", "http://h.test/p299", [], "", client).unwrap();
    let text = explain(&snapshot, &request, &IdentityHeaders::default()).to_string();
    assert!(text.contains("\n  default/r299: takes the request by matches[0]\n"), "{text}");
    assert!(text.contains("\n  … and 170 more; as JSON all are shown\n"), "{text}");
}

#[test]
fn the_text_of_a_refusal() {
    insta::assert_snapshot!(ask("DELETE", "http://h.test/api/x", &[], "").to_string());
}

#[test]
fn the_body_decides_where_a_rule_asks_for_the_model() {
    let rule = |body| ask("POST", "http://h.test/chat", &[], body).rule.unwrap().name;
    assert_eq!(rule(r#"{"model": "gpt-4o"}"#), "big");
    assert_eq!(rule(r#"{"model": "claude"}"#), "chat");
    assert_eq!(rule(""), "chat");
    let explanation = ask("POST", "http://h.test/chat", &[], r#"{"model": "gpt-4o"}"#);
    assert_eq!(explanation.request.model.as_deref(), Some("gpt-4o"));
    let twice = ask("POST", "http://h.test/chat", &[], r#"{"model": "gpt-4o", "model": "x"}"#);
    assert_eq!(answer(&twice), (400, "ambiguous-model"));
}

#[test]
fn every_refusal_has_its_reason() {
    assert_eq!(answer(&ask("GET", "http://h.test/", &[], "")), (404, "no-route"));
    let methods = ask("DELETE", "http://h.test/api", &[], "");
    assert_eq!(answer(&methods), (405, "method-not-allowed"));
    assert_eq!(methods.answer.unwrap().allow, ["GET", "POST"]);
    let off = ask("GET", "http://h.test/off", &[], "");
    assert_eq!(answer(&off), (503, "no-healthy-target"));
    assert!(off.pick.is_some() && off.forwarded.is_none());
    assert_eq!(answer(&ask("GET", "http://h.test/broken", &[], "")), (503, "invalid-configuration"));
    assert_eq!(answer(&ask("GET", "http://h.test/api/%zz", &[], "")).1, "invalid-request");
    assert_eq!(answer(&ask("CONNECT", "http://h.test/api", &[], "")), (501, "not-implemented"));
}

#[test]
fn behind_an_open_breaker_it_is_the_fallback_that_answers() {
    let (one, two) = (ObjectKey::new("default", "one"), ObjectKey::new("default", "two"));
    let ask = |fallback: Option<Fallback>| {
        let mut table = Table::clone(&snapshot().table);
        let mut pool = Pool::clone(&table.pools[&one]);
        pool.circuit_breaker = Some(CircuitBreaker { fallback, ..breaker() });
        table.pools.insert(one.clone(), Arc::new(pool));
        let (snapshot, _) = Snapshot::build(Arc::new(table), &Snapshot::default());
        let endpoint = &snapshot.pool(&one).unwrap().members()[0].reach.as_ref().unwrap().endpoint;
        (0..5).for_each(|_| endpoint.load.health().fail_breaker(&breaker()));
        let client = IpAddr::from(Ipv4Addr::LOCALHOST);
        let request = DescribedRequest::new("GET", "http://h.test/api/x", [], "", client).unwrap();
        explain(&snapshot, &request, &IdentityHeaders::default())
    };
    assert_eq!(answer(&ask(None)), (503, "circuit-open"));
    assert_eq!(answer(&ask(Some(Fallback::Pool(ObjectKey::new("default", "gone"))))), (503, "circuit-open"));
    let kept = ask(Some(Fallback::Cache));
    assert_eq!(answer(&kept), (503, "circuit-open"));
    let text = kept.to_string();
    assert!(text.contains("the answer is the last good one to the same request where one is kept, else 503"), "{text}");
    let response = Fallback::Response { status: 200, body: String::new(), content_type: String::new() };
    assert_eq!(answer(&ask(Some(response))), (200, "circuit-open"));
    let elsewhere = ask(Some(Fallback::Pool(two.clone())));
    assert_eq!((elsewhere.answer.as_ref(), elsewhere.upstream.as_ref()), (None, Some(&one)));
    assert_eq!(elsewhere.forwarded.as_ref().map(|to| to.url.as_str()), Some("http://127.0.0.1:9102/x"));
    let text = elsewhere.to_string();
    assert!(
        text.contains("circuit breakers are open") && text.contains("Upstream default/two, the fallback:"),
        "{text}"
    );
}

#[test]
fn no_form_shows_a_secret() {
    let explanation = ask("GET", "http://h.test/api/x", &[("Authorization", "Bearer of-the-client")], "");
    for text in [explanation.to_string(), serde_json::to_string(&explanation).unwrap(), format!("{explanation:?}")] {
        assert!(!text.contains(SECRET) && !text.contains("of-the-client"), "{text}");
    }
}

#[test]
fn descriptions_that_are_no_requests_say_why() {
    let client = IpAddr::from(Ipv4Addr::LOCALHOST);
    let error = |method, url, headers: &[(&str, &str)]| {
        DescribedRequest::new(method, url, headers.iter().copied(), "", client).unwrap_err().to_string()
    };
    assert_eq!(error("G T", "http://h.test/", &[]), "`G T` is no HTTP method");
    let hint = "write it as http://host/path?query, or as /path with a Host header";
    for url in ["h.test/x", "ftp://h.test/", "", "http://"] {
        assert_eq!(error("GET", url, &[]), format!("`{url}` is no URL: {hint}"));
    }
    assert!(error("GET", "/x", &[]).starts_with("the request has no host"));
    assert!(error("GET", "http://h.test/", &[("a b", "c")]).starts_with("`a b: c` is no header"));
    assert!(error("GET", "http://h.test/", &[("content-length", "many")]).starts_with("`many` is no Content-Length"));
    assert!(DescribedRequest::new("GET", "/x", [("host", "h.test")], "", client).is_ok());
    assert_eq!(DescribedRequest::header("A:  b: c "), Ok(("A", "b: c")));
}
