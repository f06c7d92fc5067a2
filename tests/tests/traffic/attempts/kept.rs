//! Kept connections to targets that are closed at the moment at which a request is on its way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{all_to, object, prefix, target};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Gate, Message, Origin};

/// A target that takes so many requests over each connection and closes it once it has read the next one.
fn closing_after(answered: usize) -> Origin {
    let taken = Mutex::new(BTreeMap::new());
    Origin::scripted(move |wire, request| {
        let mut taken = taken.lock().unwrap();
        let taken = taken.entry(request.connection).or_insert(0);
        *taken += 1;
        if *taken > answered { Err(io::ErrorKind::ConnectionAborted.into()) } else { wire.send(ok("here")) }
    })
}

#[test]
fn an_idempotent_request_is_asked_again_over_a_new_connection() {
    let origin = closing_after(1);
    // One failure would have the other target asked.
    let other = Origin::text("there");
    let health = "connections: {max: 1}\nhealthChecks: {passive: {threshold: 1, maxEjectedPercent: 100}}";
    let pool = format!("targets: [{{name: here}}, {{name: there, priority: 2}}]\n{health}");
    let manifests = [
        target("here", origin.port(), ""),
        target("there", other.port(), ""),
        object("Upstream", "pool", &pool),
        prefix("/", "pool"),
    ];
    let gate = Gate::start(&manifests.concat());
    let mut client = gate.client();
    for number in 0..4 {
        assert_eq!(client.get(&format!("/{number}")).text(), "here");
    }
    let asked: Vec<String> = origin.requests().iter().map(Message::target).collect();
    assert_eq!(asked, ["/0", "/1", "/1", "/2", "/2", "/3", "/3"]);
    let [first, second] = &origin.requests()[1..3] else { panic!("{asked:?}") };
    assert_eq!(first.head, second.head, "to the letter");
    assert!(other.requests().is_empty(), "a target may close a connection that is kept");
}

#[test]
fn what_may_have_been_done_is_not_done_twice() {
    let origin = closing_after(1);
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    assert_eq!(client.get("/first").text(), "here");
    let refused = client.ask(post("/pay", "once"));
    assert_eq!((refused.status(), refused.reason().as_deref()), (502, Some("upstream-reset")));
    assert_eq!(origin.requests().iter().filter(|request| request.target() == "/pay").count(), 1);
}

#[test]
fn a_new_connection_that_is_closed_without_a_word_is_a_failure() {
    let origin = closing_after(0);
    let gate = Gate::start(&all_to(origin.port(), ""));
    let refused = gate.ask(get("/"));
    assert_eq!((refused.status(), refused.reason().as_deref()), (502, Some("upstream-reset")));
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn half_an_answer_is_none_and_is_not_asked_for_again() {
    let origin = Origin::scripted(|wire, request| {
        if request.target() == "/whole" {
            return wire.send(ok("here"));
        }
        wire.send("HTTP/1.1 200 OK\r\ncontent-le")?;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    assert_eq!(client.get("/whole").text(), "here");
    assert_eq!(client.get("/half").reason().as_deref(), Some("upstream-reset"));
    assert_eq!(origin.requests().len(), 2);
}
