//! Stopping: nothing new, everything under way to its end, then out.

use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use sluicegate_tests::client::get;
use sluicegate_tests::http2::Http2Client;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Gate, Origin, Setup, until};

/// A target that holds `/held` until the barrier lets it go.
fn holding() -> (Origin, Arc<Barrier>) {
    let hold = Arc::new(Barrier::new(2));
    let held = Arc::clone(&hold);
    let origin = Origin::scripted(move |wire, request| {
        if request.target() == "/held" {
            held.wait();
        }
        wire.send(ok(request.target()))
    });
    (origin, hold)
}

fn refuses(gate: &Gate) {
    until("new connections are refused", || TcpStream::connect(gate.listen).is_err().then_some(()));
}

#[test]
fn what_is_in_flight_is_finished_before_the_end() {
    let (origin, hold) = holding();
    let mut gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/held"));
    origin.until_requests(1);
    gate.terminate();
    refuses(&gate);
    assert!(gate.runs(), "it waits for the request in flight");
    hold.wait();
    let answer = client.answer();
    assert_eq!(answer.text(), "/held");
    client.ends();
    assert!(gate.ended().success());
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let (origin, _hold) = holding();
    let mut gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    assert_eq!(client.get("/").status(), 200);
    gate.terminate();
    client.ends();
    assert!(gate.ended().success());
}

#[test]
fn readiness_goes_first() {
    let (origin, hold) = holding();
    let mut gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send(get("/held"));
    origin.until_requests(1);
    gate.terminate();
    until("it is not ready any more", || (gate.admin("/readyz").status() == 503).then_some(()));
    assert_eq!(gate.admin("/healthz").status(), 200, "but alive");
    hold.wait();
    assert_eq!(client.answer().status(), 200);
    assert!(gate.ended().success());
}

#[test]
fn http_2_clients_are_told_and_finish_their_streams() {
    let (origin, hold) = holding();
    let mut gate = Gate::start(&all_to(origin.port(), ""));
    let client = Http2Client::connect(gate.listen);
    let (answer, _) = client.open(Request::get("http://test/held").body(()).unwrap(), false).unwrap();
    client.run(async { tokio::task::yield_now().await });
    origin.until_requests(1);
    gate.terminate();
    refuses(&gate);
    until("the client is told to go elsewhere", || {
        client.ask(Request::get("http://test/new").body(Bytes::new()).unwrap()).is_err().then_some(())
    });
    hold.wait();
    assert_eq!(client.answer(answer).unwrap().text(), "/held");
    assert_eq!(client.ended(), Ok(()), "GOAWAY without an error");
    assert!(gate.ended().success());
}

#[test]
fn after_the_drain_timeout_the_rest_is_cut_off() {
    let (origin, hold) = holding();
    let mut gate = Setup::new(&all_to(origin.port(), "")).configuration("shutdown: {drainTimeout: 500ms}").start();
    let mut client = gate.client();
    client.send(get("/held"));
    origin.until_requests(1);
    let begun = Instant::now();
    gate.terminate();
    gate.ended();
    // The default is half a minute.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!client.rest().starts_with(b"HTTP/1.1 200"), "the target never answered");
    hold.wait();
}
