//! Targets that come and go, clients that vanish, a process that runs out of descriptors.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{all_to, prefix, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Client, Gate, Origin, Setup, until};

#[test]
fn a_target_that_breaks_off_under_load_hurts_only_its_own_requests() {
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let shaky = Origin::scripted(move |wire, _| {
        if breaks.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        wire.send(ok("shaky"))
    });
    let steady = Origin::text("steady");
    let gate = Gate::start(
        &[
            target("shaky", shaky.port(), ""),
            target("steady", steady.port(), ""),
            upstream("pool", &["shaky", "steady"], ""),
            prefix("/", "pool"),
        ]
        .concat(),
    );
    let mut client = gate.client();
    for round in 0..10 {
        broken.store(round % 2 == 1, Ordering::SeqCst);
        for _ in 0..50 {
            let answer = client.ask(post("/", "x"));
            match answer.status() {
                200 => {}
                502 if round % 2 == 1 => assert_eq!(answer.reason().as_deref(), Some("upstream-reset")),
                _ => panic!("round {round}: {answer:?}"),
            }
        }
    }
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let origin = Origin::scripted(|wire, request| {
        if request.target() == "/never" {
            return wire.rest().map(drop);
        }
        wire.send(ok("x"))
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    assert_eq!(gate.get("/").status(), 200);
    let before = gate.descriptors();
    for number in 0..200 {
        let mut stream = TcpStream::connect(gate.listen).unwrap();
        let whole = get("/never");
        let part = match number % 4 {
            0 => "",
            1 => &whole[..10],
            2 => &whole,
            _ => "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000\r\n\r\nsome",
        };
        stream.write_all(part.as_bytes()).unwrap();
    }
    until("their connections are given back, to the targets too", || (gate.descriptors() <= before + 4).then_some(()));
    assert_eq!(gate.get("/").status(), 200);
}

#[test]
fn without_descriptors_it_waits_and_goes_on() {
    let origin = Origin::text("x");
    let mut gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").descriptors(64).start();
    let idle: Vec<Client> = (0..100).map(|_| gate.client()).collect();
    until("it has used them up", || (gate.descriptors() >= 60).then_some(()));
    drop(idle);
    gate.until("it serves again", "/", |answer| answer.status() == 200);
    assert!(gate.runs());
}

#[test]
fn the_folder_that_goes_away_leaves_what_is_served() {
    let origin = Origin::text("still here");
    let mut gate = Gate::start(&all_to(origin.port(), ""));
    std::fs::remove_dir_all(gate.folder()).unwrap();
    for _ in 0..50 {
        assert_eq!(gate.get("/").text(), "still here");
    }
    assert!(gate.runs());
}

#[test]
fn memory_does_not_grow_with_requests() {
    let origin = Origin::text("x");
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
    let mut client = gate.client();
    let mut round = |requests: usize| {
        for _ in 0..requests / 50 {
            client.send(get("/").repeat(50));
            for _ in 0..50 {
                assert_eq!(client.answer().status(), 200);
            }
        }
        gate.own_memory()
    };
    let after_the_first = round(5_000);
    let after_the_rest = round(30_000);
    let grown = after_the_rest.saturating_sub(after_the_first);
    assert!(grown < 2 * 1024 * 1024, "{grown} bytes more after 30,000 requests");
}

#[test]
fn a_target_that_is_slow_to_accept_holds_up_no_other() {
    let slow = Origin::scripted(|wire, _| wire.rest().map(drop));
    let quick = Origin::text("quick");
    let gate = Setup::new(
        &[
            target("slow", slow.port(), ""),
            target("quick", quick.port(), ""),
            upstream("slow", &["slow"], ""),
            upstream("quick", &["quick"], ""),
            prefix("/slow", "slow"),
            prefix("/quick", "quick"),
        ]
        .concat(),
    )
    .configuration("workers: 1")
    .start();
    let waiting: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = gate.client();
            client.send(get("/slow"));
            client
        })
        .collect();
    slow.until_requests(100);
    for _ in 0..50 {
        assert_eq!(gate.get("/quick").text(), "quick");
    }
    drop(waiting);
}
