//! Outages that retries must not multiply.

use std::time::Duration;

use sluicegate_tests::load::{Load, Plan};
use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::{Fault, Faulty, Setup};

#[test]
fn retries_do_not_multiply_an_outage() {
    outage("GET", "");
}

#[test]
fn nor_do_those_of_requests_whose_bodies_are_read_ahead() {
    outage("POST", "affinity: {conversation: {}}");
}

fn outage(method: &'static str, affinity: &str) {
    let targets = ["one", "two", "three"].map(Faulty::start);
    let manifests = [
        targets.iter().zip(["one", "two", "three"]).map(|(faulty, name)| target(name, faulty.port(), "")).collect(),
        upstream("pool", &["one", "two", "three"], affinity),
        rule(
            "all",
            "upstream: pool\nretry: {attempts: 3, backoff: {type: Linear, interval: 20ms}, budgetPercent: 20, exclude: {methods: []}}",
        ),
    ]
    .concat();
    let gate = Setup::new(&manifests).configuration("accessLog: {sample: 0}").start();
    for faulty in &targets {
        faulty.fail(Fault::Status(503, ""));
    }
    // Enough at a time that the budget's floor of three is little beside it.
    let plan = Plan::of(&[gate.listen], "test");
    let plan = Plan { clients: 64, pause: Duration::from_millis(32), method, keep_alive: true, ..plan };
    let load = Load::start(&plan);
    load.more(4_000);
    let asked = load.end();
    let sent: usize = targets.iter().map(Faulty::requests).sum();
    assert!(asked.iter().all(|asked| asked.answer.as_ref().is_ok_and(|reply| reply.status == 503)));
    let callers = asked.len();
    assert!(sent * 10 < callers * 13, "{sent} requests to the targets for {callers} of the callers");
    assert!(sent > callers, "nothing was retried");
}
