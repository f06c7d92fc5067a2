//! Upgraded connections: bytes in both directions, untouched.

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Client, Gate, Origin, until};

const ASK: &str = "GET /socket HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

/// A target that agrees to every upgrade and then answers each line with the line in capitals, until `bye`.
fn upgrading() -> Origin {
    Origin::raw(|wire, requests| {
        let head = wire.head()?.unwrap_or_default();
        requests.lock().unwrap().push(sluicegate_tests::Message { head, ..Default::default() });
        wire.send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello\r\n")?;
        loop {
            let line = wire.line()?;
            wire.send(line.to_ascii_uppercase())?;
            if line == b"bye\r\n" {
                return Ok(());
            }
        }
    })
}

fn upgraded(gate: &Gate) -> Client {
    let mut client = gate.client();
    client.send(ASK);
    let head = String::from_utf8(client.wire.head().unwrap().unwrap()).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    client
}

#[test]
fn bytes_flow_both_ways_after_an_upgrade() {
    let origin = upgrading();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = upgraded(&gate);
    let request = origin.request();
    assert_eq!(request.field("upgrade").as_deref(), Some("websocket"));
    assert_eq!(request.field("connection").map(|value| value.to_lowercase()).as_deref(), Some("upgrade"));
    assert_eq!(request.field("sec-websocket-version").as_deref(), Some("13"));
    assert_eq!(client.wire.line().unwrap(), b"hello\r\n", "what comes right behind the 101 is not lost");
    for _ in 0..100 {
        client.send("some text\r\n");
        assert_eq!(client.wire.line().unwrap(), b"SOME TEXT\r\n");
    }
    client.send("bye\r\n");
    assert_eq!(client.rest(), b"BYE\r\n", "the target's end is the client's end");
}

#[test]
fn bytes_sent_right_behind_the_request_reach_the_upgraded_target() {
    let origin = upgrading();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(format!("{ASK}early\r\n"));
    client.wire.head().unwrap();
    assert_eq!(client.wire.line().unwrap(), b"hello\r\n");
    assert_eq!(client.wire.line().unwrap(), b"EARLY\r\n");
}

#[test]
fn a_client_that_leaves_ends_the_targets_side() {
    let origin = upgrading();
    let gate = Gate::start(&all_to(origin.port(), ""));
    drop(upgraded(&gate));
    until("the target's connection ends", || (origin.open_connections() == 0).then_some(()));
}

#[test]
fn a_target_may_decline_an_upgrade() {
    let origin = Origin::start(|_| ok("plain"));
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    assert_eq!(client.ask(ASK).text(), "plain");
    assert_eq!(client.get("/").text(), "plain", "and the connection goes on as before");
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_no_answer() {
    let origin = Origin::start(|_| "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: other\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    for asked in [get("/"), ASK.to_owned()] {
        let answer = gate.ask(asked);
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upgrade-failed")), "{answer:?}");
    }
}

#[test]
fn a_target_may_choose_among_the_protocols_that_the_client_names() {
    let origin =
        Origin::start(|_| "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: Two/1.1\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    for asked in ["one, two/1.1", "two"] {
        let mut client = gate.client();
        client.send(ASK.replace(": websocket", &format!(": {asked}")));
        let head = String::from_utf8(client.wire.head().unwrap().unwrap()).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    }
}

#[test]
fn upgraded_connections_count_as_in_flight_until_they_end() {
    let origin = upgrading();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = upgraded(&gate);
    let in_flight = || {
        let text = gate.admin("/metrics").text();
        text.lines()
            .filter(|line| line.contains("in_flight") && !line.starts_with('#'))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>()
    };
    assert!(in_flight() >= 1.0);
    drop(client);
    until("nothing is in flight", || (in_flight() == 0.0).then_some(()));
}
