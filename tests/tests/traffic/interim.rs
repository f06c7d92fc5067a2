//! Interim answers of targets (RFC 9110, 15.2), between a scripted target and a scripted client.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use http::{Response, StatusCode};
use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::client::{get, post};
use sluicegate_tests::http1::Message;
use sluicegate_tests::http2::{Http2Client, Http2Origin};
use sluicegate_tests::manifests::{all_to, prefix, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Client, Gate, Origin, Setup};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";

/// A target that sends hints and holds the final answer until it is told to go on.
fn held() -> (Origin, Sender<()>) {
    let (go_on, told): (_, Receiver<()>) = channel();
    let told = Mutex::new(told);
    let origin = Origin::scripted(move |wire, _| {
        wire.send(HINTS)?;
        told.lock().unwrap().recv().map_err(std::io::Error::other)?;
        wire.send(ok("final"))
    });
    (origin, go_on)
}

fn hints(answer: &Message) {
    assert_eq!(answer.status(), 103);
    assert_eq!(answer.field("link").as_deref(), Some("</a.css>; rel=preload"));
}

#[test]
fn hints_arrive_before_the_final_answer_is_made() {
    let (origin, go_on) = held();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    for _ in 0..3 {
        hints(&client.get("/"));
        go_on.send(()).unwrap();
        assert_eq!(client.answer().text(), "final");
    }
    assert_eq!(origin.connections(), 1, "the target's connection is kept");
}

#[test]
fn hints_pass_through_tls() {
    let (origin, go_on) = held();
    let certificates = Certificates::new(&["test"]);
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    let mut client = Client::connect_tls(gate.tls, "test", certificates.client(&["http/1.1"]));
    hints(&client.get("/"));
    go_on.send(()).unwrap();
    assert_eq!(client.answer().text(), "final");
}

#[test]
fn several_in_one_piece_with_the_final_answer_keep_their_order() {
    let origin = Origin::start(|_| {
        format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n{HINTS}HTTP/1.1 103 Early Hints\r\nconnection: x-hop, close\r\nx-hop: 1\r\nx-sluicegate-reason: no-route\r\nlink: </b.css>\r\n\r\n{}",
            String::from_utf8(ok(HINTS)).unwrap(),
        )
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").status(), 102, "the 100 was for us");
        hints(&client.answer());
        let second = client.answer();
        assert_eq!((second.status(), second.field("link").as_deref()), (103, Some("</b.css>")));
        assert!(["connection", "x-hop", "x-sluicegate-reason"].iter().all(|name| second.fields(name).is_empty()));
        assert_eq!(client.answer().text(), HINTS, "a body is no interim answer");
    }
    assert_eq!(origin.connections(), 1, "a wish in an interim answer closes nothing");
}

#[test]
fn a_pipelining_client_gets_each_hint_before_its_own_answer() {
    let origin = Origin::start(|request| {
        let path = request.target();
        [format!("HTTP/1.1 103 Early Hints\r\nlink: <{path}>\r\n\r\n").into_bytes(), ok(path)].concat()
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send((0..20).map(|number| get(&format!("/{number}"))).collect::<String>());
    for number in 0..20 {
        assert_eq!(client.answer().field("link"), Some(format!("</{number}>")));
        assert_eq!(client.answer().text(), format!("/{number}"));
    }
}

#[test]
fn hints_and_the_go_ahead_for_a_body_are_both_there() {
    let origin = Origin::scripted(|wire, request| {
        wire.send(HINTS)?;
        wire.send(ok(&request.body))
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.answer().status(), 100);
    client.send("body");
    hints(&client.answer());
    assert_eq!(client.answer().text(), "body");
    hints(&client.ask(post("/", "more")));
    assert_eq!(client.answer().text(), "more");
}

#[test]
fn a_client_of_http_1_0_gets_the_final_answer_alone() {
    let origin = Origin::start(|_| [HINTS.as_bytes(), &ok("final")].concat());
    let gate = Gate::start(&all_to(origin.port(), ""));
    let answer = gate.ask("GET / HTTP/1.0\r\nhost: test\r\n\r\n");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "final"));
}

#[test]
fn over_http_2_on_either_side_the_final_answer_comes_alone() {
    let origin = Origin::start(|_| [HINTS.as_bytes(), &ok("final")].concat());
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = Http2Client::connect(gate.listen);
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "final");
    }
    let origin = Http2Origin::start(async |mut exchange| {
        exchange.respond.send_informational(
            Response::builder().status(StatusCode::EARLY_HINTS).body(()).expect("an interim answer"),
        )?;
        exchange.answer(Response::new(()), "final", None)
    });
    let manifests =
        [target("one", origin.port(), "protocol: H2C"), upstream("pool", &["one"], ""), prefix("/", "pool")].concat();
    assert_eq!(Gate::start(&manifests).get("/").text(), "final");
}

#[test]
fn a_flood_of_hints_reaches_a_slow_reader_as_whole_answers_or_not_at_all() {
    let origin = Origin::scripted(|wire, _| {
        wire.send(HINTS.repeat(100_000))?;
        wire.send(ok("final"))
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/"));
    origin.until_requests(1);
    let mut answer = client.answer();
    while answer.status() == 103 {
        hints(&answer);
        answer = client.answer();
    }
    assert_eq!(answer.text(), "final");
}

#[test]
fn a_hint_that_is_cut_off_is_a_broken_answer() {
    let origin = Origin::scripted(|wire, _| {
        wire.send("HTTP/1.1 103 Early Hints\r\nlink: <")?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-reset")));
}
