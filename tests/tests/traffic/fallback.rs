//! What callers get while circuit breakers are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Request;
use sluicegate_tests::client::post;
use sluicegate_tests::http2::Http2Client;
use sluicegate_tests::manifests::{prefix, rule, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Fault, Faulty, Gate, Message, Origin, Setup};

/// A target that answers with the path until it is told to fail.
fn origin(fails: &Arc<AtomicBool>) -> Origin {
    let fails = Arc::clone(fails);
    Origin::start(move |request| {
        if fails.load(Ordering::SeqCst) {
            return answer("500 Internal Server Error", "failed");
        }
        match request.field("x-control") {
            None => ok(request.target()),
            Some(control) => {
                let body = request.target();
                let length = body.len();
                format!("HTTP/1.1 200 OK\r\ncache-control: {control}\r\ncontent-length: {length}\r\n\r\n{body}").into()
            }
        }
    })
}

/// A breaker that opens at the second failure and stays open.
fn breaker(fallback: &str) -> String {
    format!("circuitBreaker: {{failureThreshold: 2, openDuration: 10m, fallback: {fallback}}}")
}

fn gate(origin: &Origin, fallback: &str, more: &str) -> Gate {
    let pool = upstream("pool", &["one"], &breaker(fallback));
    let manifests = [target("one", origin.port(), ""), pool, prefix("/", "pool"), more.to_owned()];
    Setup::new(&manifests.concat()).start()
}

/// Opens the breaker.
fn open(gate: &Gate, fails: &AtomicBool) {
    fails.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(gate.get("/any").status(), 500);
    }
}

fn fallback(answer: &Message) -> Option<String> {
    answer.field("x-sluicegate-fallback")
}

#[test]
fn a_fixed_answer_stands_in() {
    let fails = Arc::default();
    let origin = origin(&fails);
    let gate = gate(&origin, "{response: {status: 200, body: \"soon\", contentType: text/plain}}", "");
    open(&gate, &fails);
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "soon"));
    assert_eq!(answer.field("content-type").as_deref(), Some("text/plain"));
    assert_eq!((fallback(&answer).as_deref(), answer.reason().as_deref()), (Some("response"), Some("circuit-open")));
    assert_eq!(gate.count("gateway_fallbacks_total{upstream=\"default/pool\",fallback=\"response\"}"), 1);
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn another_upstream_stands_in_and_the_next_after_it() {
    let (fails, second_fails) = (Arc::default(), Arc::default());
    let (first, second, third) = (origin(&fails), origin(&second_fails), Origin::text("third"));
    let more = [
        target("two", second.port(), ""),
        target("three", third.port(), ""),
        upstream("second", &["two"], &breaker("{upstream: third}")),
        upstream("third", &["three"], ""),
    ];
    let gate = gate(&first, "{upstream: second}", &more.concat());
    open(&gate, &fails);
    let answer = gate.get("/a");
    assert_eq!((answer.text().as_str(), fallback(&answer).as_deref()), ("/a", Some("upstream")));
    second_fails.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(gate.get("/").status(), 500, "the second's own breaker judges");
    }
    let answer = gate.get("/");
    assert_eq!((answer.text().as_str(), fallback(&answer).as_deref()), ("third", Some("upstream")));
    assert_eq!(gate.count("gateway_fallbacks_total{upstream=\"default/pool\",fallback=\"upstream\"}"), 4);
    assert_eq!(gate.count("sluicegate_target_picks_total{upstream=\"default/second\",target=\"default/two\"}"), 3);
}

#[test]
fn the_last_good_answer_stands_in() {
    let fails = Arc::default();
    let origin = origin(&fails);
    let gate = gate(&origin, "{cache: true}", "");
    let personal = |control: &str| {
        format!("GET /mine HTTP/1.1\r\nhost: test\r\nauthorization: me\r\nx-control: {control}\r\n\r\n")
    };
    assert_eq!(gate.get("/kept?q=1").text(), "/kept?q=1");
    assert_eq!(gate.ask(personal("max-age=60")).status(), 200);
    assert_eq!(gate.ask("GET /secret HTTP/1.1\r\nhost: test\r\nx-control: no-store\r\n\r\n").status(), 200);
    open(&gate, &fails);

    let answer = gate.get("/kept?q=1");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "/kept?q=1"));
    assert_eq!((fallback(&answer).as_deref(), answer.reason()), (Some("cache"), None));
    assert!(answer.field("age").is_some());
    for nobodys in ["/kept?q=2", "/mine", "/secret"] {
        let answer = gate.get(nobodys);
        assert_eq!((answer.status(), answer.reason().as_deref()), (503, Some("circuit-open")), "{nobodys}");
        assert!(answer.field("retry-after").is_some());
    }
    assert_eq!(gate.ask(personal("x")).status(), 503);
    assert_eq!(gate.ask("POST /kept?q=1 HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").status(), 503);
}

#[test]
fn a_target_cannot_claim_to_be_a_fallback() {
    let origin = Origin::start(|_| b"HTTP/1.1 200 OK\r\nx-sluicegate-fallback: cache\r\ncontent-length: 0\r\n\r\n");
    let gate = gate(&origin, "{cache: true}", "");
    assert_eq!(fallback(&gate.get("/")), None);
}

/// A target that fails, whose first failure opens its breaker, and a Rule with retries.
fn opened_by_the_first(port: u16, fallback: &str, more: &str) -> Gate {
    let breaker = format!("circuitBreaker: {{failureThreshold: 1, openDuration: 10m, fallback: {fallback}}}");
    let pool = upstream("pool", &["one"], &breaker);
    let retried = rule("all", "upstream: pool\nretry: {attempts: 2, backoff: {base: 1ms}}");
    Setup::new(&[target("one", port, ""), pool, retried, more.to_owned()].concat()).start()
}

const SOON: &str = "{response: {status: 200, body: soon}}";

#[test]
fn a_fallback_stands_in_for_the_attempts_that_are_left() {
    let origin = Origin::start(|_| answer("503 Service Unavailable", "failed"));
    let gate = opened_by_the_first(origin.port(), SOON, "");
    let answer = gate.get("/");
    assert_eq!((answer.text().as_str(), fallback(&answer).as_deref()), ("soon", Some("response")));
    assert_eq!(origin.requests().len(), 1);

    // What is not tried again gets the target's own answer.
    let gate = opened_by_the_first(origin.port(), SOON, "");
    let answer = gate.ask(post("/", "order"));
    assert_eq!((answer.status(), answer.text().as_str(), fallback(&answer)), (503, "failed", None));
}

#[test]
fn another_upstream_stands_in_for_an_attempt_without_an_answer() {
    let (bad, good) = (Faulty::start("bad"), Origin::text("good"));
    bad.fail(Fault::ResetBeforeHead);
    let more = [target("two", good.port(), ""), upstream("second", &["two"], "")].concat();
    let gate = opened_by_the_first(bad.port(), "{upstream: second}", &more);
    let answer = gate.get("/");
    assert_eq!((answer.text().as_str(), fallback(&answer).as_deref()), ("good", Some("upstream")));
    assert_eq!((bad.requests(), good.requests().len()), (1, 1));
}

#[test]
fn a_fallback_stands_in_where_nobody_takes_a_connection() {
    let bad = Faulty::start("bad");
    bad.fail(Fault::Refused);
    let gate = opened_by_the_first(bad.port(), SOON, "");
    let answer = gate.ask(post("/", "order"));
    assert_eq!((answer.text().as_str(), fallback(&answer).as_deref()), ("soon", Some("response")));
}

#[test]
fn the_last_good_answer_of_what_stood_in_stands_in() {
    let (fails, second_fails) = (Arc::default(), Arc::default());
    let (first, second) = (origin(&fails), origin(&second_fails));
    let more = [target("two", second.port(), ""), upstream("second", &["two"], &breaker("{cache: true}"))].concat();
    let gate = gate(&first, "{upstream: second}", &more);
    open(&gate, &fails);
    assert_eq!(fallback(&gate.get("/kept")).as_deref(), Some("upstream"));
    open(&gate, &second_fails);
    let answer = gate.get("/kept");
    assert_eq!((answer.text().as_str(), fallback(&answer).as_deref()), ("/kept", Some("cache")));
    assert_eq!(gate.get("/other").reason().as_deref(), Some("circuit-open"));
}

#[test]
fn a_fixed_answer_to_head_has_no_body_and_grpc_gets_its_own_kind() {
    let fails = Arc::default();
    let origin = origin(&fails);
    let gate = gate(&origin, SOON, "");
    open(&gate, &fails);
    let answer = gate.client().send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").answer_to_head();
    assert_eq!((answer.status(), answer.text().as_str()), (200, ""));
    assert_eq!(
        (answer.field("content-length").as_deref(), fallback(&answer).as_deref()),
        (Some("4"), Some("response"))
    );

    let client = Http2Client::connect(gate.listen);
    let head = client.ask(Request::head("http://test/").body(Bytes::new()).unwrap()).unwrap();
    assert_eq!((head.text().as_str(), head.field("x-sluicegate-fallback")), ("", Some("response")));
    let grpc = Request::post("http://test/service/Method").header("content-type", "application/grpc");
    let call = client.ask(grpc.body(Bytes::from("message")).unwrap()).unwrap();
    assert_eq!((call.text().as_str(), call.field("grpc-status")), ("", Some("14")));
    assert_eq!((call.field("x-sluicegate-reason"), call.field("x-sluicegate-fallback")), (Some("circuit-open"), None));
}
