//! Fields that stand by themselves.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{authorities, object, prefix, rule, target, upstream};
use sluicegate_tests::{Gate, Origin, Setup};
use socket2::{Domain, Socket, Type};

fn to(origin: &Origin, more: &str) -> String {
    format!("targets: [{{url: \"http://127.0.0.1:{}\"}}]\n{more}", origin.port())
}

/// Two origins that answer with their names, and a Rule for each: the first with these further keys, the second for the rest.
fn this_or_that(this: &str) -> (Gate, [Origin; 2]) {
    let origins = ["this", "that"].map(Origin::text);
    let rules = [rule("this", &to(&origins[0], this)), rule("that", &to(&origins[1], "matches: [{path: {value: /}}]"))];
    (Gate::start(&rules.concat()), origins)
}

fn with_fields(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nhost: test\r\n{fields}\r\n")
}

#[test]
fn a_rule_that_is_not_active_takes_nothing() {
    for (active, taker) in [("true", "this"), ("false", "that")] {
        let (gate, _origins) =
            this_or_that(&format!("matches: [{{path: {{type: Exact, value: /}}}}]\nactive: {active}"));
        assert_eq!(gate.get("/").text(), taker, "active: {active}");
    }
}

#[test]
fn headers_choose_by_regular_expression_and_presence() {
    let (gate, _origins) =
        this_or_that("matches: [{headers: [{name: X-Model, type: RegularExpression, value: 'gpt-[0-9]+'}]}]");
    for (fields, taker) in [
        ("x-model: gpt-4\r\n", "this"),
        ("x-model: gpt-4o\r\n", "that"),
        ("x-model: my-gpt-4\r\n", "that"),
        ("x-model: gpt-4o\r\nx-model: gpt-4\r\n", "this"),
        ("", "that"),
    ] {
        assert_eq!(gate.ask(with_fields(fields)).text(), taker, "{fields:?}");
    }
    let (gate, _origins) = this_or_that("matches: [{headers: [{name: X-Debug, type: Present}]}]");
    for (fields, taker) in [("x-debug: 1\r\n", "this"), ("X-DEBUG:\r\n", "this"), ("x-debugger: 1\r\n", "that")] {
        assert_eq!(gate.ask(with_fields(fields)).text(), taker, "{fields:?}");
    }
}

#[test]
fn query_parameters_choose_by_regular_expression_and_presence() {
    let (gate, _origins) = this_or_that("matches: [{query: [{name: v, type: RegularExpression, value: '[0-9]+'}]}]");
    for (path, taker) in [("/?v=12", "this"), ("/?v=1a", "that"), ("/?v=a&v=3", "this"), ("/?w=1", "that")] {
        assert_eq!(gate.get(path).text(), taker, "{path}");
    }
    let (gate, _origins) = this_or_that("matches: [{query: [{name: 'filter[name]', type: Present}]}]");
    for (path, taker) in [("/?filter%5Bname%5D=x", "this"), ("/?filter[name]", "this"), ("/?filter=x", "that")] {
        assert_eq!(gate.get(path).text(), taker, "{path}");
    }
}

#[test]
fn a_body_above_the_maximum_goes_elsewhere() {
    let (gate, _origins) = this_or_that("matches: [{contentLength: {min: 2, max: 1k}}]");
    for (length, taker) in [(1, "that"), (2, "this"), (1_000, "this"), (1_001, "that")] {
        assert_eq!(gate.ask(post("/", &"x".repeat(length))).text(), taker, "{length} bytes");
    }
    let chunked = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n";
    assert_eq!(gate.ask(chunked).text(), "that", "no declared length");
}

#[test]
fn a_users_segments_choose() {
    let (gate, _origins) = this_or_that("matches: [{userSegment: [beta_testers, staff]}]");
    for (fields, taker) in [
        ("x-user-segment: staff\r\n", "this"),
        ("x-user-segment: early, beta_testers\r\n", "this"),
        ("x-user-segment: beta\r\n", "that"),
        ("", "that"),
    ] {
        assert_eq!(gate.ask(with_fields(fields)).text(), taker, "{fields:?}");
    }
}

#[test]
fn a_model_behind_the_buffers_end_is_not_found() {
    let early = r#"{"model":"m","text":""}"#;
    let late = format!(r#"{{"text":"{}","model":"m"}}"#, "x".repeat(200));
    for (size, taker) in [("64", "that"), ("1Ki", "this")] {
        let (gate, _origins) =
            this_or_that(&format!("matches: [{{path: {{value: /}}, model: [m]}}]\nbufferSize: {size}"));
        assert_eq!(gate.ask(post("/", early)).text(), "this", "within {size}");
        assert_eq!(gate.ask(post("/", &late)).text(), taker, "{size}");
    }
}

#[test]
fn a_targets_path_is_put_in_front() {
    let origin = Origin::echo();
    let gate = Gate::start(
        &[target("one", origin.port(), "path: /v1/base/"), upstream("pool", &["one"], ""), prefix("/", "pool")]
            .concat(),
    );
    for (asked, sent) in [("/a?b=c", "/v1/base/a?b=c"), ("/", "/v1/base/")] {
        origin.forget();
        gate.get(asked);
        assert_eq!(origin.request().target(), sent);
    }
}

#[test]
fn a_targets_headers_replace_the_clients() {
    let origin = Origin::echo();
    let headers = "headers: {X-Version: '2', Host: chosen.example}";
    let gate = Gate::start(
        &[target("one", origin.port(), headers), upstream("pool", &["one"], ""), prefix("/", "pool")].concat(),
    );
    gate.ask(with_fields("x-version: 1\r\nx-version: 0\r\n"));
    assert_eq!(origin.request().fields("x-version"), ["2"]);
    assert_eq!(origin.request().fields("host"), ["chosen.example"]);
}

#[test]
fn authorities_may_be_under_another_key() {
    let certificates = Certificates::new(&["target.test"]);
    let origin = Origin::tls_echo(certificates.server(&["http/1.1"]));
    let status = |key: &str| {
        let tls = format!(
            "protocol: HTTPS\ntls: {{serverName: target.test, caRef: {{configMap: {{name: authority, key: {key}}}}}}}"
        );
        Gate::start(
            &[
                authorities("authority", &certificates.authority).replace("ca.crt:", "other.pem:"),
                target("one", origin.port(), &tls),
                upstream("pool", &["one"], ""),
                prefix("/", "pool"),
            ]
            .concat(),
        )
        .get("/")
        .status()
    };
    assert_eq!(status("other.pem"), 200);
    assert_eq!(status("missing.pem"), 503, "a target whose authorities are missing gets nothing");
}

#[test]
fn a_cookie_lives_as_long_as_its_upstream_says() {
    let origin = Origin::text("one");
    let cookie = |ttl: &str| {
        let affinity = format!("affinity: {{cookie: {{name: sg{ttl}}}}}");
        let gate = Gate::start(
            &[target("one", origin.port(), ""), upstream("pool", &["one"], &affinity), prefix("/", "pool")].concat(),
        );
        gate.get("/").field("set-cookie").expect("a new client gets a cookie").to_lowercase()
    };
    let lasting = cookie(", ttl: 1h30m");
    assert!(lasting.split("; ").any(|part| part == "max-age=5400"), "{lasting}");
    let passing = cookie("");
    assert!(passing.starts_with("sg=") && !passing.contains("max-age"), "{passing}");
}

#[test]
fn a_clients_address_keeps_it_at_its_target() {
    let origins = ["a", "b", "c"].map(Origin::text);
    let targets = ["a", "b", "c"].iter().zip(&origins).map(|(name, origin)| target(name, origin.port(), ""));
    let pool = upstream("pool", &["a", "b", "c"], "affinity: {clientIP: {}}");
    let gate = Setup::new(&[targets.collect(), pool, prefix("/", "pool")].concat())
        .configuration("trustedProxies: [127.0.0.0/8]")
        .start();
    let ask = |client: usize| gate.ask(with_fields(&format!("x-forwarded-for: 192.0.2.{client}\r\n"))).text();
    let first: Vec<String> = (0..30).map(ask).collect();
    assert_eq!(first, (0..30).map(ask).collect::<Vec<_>>());
    assert_eq!(first.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(["a", "b", "c"]));
}

#[test]
fn a_header_may_name_the_conversation() {
    let origins = ["a", "b", "c"].map(Origin::text);
    let targets: String =
        ["a", "b", "c"].iter().zip(&origins).map(|(name, origin)| target(name, origin.port(), "")).collect();
    let affinity = "affinity: {conversation: {header: X-Conversation}}";
    let gate = Gate::start(&[targets, upstream("pool", &["a", "b", "c"], affinity), prefix("/", "pool")].concat());
    let ask = |conversation: usize, text: &str| {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        let head = format!("host: test\r\nx-conversation: {conversation}\r\n");
        gate.ask(post("/", &body).replace("host: test\r\n", &head)).text()
    };
    let first: Vec<String> = (0..30).map(|conversation| ask(conversation, "one topic")).collect();
    let later: Vec<String> = (0..30).map(|conversation| ask(conversation, &format!("topic {conversation}"))).collect();
    assert_eq!(first, later, "the header decides, whatever the messages are");
    assert_eq!(first.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(["a", "b", "c"]));
}

#[test]
fn a_short_connect_timeout_is_over_before_a_long_one() {
    // A listener whose queue is full takes no further connections: the kernel drops what comes.
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let full = socket();
    full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _filling: Vec<Socket> = (0..4)
        .map(|_| {
            let socket = socket();
            socket.set_nonblocking(true).unwrap();
            drop(socket.connect(&address.into()));
            socket
        })
        .collect();
    let pool = |name: &str, timeout: &str| {
        let more = format!("connections: {{connectTimeout: {timeout}}}");
        [target(name, address.port(), ""), upstream(name, &[name], &more), prefix(&format!("/{name}"), name)].concat()
    };
    let gate = Gate::start(&[pool("long", "20s"), pool("short", "100ms")].concat());
    let mut long = gate.client();
    long.send(get("/long"));
    let began = Instant::now();
    let answer = gate.get("/short");
    assert_eq!((answer.status(), answer.reason().as_deref()), (504, Some("connect-timeout")));
    assert!(began.elapsed() < Duration::from_secs(4), "the default would be 5s");
    long.wire.stream.set_nonblocking(true).unwrap();
    let nothing = long.wire.stream.peek(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "the long one still waits");
}

#[test]
fn an_answer_that_stands_still_ends_before_its_target_ends_it() {
    let seen = Arc::new(Barrier::new(2));
    let until_seen = Arc::clone(&seen);
    let origin = Origin::scripted(move |wire, _| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
        until_seen.wait();
        Ok(())
    });
    let gate = Gate::start(&rule("one", &to(&origin, "timeouts: {idle: 200ms}")));
    let mut client = gate.client();
    client.send(get("/"));
    client.wire.head().unwrap();
    assert_eq!(client.rest(), b"half");
    seen.wait();
}

#[test]
fn objects_of_other_namespaces_are_not_meant() {
    let origin = Origin::text("here");
    let elsewhere = target("one", origin.port(), "").replace("{name: one}", "{name: one, namespace: elsewhere}");
    let gate = Gate::start(
        &[elsewhere, upstream("pool", &["one"], ""), prefix("/", "pool"), object("Rule", "rest", &to(&origin, ""))]
            .concat(),
    );
    assert_eq!(gate.ask(get("/")).status(), 503, "the Upstream's only member is not in its namespace");
}
