//! Down the priorities within one request, where the Rule says nothing of retries.

use std::io;
use std::sync::{Arc, Barrier};

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{object, rule, target};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::ports::Port;
use sluicegate_tests::{Gate, Origin, Setup};

/// Two targets of the first priority and one of the second.
fn gate(first: u16, second: u16, last: u16, more: &str) -> Gate {
    let members = "targets:\n- {name: one, priority: 1}\n- {name: two, priority: 1}\n- {name: last, priority: 2}\n";
    let manifests = [
        target("one", first, ""),
        target("two", second, ""),
        target("last", last, ""),
        object("Upstream", "pool", &format!("{members}{more}")),
        rule("all", "upstream: pool"),
    ];
    Setup::new(&manifests.concat()).configuration("workers: 1").start()
}

fn failing() -> Origin {
    Origin::start(|_| answer("503 Service Unavailable", "failed"))
}

#[test]
fn a_request_whose_attempt_failed_goes_on_to_the_next_priority_once() {
    let (one, two, last) = (failing(), failing(), Origin::text("last"));
    let gate = gate(one.port(), two.port(), last.port(), "");
    for number in 1..=4 {
        assert_eq!(gate.get("/").text(), "last");
        assert_eq!(one.requests().len() + two.requests().len(), number, "one attempt in the first priority");
    }
    let failed_over = gate.count("gateway_retries_total{route=\"default/all\",decision=\"failed-over\"}");
    assert_eq!(failed_over, 4);
}

#[test]
fn a_post_that_was_sent_stays_where_it_was() {
    let (one, two, last) = (failing(), failing(), Origin::text("last"));
    let gate = gate(one.port(), two.port(), last.port(), "");
    let answer = gate.ask(post("/", "x"));
    assert_eq!((answer.status(), answer.text().as_str()), (503, "failed"));
    assert!(last.requests().is_empty());
}

#[test]
fn other_answers_are_answers() {
    let broken = || Origin::start(|_| answer("500 Internal Server Error", "broken"));
    let (one, two, last) = (broken(), broken(), Origin::text("last"));
    let gate = gate(one.port(), two.port(), last.port(), "");
    assert_eq!(gate.get("/").text(), "broken");
}

#[test]
fn a_connection_that_breaks_fails_over_too() {
    let breaking = || Origin::scripted(|_, _| Err(io::ErrorKind::ConnectionReset.into()));
    let (one, two, last) = (breaking(), breaking(), Origin::echo());
    let gate = gate(one.port(), two.port(), last.port(), "");
    let put = "PUT /a HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nbody";
    assert!(gate.ask(put).text().ends_with("\r\n\r\nbody"));
    assert_eq!(one.requests().len() + two.requests().len(), 1);
}

#[test]
fn when_all_priorities_fail_the_last_answer_is_passed_on() {
    let (one, two) = (failing(), failing());
    let last = Origin::start(|_| answer("502 Bad Gateway", "last failed"));
    let gate = gate(one.port(), two.port(), last.port(), "");
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.text().as_str()), (502, "last failed"));
}

#[test]
fn what_no_target_of_a_priority_takes_goes_down_whatever_it_is() {
    let (one, two, last) = (Port::free(), Port::free(), Origin::echo());
    let gate = gate(one.address().port(), two.address().port(), last.port(), "");
    for _ in 0..3 {
        assert!(gate.ask(post("/", "a body")).text().ends_with("a body"));
    }
}

#[test]
fn a_saturated_priority_overflows_into_the_next() {
    let hold = Arc::new(Barrier::new(3));
    let holding = || {
        let hold = Arc::clone(&hold);
        Origin::scripted(move |wire, _| {
            hold.wait();
            wire.send(ok("held"))
        })
    };
    let (one, two, last) = (holding(), holding(), Origin::text("last"));
    let gate = gate(one.port(), two.port(), last.port(), "connections: {max: 1, maxPending: 0}");
    let (mut first, mut second) = (gate.client(), gate.client());
    first.send(get("/"));
    second.send(get("/"));
    one.until_requests(1);
    two.until_requests(1);
    assert_eq!(gate.get("/").text(), "last");
    assert_eq!(gate.ask(post("/", "x")).text(), "last", "it was never sent");
    hold.wait();
    assert_eq!([first.answer().text(), second.answer().text()], ["held", "held"]);
}
