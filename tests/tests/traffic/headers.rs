//! Which header fields a target gets, and which a client.

use sluicegate_tests::manifests::{all_to, prefix, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Gate, Message, Origin, Setup};

fn as_seen(request: &str) -> Message {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    assert_eq!(gate.ask(request).status(), 200);
    origin.request()
}

#[test]
fn end_to_end_fields_pass_unchanged() {
    let seen = as_seen(
        "GET /p HTTP/1.1\r\nHost: shop.example:81\r\nUser-Agent: t/1\r\nAccept: */*\r\nX-Many: a\r\nX-Many: b\r\nCookie: a=1; b=2\r\n\r\n",
    );
    assert_eq!(seen.start_line(), "GET /p HTTP/1.1");
    assert_eq!(seen.field("user-agent").as_deref(), Some("t/1"));
    assert_eq!(seen.fields("x-many"), ["a", "b"]);
    assert_eq!(seen.field("cookie").as_deref(), Some("a=1; b=2"));
    assert!(seen.fields("content-length").is_empty() && seen.fields("transfer-encoding").is_empty(), "{seen:?}");
}

#[test]
fn hop_by_hop_fields_stay_behind() {
    let seen = as_seen(
        "GET / HTTP/1.1\r\nhost: test\r\nconnection: keep-alive, X-Mine\r\nkeep-alive: timeout=5\r\nx-mine: 1\r\n\
         proxy-connection: keep-alive\r\nproxy-authorization: Basic x\r\nte: gzip\r\nx-stays: 1\r\n\r\n",
    );
    for name in ["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "te"] {
        assert!(seen.fields(name).is_empty(), "{name}: {seen:?}");
    }
    assert_eq!(seen.fields("x-stays"), ["1"]);
}

#[test]
fn hop_by_hop_fields_of_an_answer_stay_behind() {
    let origin = Origin::start(|_| {
        "HTTP/1.1 200 OK\r\nconnection: x-mine\r\nx-mine: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nx-stays: 1\r\n\
         set-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok"
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let answer = gate.get("/");
    for name in ["x-mine", "keep-alive", "proxy-authenticate"] {
        assert!(answer.fields(name).is_empty(), "{name}: {answer:?}");
    }
    assert_eq!(answer.fields("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.fields("x-stays"), ["1"]);
    assert_eq!(answer.text(), "ok");
}

#[test]
fn a_client_nobody_vouches_for_cannot_say_who_it_is() {
    let seen = as_seen(
        "GET / HTTP/1.1\r\nhost: shop.example\r\nx-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: https\r\n\
         x-forwarded-host: admin\r\nforwarded: for=10.0.0.1\r\nx-real-ip: 10.0.0.1\r\nx-forwarded-port: 443\r\n\r\n",
    );
    assert_eq!(seen.fields("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.fields("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.fields("x-forwarded-host"), ["shop.example"]);
    assert!(
        seen.fields("forwarded").is_empty()
            && seen.fields("x-real-ip").is_empty()
            && seen.fields("x-forwarded-port").is_empty()
    );
    assert_eq!(seen.fields("via"), ["1.1 sluicegate"]);
}

#[test]
fn a_trusted_proxy_is_believed_and_added_to() {
    let origin = Origin::echo();
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("trustedProxies: [127.0.0.0/8]").start();
    gate.ask(
        "GET / HTTP/1.1\r\nhost: inner\r\nx-forwarded-for: 203.0.113.5\r\nx-forwarded-proto: https\r\nx-forwarded-host: outer\r\n\
         forwarded: for=203.0.113.5\r\nvia: 2 edge\r\n\r\n",
    );
    let seen = origin.request();
    assert_eq!(seen.fields("x-forwarded-for"), ["203.0.113.5, 127.0.0.1"]);
    assert_eq!(seen.fields("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.fields("x-forwarded-host"), ["outer"]);
    assert_eq!(seen.fields("forwarded").len(), 2);
    assert_eq!(seen.fields("via"), ["2 edge", "1.1 sluicegate"]);
}

#[test]
fn an_http_1_0_client_is_answered_in_its_way() {
    let origin = Origin::start(|_| "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    let answer = client.ask("GET / HTTP/1.0\r\nhost: test\r\n\r\n");
    assert!(answer.fields("transfer-encoding").is_empty(), "HTTP/1.0 knows no chunks: {answer:?}");
    assert_eq!(answer.text(), "ok");
    assert_eq!(origin.request().start_line(), "GET / HTTP/1.1");
    assert_eq!(origin.request().fields("via"), ["1.0 sluicegate"]);
}

#[test]
fn statuses_and_reason_phrases_come_through() {
    let gate_for = |status: &'static str| {
        let origin = Origin::start(move |_| sluicegate_tests::origin::answer(status, "x"));
        let gate = Gate::start(&all_to(origin.port(), ""));
        let answer = gate.get("/");
        assert!(answer.reason().is_none(), "the target's own answer has no reason of ours: {answer:?}");
        answer.start_line()
    };
    assert_eq!(gate_for("201 Created"), "HTTP/1.1 201 Created");
    assert_eq!(gate_for("503 Service Unavailable"), "HTTP/1.1 503 Service Unavailable");
    assert!(gate_for("599 Odd").starts_with("HTTP/1.1 599"));
}

#[test]
fn a_target_cannot_pretend_to_be_the_proxy() {
    let origin = Origin::start(|_| "HTTP/1.1 200 OK\r\nx-sluicegate-reason: no-route\r\ncontent-length: 0\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    assert_eq!(gate.get("/").reason(), None);
}

#[test]
fn a_date_is_there_once() {
    let origin =
        Origin::start(|_| "HTTP/1.1 200 OK\r\ndate: Sat, 01 Jan 2000 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    assert_eq!(gate.get("/").fields("date"), ["Sat, 01 Jan 2000 00:00:00 GMT"]);
}

#[test]
fn a_target_is_addressed_by_its_own_name_and_told_the_clients() {
    let origin = Origin::start(|_| ok("x"));
    let by_name = target("one", origin.port(), "").replace("127.0.0.1", "localhost");
    let gate = Gate::start(&[by_name, upstream("pool", &["one"], ""), prefix("/", "pool")].concat());
    gate.ask("GET / HTTP/1.1\r\nhost: client.example:81\r\n\r\n");
    let seen = origin.request();
    assert_eq!(seen.field("host"), Some(format!("localhost:{}", origin.port())));
    assert_eq!(seen.field("x-forwarded-host").as_deref(), Some("client.example:81"));
}

#[test]
fn a_rule_may_set_the_host() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), "requestHeaders: {set: {host: chosen.example}}"));
    gate.get("/");
    assert_eq!(origin.request().fields("host"), ["chosen.example"]);
}
