//! What a target refuses over HTTP/2 without doing anything with it (RFC 9113, 8.7).

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

use bytes::Bytes;
use h2::Reason;
use http::Request;
use sluicegate_tests::client::post;
use sluicegate_tests::http2::{Http2Client, Http2Origin, read};
use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::{Gate, Origin, Setup, until};

const HTTP2: &str = "protocol: H2C";
/// One failure of either kind would tell.
const JUDGED: &str = "circuitBreaker: {failureThreshold: 1, openDuration: 10m}";

/// Reads each request whole and refuses it.
fn refusing() -> Http2Origin {
    Http2Origin::start(async |mut exchange| {
        read(&mut exchange.body).await?;
        exchange.respond.send_reset(Reason::REFUSED_STREAM);
        Ok(())
    })
}

fn gate(targets: &[(&str, u16, &str)], pool: &str, more: &str) -> Gate {
    let manifests: String = targets.iter().map(|(name, port, more)| target(name, *port, more)).collect();
    let names: Vec<&str> = targets.iter().map(|(name, ..)| *name).collect();
    let all = [manifests, upstream("pool", &names, pool), rule("all", &format!("upstream: pool\n{more}"))];
    Setup::new(&all.concat()).configuration("workers: 1").start()
}

#[test]
fn a_refused_request_goes_to_another_target_whatever_its_method() {
    let (bad, good) = (refusing(), Origin::echo());
    let gate = gate(&[("bad", bad.port(), HTTP2), ("good", good.port(), "")], "", "");
    let client = Http2Client::connect(gate.listen);
    for number in 1..=4 {
        assert!(gate.ask(post("/", "one order")).text().ends_with("\r\n\r\none order"));
        let grpc = Request::post("http://test/service/Method").header("content-type", "application/grpc");
        let answer = client.ask(grpc.body(Bytes::from("message")).unwrap()).unwrap();
        assert!(answer.text().ends_with("message"), "{}", answer.text());
        assert_eq!(gate.get("/").status(), 200);
        assert_eq!(good.requests().len(), 3 * number, "each comes to it once");
    }
    assert!(bad.heads().len() >= 4);
    let attempts = "gateway_upstream_attempts_total{upstream=\"default/pool\",outcome=\"refused\"}";
    assert_eq!(gate.count(attempts), bad.heads().len());
    assert_eq!(gate.count("gateway_retries_total{route=\"default/all\",decision=\"retried\"}"), 0, "no budget is used");
}

#[test]
fn a_body_beyond_the_rules_buffer_cannot_be_given_again() {
    let (bad, good) = (refusing(), Origin::echo());
    let gate = gate(&[("bad", bad.port(), HTTP2), ("good", good.port(), "")], "", "bufferSize: 1Ki");
    let mut refused = 0;
    for _ in 0..4 {
        let answer = gate.ask(post("/", &"x".repeat(2000)));
        if answer.status() == 200 {
            assert!(answer.text().ends_with("xxx"));
        } else {
            refused += 1;
            assert_eq!(answer.reason().as_deref(), Some("upstream-reset"));
        }
    }
    assert_eq!((refused, good.requests().len()), (2, 2));
    assert!(gate.ask(post("/", &"x".repeat(1000))).text().ends_with("xxx"));
    assert!(gate.ask(post("/", &"x".repeat(1000))).text().ends_with("xxx"));
}

#[test]
fn one_that_refuses_everything_is_unhealthy() {
    let (bad, good) = (refusing(), Origin::echo());
    let gate = gate(&[("bad", bad.port(), HTTP2), ("good", good.port(), "")], JUDGED, "");
    for _ in 0..4 {
        assert!(gate.ask(post("/", "body")).text().ends_with("body"));
    }
    assert_eq!(bad.heads().len(), 1);
    assert_eq!(gate.count("sluicegate_circuit_breaker_openings_total{service=\"default/bad\""), 1);
}

#[test]
fn a_lone_target_that_refuses_is_asked_once_more() {
    let bad = refusing();
    let gate = gate(&[("bad", bad.port(), HTTP2)], "", "");
    assert_eq!(gate.ask(post("/", "body")).reason().as_deref(), Some("upstream-reset"));
    assert_eq!(bad.heads().len(), 2);
}

/// Closes its first connection in an orderly way when the first request is there, and passes all others on.
fn leaving(to: &Http2Origin) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), to.port());
    thread::spawn(move || -> io::Result<()> {
        let (mut first, _) = listener.accept()?;
        // No settings of its own.
        first.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
        let mut seen = Vec::new();
        while !seen.windows(4).any(|bytes| bytes == b"body") {
            let mut piece = [0; 4096];
            let length = first.read(&mut piece)?;
            seen.extend_from_slice(&piece[..length]);
        }
        // GOAWAY: the last stream that it did anything for is 0, NO_ERROR.
        first.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        for client in listener.incoming() {
            let (client, server) = (client?, TcpStream::connect((Ipv4Addr::LOCALHOST, to))?);
            let (mut there, mut back) = ((client.try_clone()?, server.try_clone()?), (server, client));
            thread::spawn(move || io::copy(&mut there.0, &mut there.1));
            thread::spawn(move || io::copy(&mut back.0, &mut back.1));
        }
        Ok(())
    });
    port
}

#[test]
fn a_target_that_closes_a_connection_gets_the_request_over_another_and_has_not_failed() {
    let origin = Http2Origin::echo();
    let gate = gate(&[("leaving", leaving(&origin), HTTP2)], JUDGED, "");
    assert_eq!(gate.ask(post("/", "body")).text(), "body");
    assert_eq!(origin.heads().len(), 1);
    assert_eq!(gate.ask(post("/", "body")).text(), "body");
    until("the requests are told of", || {
        let refused = "gateway_upstream_attempts_total{upstream=\"default/pool\",outcome=\"refused\"}";
        (gate.count(refused) == 1).then_some(())
    });
    assert_eq!(gate.count("sluicegate_circuit_breaker_openings_total{service=\"default/leaving\""), 0);
}
