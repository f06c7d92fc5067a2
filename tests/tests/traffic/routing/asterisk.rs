//! `OPTIONS *`: about the server as a whole, which the Rule for the root of its host answers for.

use bytes::Bytes;
use http::{Method, Request, Uri};
use sluicegate_tests::http2::{Http2Client, Http2Origin};
use sluicegate_tests::manifests::{all_to, prefix, rule, target, upstream};
use sluicegate_tests::origin::answer;
use sluicegate_tests::{Gate, Origin};

const ASTERISK: &str = "OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n";

#[test]
fn the_rule_for_the_root_takes_it() {
    let [api, any] = ["api", "any"].map(Origin::text);
    let to = |origin: &Origin| format!("targets: [{{url: 'http://127.0.0.1:{}'}}]\nstripPath: true\n", origin.port());
    let rules = |hosts| {
        [
            rule("api", &(to(&api) + "matches: [{path: {value: /api}}]")),
            rule("any", &(to(&any) + "matches: [{path: {value: /}}]\n" + hosts)),
        ]
        .concat()
    };
    assert_eq!(Gate::start(&rules("")).ask(ASTERISK).text(), "any");
    let answer = Gate::start(&rules("hostnames: [other]")).ask(ASTERISK);
    assert_eq!((answer.status(), answer.reason().as_deref()), (404, Some("no-route")), "no root for this host");
    assert_eq!(any.request().target(), "*");
    assert!(api.requests().is_empty());
    let only_get = format!("targets: [{{url: 'http://127.0.0.1:{}'}}]\nmatches: [{{methods: [GET]}}]", any.port());
    assert_eq!(Gate::start(&rule("get", &only_get)).ask(ASTERISK).status(), 405);
}

#[test]
fn a_target_with_a_path_of_its_own_is_asked_about_that() {
    let origin = Origin::text("part");
    let part = format!("targets: [{{url: 'http://127.0.0.1:{}/part'}}]", origin.port());
    assert_eq!(Gate::start(&rule("part", &part)).ask(ASTERISK).text(), "part");
    assert_eq!(origin.request().target(), "/part/");
}

#[test]
fn another_attempt_asks_the_same() {
    let failing = Origin::start(|_| answer("503 Service Unavailable", ""));
    let good = Origin::text("good");
    let manifests = [
        target("one", failing.port(), "path: /part"),
        target("two", good.port(), ""),
        upstream("pool", &["one", "two"], ""),
        rule("all", "upstream: pool\nretry: {attempts: 1}"),
    ];
    let gate = Gate::start(&manifests.concat());
    for _ in 0..4 {
        assert_eq!(gate.ask(ASTERISK).text(), "good");
    }
    assert!(good.requests().iter().all(|request| request.target() == "*"));
    assert!(failing.requests().iter().all(|request| request.target() == "/part/"));
    assert!(!failing.requests().is_empty());
}

#[test]
fn over_http_2_it_is_the_path_and_through_a_forward_proxy_the_root() {
    let origin = Http2Origin::echo();
    let manifests =
        [target("one", origin.port(), "protocol: H2C"), upstream("pool", &["one"], ""), prefix("/", "pool")].concat();
    let gate = Gate::start(&manifests);
    assert_eq!(gate.ask(ASTERISK).status(), 200);
    let uri = Uri::builder().scheme("http").authority("test").path_and_query("*").build().unwrap();
    let request = Request::builder().method(Method::OPTIONS).uri(uri).body(Bytes::new()).unwrap();
    assert_eq!(Http2Client::connect(gate.listen).ask(request).unwrap().status(), 200);
    assert!(origin.heads().iter().all(|head| head.uri.path() == "*"), "{:?}", origin.heads());

    let proxy = Origin::text("by the proxy");
    let through = format!("egressProxy: {{host: 127.0.0.1, port: {}}}", proxy.port());
    let manifests = [target("one", 1, ""), upstream("pool", &["one"], &through), prefix("/", "pool")].concat();
    assert_eq!(Gate::start(&manifests).ask(ASTERISK).text(), "by the proxy");
    assert_eq!(proxy.request().target(), "http://127.0.0.1:1/");
}

#[test]
fn no_other_method_has_such_a_target() {
    let origin = Origin::text("unused");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let answer = gate.ask("GET * HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((answer.status(), answer.reason().as_deref()), (400, Some("invalid-request")));
    assert!(origin.requests().is_empty());
}
