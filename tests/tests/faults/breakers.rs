//! Circuit breakers over real sockets: when they open, and how many requests they let through to find out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluicegate_tests::load::{Load, Plan};
use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Fault, Faulty, Gate, Origin, Setup, until};

use crate::each_fault::{SLACK, Sees, beside_a_steady_one, limited, seen};
use crate::ejected::{health, is};

#[test]
fn a_breaker_that_flaps_lets_no_more_probes_through_at_a_time_than_it_may() {
    // Each request is held for a moment, so that those at a time can be counted.
    let (now, most, mended) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (seen, good) = (Arc::clone(&most), Arc::clone(&mended));
    let origin = Origin::scripted(move |wire, _| {
        let at_a_time = now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.fetch_max(at_a_time, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        now.fetch_sub(1, Ordering::SeqCst);
        wire.send(if good.load(Ordering::SeqCst) { ok("good") } else { answer("503 Bad", "") })
    });
    let breaker = "circuitBreaker: {failureThreshold: 5, successThreshold: 4, openDuration: 200ms, halfOpen: {probes: 2, successes: 2}}";
    let manifests =
        [target("one", origin.port(), ""), upstream("pool", &["one"], breaker), limited("/", "pool")].concat();
    let gate = Setup::new(&manifests).configuration("accessLog: {sample: 0}").start();
    let plan =
        Plan { clients: 16, pause: Duration::from_millis(5), keep_alive: true, ..Plan::of(&[gate.listen], "test") };
    let load = Load::start(&plan);
    until("it opens", || is(&gate, "one", "Unhealthy", Some("CircuitOpen")).then_some(()));
    until("nothing is under way any more", || {
        let before = origin.requests().len();
        load.more(200);
        (origin.requests().len() - before <= 2).then_some(())
    });
    most.store(0, Ordering::SeqCst);
    origin.forget();
    let since = Instant::now();
    // Some rounds of probes, all of which fail.
    let probes = origin.until_requests(10).len();
    assert!(most.load(Ordering::SeqCst) <= 2, "{} at a time", most.load(Ordering::SeqCst));
    let rounds = usize::try_from(since.elapsed().as_millis() / 200).unwrap() + 1;
    assert!(probes <= 2 * rounds, "{probes} probes in {:?}", since.elapsed());
    let refused = |asked: &sluicegate_tests::load::Asked| {
        asked.at > since && asked.answer.as_ref().is_ok_and(|reply| reply.reason.as_deref() == Some("circuit-open"))
    };
    assert!(load.so_far().iter().any(refused), "callers are told");

    mended.store(true, Ordering::SeqCst);
    until("it closes", || is(&gate, "one", "Healthy", None).then_some(()));
    let since = Instant::now();
    load.more(200);
    let asked = load.end();
    assert!(asked.iter().filter(|asked| asked.at > since).all(sluicegate_tests::load::Asked::is_ok));
}

#[test]
fn half_the_answers_bad_open_a_breaker_that_counts_shares_and_eject_nobody() {
    let (faulty, steady) = (Faulty::start("faulty"), Faulty::start("steady"));
    let both = "healthChecks: {passive: {threshold: 3}}\ncircuitBreaker: {failureThreshold: 5, minimumSuccessPercent: 95, minimumRequests: 10, window: 10s, openDuration: 500ms}";
    let manifests = beside_a_steady_one("faulty", faulty.port(), both)
        + &rule("all", "upstream: faulty")
        + &target("steady", steady.port(), "");
    let gate = Gate::start(&manifests);
    faulty.fail(Fault::EverySecond(Box::new(Fault::Status(500, ""))));
    let mut bad = 0;
    until("the breaker opens", || {
        bad += usize::from(gate.get("/").status() == 500);
        is(&gate, "faulty", "Unhealthy", None).then_some(())
    });
    let open = Instant::now();
    let found = health(&gate, "faulty");
    assert_eq!((&found["reason"], &found["ejections"]), (&"CircuitOpen".into(), &0.into()), "{found}");
    assert_eq!(bad, 5, "every second of ten");
    faulty.fail(Fault::None);
    until("it is let in again", || {
        assert_eq!(gate.get("/").status(), 200);
        is(&gate, "faulty", "Healthy", None).then_some(())
    });
    let took = open.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_millis(500) + SLACK, "{took:?}");
}

/// Asks until the breaker has opened, which is to take exactly `failures` answers that break off.
fn opens_at_broken_bodies(breaker: &str, failures: usize, reason: Option<&str>) {
    let faulty = Faulty::start("whole");
    let breaker = format!("circuitBreaker: {{openDuration: 10m, {breaker}}}");
    let manifests =
        [target("faulty", faulty.port(), ""), upstream("faulty", &["faulty"], &breaker), limited("/", "faulty")];
    let gate = Gate::start(&manifests.concat());
    faulty.fail(Fault::ResetInBody);
    for number in 0..failures {
        assert_eq!(seen(&gate, "/", "whole"), Sees::Cut, "{breaker}: {number}");
    }
    let after = seen(&gate, "/", "whole");
    assert_eq!(after, Sees::Own(503, "circuit-open".to_owned()), "{breaker}");
    assert_eq!(faulty.requests(), failures, "{breaker}");
    if let Some(reason) = reason {
        assert!(is(&gate, "faulty", "Unhealthy", Some(reason)), "{}", health(&gate, "faulty"));
    }
}

#[test]
fn answers_that_break_off_open_a_breaker() {
    opens_at_broken_bodies("failureThreshold: 3", 3, Some("CircuitOpen"));
    opens_at_broken_bodies("failureThreshold: 3, scope: Upstream", 3, None);
    let share = "failureThreshold: 1000, minimumSuccessPercent: 20, minimumRequests: 10";
    opens_at_broken_bodies(share, 10, Some("CircuitOpen"));
}

/// One Upstream has the breaker, and requests of another one, which judges nothing itself, find out about its endpoint.
#[test]
fn a_probe_whose_answer_breaks_off_opens_the_breaker_again_whichever_upstream_it_is_of() {
    let faulty = Faulty::start("whole");
    let breaker = "circuitBreaker: {failureThreshold: 1, openDuration: 300ms, halfOpen: {probes: 1, successes: 1}}";
    let manifests = [
        target("faulty", faulty.port(), ""),
        upstream("guarded", &["faulty"], breaker),
        upstream("plain", &["faulty"], ""),
        limited("/guarded", "guarded"),
        limited("/plain", "plain"),
    ];
    let gate = Gate::start(&manifests.concat());
    faulty.fail(Fault::Status(500, ""));
    assert_eq!(seen(&gate, "/guarded", ""), Sees::Status(500));
    let openings = || gate.count("sluicegate_circuit_breaker_openings_total{service=\"default/faulty\"");
    assert_eq!(openings(), 1);
    faulty.fail(Fault::ResetInBody);
    until("a probe is let through", || (seen(&gate, "/plain", "") == Sees::Cut).then_some(()));
    until("it has opened again", || (openings() == 2).then_some(()));
}
