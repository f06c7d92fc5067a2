//! `circuitBreaker` of an Upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sluicegate_tests::manifests::{prefix, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Gate, Origin};

/// A 500 is tried nowhere else.
const BAD: &str = "500 Internal Server Error";

/// The target `one` before `other`, in a pool with this breaker.
fn guarded(breaker: &str, one: &Origin, other: &Origin) -> Gate {
    let targets = [target("one", one.port(), ""), target("other", other.port(), "")];
    let pool = upstream("pool", &["one", "other, priority: 2"], &format!("circuitBreaker: {breaker}"));
    Gate::start(&[&*targets.concat(), &*pool, &*prefix("/", "pool")].concat())
}

/// The target `one` alone, which always fails, behind a breaker that opens at once and has this fallback; the Upstream
/// `replica` beside it.
fn with_fallback(fallback: &str, one: &Origin, replica: &Origin) -> Gate {
    let targets = [target("one", one.port(), ""), target("replica", replica.port(), "")];
    let breaker = format!("circuitBreaker: {{failureThreshold: 1, fallback: {fallback}}}");
    let pools = [upstream("pool", &["one"], &breaker), upstream("replica", &["replica"], "")];
    Gate::start(&[&*targets.concat(), &*pools.concat(), &*prefix("/", "pool")].concat())
}

/// How many of at most so many requests do not go to `other`, the one after the other.
fn before_other(gate: &Gate, most: usize) -> usize {
    (0..most).take_while(|_| gate.get("/").text() != "other").count()
}

/// How often the breaker of `one` has opened. Whoever has an answer sees what it decided.
fn openings(gate: &Gate) -> usize {
    gate.count("sluicegate_circuit_breaker_openings_total{service=\"default/one\"")
}

fn failing() -> Origin {
    Origin::start(|_| answer(BAD, ""))
}

#[test]
fn so_many_failures_in_a_row_open_it() {
    for failures in [1, 8] {
        let (one, other) = (failing(), Origin::text("other"));
        let gate = guarded(&format!("{{failureThreshold: {failures}}}"), &one, &other);
        assert_eq!(before_other(&gate, 20), failures);
    }
}

#[test]
fn too_few_successes_in_a_window_open_it() {
    const MOST: usize = 60;
    for (share, expected) in [
        ("minimumSuccessPercent: 60, minimumRequests: 10", 10..=10),
        ("minimumSuccessPercent: 60, minimumRequests: 30", 30..=30),
        ("minimumSuccessPercent: 40, minimumRequests: 10", MOST..=MOST),
        // An answer takes a fifth of it, so that it never sees ten.
        ("minimumSuccessPercent: 60, minimumRequests: 10, window: 50ms", MOST..=MOST),
    ] {
        // Every second one fails.
        let asked = AtomicUsize::new(0);
        let one = Origin::start(move |_| {
            thread::sleep(Duration::from_millis(10));
            if asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) { ok("one") } else { answer(BAD, "") }
        });
        let other = Origin::text("other");
        let gate = guarded(&format!("{{failureThreshold: 1000, {share}}}"), &one, &other);
        let before = before_other(&gate, MOST);
        assert!(expected.contains(&before), "{share}: open after {before}");
    }
}

#[test]
fn an_answer_after_the_timeout_is_a_failure() {
    for (timeout, before) in [("100ms", 2), ("20s", 4)] {
        let one = Origin::start(|_| {
            thread::sleep(Duration::from_millis(400));
            ok("one")
        });
        let other = Origin::text("other");
        let gate = guarded(&format!("{{failureThreshold: 2, timeout: {timeout}}}"), &one, &other);
        assert_eq!(before_other(&gate, 4), before, "{timeout}");
    }
}

/// An origin that fails while it is bad, as it is at first.
fn failing_at_first() -> (Origin, Arc<AtomicBool>) {
    let bad = Arc::new(AtomicBool::new(true));
    let is_bad = Arc::clone(&bad);
    let answering = move || if is_bad.load(Ordering::SeqCst) { answer(BAD, "") } else { ok("one") };
    (Origin::start(move |_| answering()), bad)
}

#[test]
fn it_stays_open_for_its_time() {
    let ((one, bad), other) = (failing_at_first(), Origin::text("other"));
    let gate = guarded("{failureThreshold: 1, openDuration: 700ms}", &one, &other);
    let start = Instant::now();
    assert_eq!(gate.get("/").status(), 500);
    bad.store(false, Ordering::SeqCst);
    gate.until("a probe goes through", "/", |answer| {
        assert!(["one", "other"].contains(&answer.text().as_str()), "{answer:?}");
        answer.text() == "one"
    });
    let took = start.elapsed();
    // The default is a minute.
    assert!((Duration::from_millis(650)..Duration::from_secs(20)).contains(&took), "{took:?}");
}

#[test]
fn a_round_lets_so_many_probes_through_and_passes_or_fails_by_their_answers() {
    for (probes, successes) in [(1, 1), (3, 3), (3, 1), (6, 2)] {
        let (one, other) = (failing(), Origin::text("other"));
        let round = format!("halfOpen: {{probes: {probes}, successes: {successes}}}");
        let gate = guarded(&format!("{{failureThreshold: 1, openDuration: 1s, {round}}}"), &one, &other);
        assert_eq!(gate.get("/").status(), 500);
        gate.until("a probe goes through", "/", |answer| answer.status() == 500);
        // The round goes on until it cannot pass any more: then it opens for the second time.
        let mut failed = 1;
        while openings(&gate) < 2 {
            assert_eq!(gate.get("/").status(), 500, "{round}");
            failed += 1;
        }
        assert_eq!(failed, probes - successes + 1, "{round}");
    }
}

#[test]
fn it_closes_after_so_many_successes() {
    for (succeeded, opened) in [(3, 2), (4, 1)] {
        // Alone: beside another it would return little by little.
        let (one, bad) = failing_at_first();
        let round = "halfOpen: {probes: 1, successes: 1}, successThreshold: 4";
        let breaker = format!("circuitBreaker: {{failureThreshold: 2, openDuration: 1s, {round}}}");
        let objects = [target("one", one.port(), ""), upstream("pool", &["one"], &breaker), prefix("/", "pool")];
        let gate = Gate::start(&objects.concat());
        for _ in 0..2 {
            assert_eq!(gate.get("/").status(), 500);
        }
        bad.store(false, Ordering::SeqCst);
        gate.until("a probe goes through", "/", |answer| answer.text() == "one");
        for _ in 1..succeeded {
            assert_eq!(gate.get("/").text(), "one");
        }
        // A failed probe opens it at once, while it takes two failures to open one that has closed.
        bad.store(true, Ordering::SeqCst);
        assert_eq!(gate.get("/").status(), 500);
        assert_eq!(openings(&gate), opened, "after {succeeded} successes");
    }
}

#[test]
fn it_guards_an_endpoint_or_the_whole_upstream() {
    for (scope, status) in [("Endpoint", 200), ("Upstream", 503)] {
        let (one, other) = (failing(), Origin::text("other"));
        let gate = guarded(&format!("{{failureThreshold: 1, scope: {scope}}}"), &one, &other);
        assert_eq!(gate.get("/").status(), 500);
        assert_eq!(gate.get("/").status(), status, "{scope}");
    }
}

#[test]
fn another_upstream_answers_meanwhile() {
    let (one, replica) = (failing(), Origin::text("replica"));
    let gate = with_fallback("{upstream: replica}", &one, &replica);
    assert_eq!(gate.get("/").status(), 500);
    assert_eq!(gate.get("/").text(), "replica");
}

#[test]
fn a_fixed_answer_is_given_meanwhile() {
    let (one, replica) = (failing(), Origin::text("replica"));
    let response = "{response: {status: 218, body: '{\"calm\":true}', contentType: application/json}}";
    let gate = with_fallback(response, &one, &replica);
    assert_eq!(gate.get("/").status(), 500);
    let fixed = gate.get("/");
    assert_eq!((fixed.status(), fixed.text().as_str()), (218, "{\"calm\":true}"));
    assert_eq!(fixed.fields("content-type"), ["application/json"]);
}

#[test]
fn the_last_good_answer_is_given_meanwhile() {
    for (fallback, status) in [("{cache: true}", 200), ("{response: {}}", 503)] {
        let (one, bad) = failing_at_first();
        bad.store(false, Ordering::SeqCst);
        let replica = Origin::text("replica");
        let gate = with_fallback(fallback, &one, &replica);
        assert_eq!(gate.get("/").text(), "one");
        bad.store(true, Ordering::SeqCst);
        assert_eq!(gate.get("/").status(), 500);
        let kept = gate.get("/");
        assert_eq!(kept.status(), status, "{fallback}");
        assert_eq!(kept.text() == "one", status == 200, "{fallback}");
    }
}
