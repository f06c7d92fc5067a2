//! Malformed answers of targets: they are never passed on as if they were whole, and poison no later exchange.

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Origin, Setup};

/// Answers that a client must not get as they are: 502 instead.
const REFUSED: &[(&str, &[u8])] = &[
    ("no HTTP at all", b"hello\r\n\r\n"),
    ("two lengths that differ", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    ("a status that is none", b"HTTP/1.1 9 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a NUL in a value", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n"),
    ("a space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc"),
    (
        "an upgrade that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ),
];

#[test]
fn a_malformed_answer_is_a_502() {
    for (name, bytes) in REFUSED {
        let origin = Origin::start(move |_| bytes.to_vec());
        let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
        let answer = gate.get("/");
        assert_eq!(answer.status(), 502, "{name}: {answer:?}");
        assert!(answer.reason().is_some(), "{name}");
    }
}

#[test]
fn bytes_behind_an_answer_are_never_the_next_ones() {
    // The target answers one request with two answers: the second one must not reach the next client.
    let origin = Origin::start(|request| {
        if request.target() == "/poison" { [ok("first"), ok("poison")].concat() } else { ok(request.target()) }
    });
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
    for number in 0..20 {
        assert_eq!(gate.get("/poison").text(), "first");
        let path = format!("/{number}");
        assert_eq!(gate.get(&path).text(), path);
    }
}

#[test]
fn a_chunked_answer_that_breaks_does_not_look_whole() {
    for broken in ["zz\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "10000000000000003\r\nabc\r\n0\r\n\r\n"] {
        let origin = Origin::start(move |_| {
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n{broken}")
        });
        let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
        let mut client = gate.client();
        client.send(get("/"));
        let all = client.rest();
        assert!(!all.ends_with(b"0\r\n\r\n"), "{broken:?}: {:?}", String::from_utf8_lossy(&all));
    }
}

#[test]
fn a_length_and_chunks_in_one_answer_are_a_502() {
    let origin = Origin::start(
        |_| "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    );
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-protocol-error")));
}

#[test]
fn an_answer_with_endless_fields_is_given_up() {
    let origin = Origin::scripted(|wire, _| {
        wire.send("HTTP/1.1 200 OK\r\n")?;
        loop {
            wire.send("x-more: and more and more\r\n".repeat(1000))?;
        }
    });
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
    let before = gate.resident();
    assert_eq!(gate.get("/").status(), 502);
    assert!(gate.resident().saturating_sub(before) < 16 * 1024 * 1024);
}
