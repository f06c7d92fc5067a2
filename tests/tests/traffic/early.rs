//! Answers that come before the end of their request: the client can read them, and knows what becomes of its connection.

use std::net::Shutdown;
use std::sync::{Arc, Barrier};

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{all_to, prefix, target, upstream};
use sluicegate_tests::{Client, Gate, Message, Origin, Setup, until};

/// More than all buffers on the way hold.
const LARGE: usize = 24 * 1024 * 1024;

fn upload(path: &str, length: usize) -> Vec<u8> {
    let mut bytes = format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

fn closes(answer: &Message) -> bool {
    answer.fields("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}

/// A gate with a limit of size, a rule for `/pool` and one for `/none`, whose targets cannot be reached.
fn gate(origin: &Origin) -> Setup {
    let manifests = [
        target("one", origin.port(), ""),
        target("none", 1, ""),
        upstream("pool", &["one"], ""),
        upstream("nobody", &["none"], ""),
        prefix("/pool", "pool"),
        prefix("/none", "nobody"),
    ];
    Setup::new(&manifests.concat()).configuration("limits: {requestBody: 32Mi}")
}

#[test]
fn a_client_that_sends_everything_before_it_reads_gets_the_answer() {
    let origin = Origin::echo();
    let certificates = Certificates::new(&["test"]);
    let gate = gate(&origin).tls(&certificates.certificate, &certificates.key).start();
    for (path, length, status) in [("/nowhere", LARGE, 404), ("/pool", LARGE * 2, 413), ("/none", LARGE, 502)] {
        let mut client = gate.client();
        let answer = client.send(upload(path, length)).answer();
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(closes(&answer), "{answer:?}");
        client.ends();
        let mut client = Client::connect_tls(gate.tls, "test", certificates.client(&["http/1.1"]));
        assert_eq!(client.send(upload(path, length)).answer().status(), status);
    }
    assert!(origin.requests().is_empty());
}

#[test]
fn a_head_that_is_refused_while_it_comes_can_be_sent_to_its_end() {
    let origin = Origin::echo();
    let gate = gate(&origin).start();
    let mut client = gate.client();
    let head = format!("GET / HTTP/1.1\r\nhost: test\r\n{}\r\n", "x-more: and more\r\n".repeat(1_000_000));
    assert_eq!(client.send(head).answer().status(), 431);
    client.ends();
}

#[test]
fn a_body_that_cannot_be_understood_can_be_sent_to_its_end() {
    let origin = Origin::scripted(|wire, _| wire.rest().map(drop));
    let gate = gate(&origin).start();
    for path in ["/pool", "/nowhere"] {
        let mut client = gate.client();
        let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n");
        client.send(head + "no size\r\n" + &"x".repeat(LARGE));
        assert!(matches!(client.answer().status(), 400 | 404), "{path}");
        client.ends();
    }
}

#[test]
fn nothing_behind_a_body_that_cannot_be_understood_is_a_request() {
    let origin = Origin::scripted(|wire, _| wire.rest().map(drop));
    let gate = gate(&origin).start();
    // The trailers end where not every reader ends them, and what looks like their end follows.
    for body in ["0\r\nx: y\n\n\r\n", "0\r\nx: y\n\r\n\r\n", "0\n\r\n\r\n", "4\r\nbody!\r\n0\r\n\r\n"] {
        for path in ["/pool", "/nowhere"] {
            let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
            let mut client = gate.client();
            let answer = client.ask(head + body + &get("/nowhere"));
            assert!(matches!(answer.status(), 400 | 404) && closes(&answer), "{path}: {body:?}: {answer:?}");
            client.ends();
        }
    }
}

#[test]
fn requests_behind_the_one_that_is_refused_do_not_take_its_answer_away() {
    let origin = Origin::echo();
    let gate = gate(&origin).start();
    let mut client = gate.client();
    let refused = "POST /pool HTTP/1.1\r\nhost: test\r\ncontent-length: 3, 4\r\n\r\n";
    let answer = client.send(refused.to_owned() + &get("/pool").repeat(500_000)).answer();
    assert_eq!(answer.status(), 400);
    client.ends();
}

#[test]
fn a_body_that_is_there_already_costs_no_connection() {
    let origin = Origin::echo();
    let gate = gate(&origin).start();
    let mut client = gate.client();
    for _ in 0..3 {
        let answer = client.ask(post("/nowhere", "body"));
        assert_eq!((answer.status(), closes(&answer)), (404, false));
        let answer = client.ask(post("/none", "body"));
        assert_eq!((answer.status(), closes(&answer)), (502, false));
    }
}

#[test]
fn a_body_that_waits_for_the_go_ahead_is_waited_for_no_more() {
    let origin = Origin::echo();
    let gate = gate(&origin).start();
    let mut client = gate.client();
    let answer =
        client.ask("POST /nowhere HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n");
    assert_eq!((answer.status(), closes(&answer)), (404, true));
    client.ends();
}

#[test]
fn a_chunked_body_that_nobody_reads_ends_the_connection_only_where_the_answer_says_so() {
    let origin = Origin::echo();
    let gate = gate(&origin).start();
    for chunks in ["", "4\r\nbody\r\n", "4\r\nbody\r\n4\r\nbody\r\n"] {
        let mut client = gate.client();
        let head = "POST /nowhere HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
        let answer = client.ask(format!("{head}{chunks}0\r\n\r\n"));
        assert_eq!(answer.status(), 404);
        if closes(&answer) {
            client.ends();
        } else {
            assert_eq!(client.get("/pool").status(), 200);
        }
    }
}

#[test]
fn a_targets_early_refusal_reaches_the_client() {
    #[derive(Clone, Copy, Debug)]
    enum Then {
        Reads,
        EndsAndReads,
        ReadsNothing,
    }
    for then in [Then::Reads, Then::EndsAndReads, Then::ReadsNothing] {
        let done = Arc::new(Barrier::new(2));
        let until_done = Arc::clone(&done);
        let origin = Origin::raw(move |wire, _| {
            wire.head()?;
            wire.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nno!")?;
            match then {
                Then::Reads => {}
                Then::EndsAndReads => wire.stream.tcp().shutdown(Shutdown::Write)?,
                Then::ReadsNothing => drop(until_done.wait()),
            }
            wire.rest().map(drop)
        });
        let gate = Gate::start(&all_to(origin.port(), ""));
        let mut client = gate.client();
        let answer = client.send(upload("/", LARGE)).answer();
        assert_eq!((answer.status(), answer.text().as_str(), closes(&answer)), (413, "no!", true), "{then:?}");
        client.ends();
        if matches!(then, Then::ReadsNothing) {
            done.wait();
        }
        until("the target's connection is given up", || (origin.open_connections() == 0).then_some(()));
    }
}

#[test]
fn a_target_may_answer_while_it_takes_the_request() {
    let origin = Origin::raw(|wire, requests| {
        let head = wire.head()?.unwrap_or_default();
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nearly, ")?;
        let body = wire.exactly(20)?;
        requests.lock().unwrap().push(Message { head, body, ..Message::default() });
        wire.send("on")
    });
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("limits: {headerTimeout: 1s}").start();
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 20\r\n\r\n");
    assert_eq!(client.wire.exactly(15).unwrap(), b"HTTP/1.1 200 OK");
    for _ in 0..4 {
        // What comes of a body is no head, however long it takes: the header limit passes on another connection.
        client.send("xxxxx");
        assert_eq!(gate.client().ask("GET /").status(), 408);
    }
    assert_eq!(origin.until_requests(1)[0].body, b"x".repeat(20));
    assert!(client.rest().ends_with(b"early, on"));
}
