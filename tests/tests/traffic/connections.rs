//! Connections of clients: kept, pipelined, ended.

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::{Gate, Origin};

#[test]
fn a_connection_is_kept_for_further_requests() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    for number in 0..20 {
        let path = format!("/{number}");
        assert!(client.get(&path).text().starts_with(&format!("GET {path} ")));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::start(|request| sluicegate_tests::origin::ok(request.target()));
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    let all: String = (0..30)
        .map(|number| if number % 3 == 0 { post(&format!("/{number}"), "body") } else { get(&format!("/{number}")) })
        .collect();
    client.send(all);
    for number in 0..30 {
        assert_eq!(client.answer().text(), format!("/{number}"));
    }
}

#[test]
fn connection_close_is_obeyed_and_said_back() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    let answer = client.ask("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    assert_eq!(answer.field("connection").map(|value| value.to_lowercase()).as_deref(), Some("close"));
    client.ends();
    assert!(
        origin.request().fields("connection").iter().all(|value| value != "close"),
        "one hop's wish is not the next one's"
    );
}

#[test]
fn a_target_that_closes_does_not_close_the_clients_connection() {
    let origin = Origin::start(|_| "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    for _ in 0..5 {
        let answer = client.get("/");
        assert_eq!(answer.text(), "ok");
        assert!(answer.fields("connection").is_empty());
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    for byte in post("/slow", "body").bytes() {
        client.send([byte]);
    }
    assert_eq!(client.answer().status(), 200);
    assert_eq!(origin.request().text(), "body");
}

#[test]
fn an_http_1_0_connection_ends_after_its_answer_unless_asked_to_stay() {
    let origin = Origin::text("old");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    assert_eq!(client.ask("GET / HTTP/1.0\r\nhost: test\r\n\r\n").text(), "old");
    client.ends();
    let mut client = gate.client();
    for _ in 0..2 {
        let answer = client.ask("GET / HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n");
        assert_eq!(answer.text(), "old");
    }
}

#[test]
fn empty_lines_before_a_request_are_passed_over() {
    let origin = Origin::text("found");
    let gate = Gate::start(&all_to(origin.port(), ""));
    assert_eq!(gate.ask(format!("\r\n\r\n{}", get("/"))).text(), "found");
}
