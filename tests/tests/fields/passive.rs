//! `healthChecks.passive` of Upstreams and of Targets, and `slowStart` of Upstreams.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluicegate_tests::manifests::{prefix, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Gate, Origin};

/// Where checks can be written.
const PLACES: [&str; 2] = ["Upstream", "Target"];

/// The targets `one` and `other` with this passive check, `other` as a member written so.
fn checked(place: &str, check: &str, [one, other]: [&Origin; 2], member: &str) -> Gate {
    let check = format!("healthChecks: {{passive: {check}}}");
    let (of_target, of_upstream) = match place {
        // A Target's own check is in place of one that never ejects anything.
        "Target" => (check.as_str(), "healthChecks: {passive: {threshold: 1000}}"),
        _ => ("", check.as_str()),
    };
    let targets = [target("one", one.port(), of_target), target("other", other.port(), of_target)];
    let pool = upstream("pool", &["one", member], of_upstream);
    Gate::start(&[&*targets.concat(), &*pool, &*prefix("/", "pool")].concat())
}

/// An origin that answers with its name, or with this status while it is bad.
fn failing(name: &'static str, status: &'static str) -> (Origin, Arc<AtomicBool>) {
    let bad = Arc::new(AtomicBool::new(true));
    let is_bad = Arc::clone(&bad);
    (Origin::start(move |_| if is_bad.load(Ordering::SeqCst) { answer(status, "") } else { ok(name) }), bad)
}

/// How many of so many requests the origin `one` answers.
fn share_of_one(gate: &Gate, requests: usize) -> usize {
    let mut client = gate.client();
    (0..requests).filter(|_| client.get("/").text() == "one").count()
}

#[test]
fn so_many_failures_in_a_row_eject_and_the_statuses_say_what_one_is() {
    const ENOUGH: usize = 12;
    for place in PLACES {
        for (status, check, failures) in [
            ("500 Internal Server Error", "{threshold: 1}", 1),
            ("500 Internal Server Error", "{threshold: 7}", 7),
            ("418 I'm a teapot", "{threshold: 2, statuses: [418]}", 2),
            ("418 I'm a teapot", "{threshold: 2}", ENOUGH),
            ("500 Internal Server Error", "{threshold: 2, statuses: []}", ENOUGH),
        ] {
            let (one, _) = failing("one", status);
            let other = Origin::text("other");
            let gate = checked(place, check, [&one, &other], "other, priority: 2");
            let failed = (0..ENOUGH).take_while(|_| gate.get("/").text() != "other").count();
            assert_eq!(failed, failures, "{place} {status} {check}");
        }
    }
}

#[test]
fn an_ejection_lasts_for_the_interval() {
    for place in PLACES {
        let (one, bad) = failing("one", "500 Internal Server Error");
        let other = Origin::text("other");
        let check = "{threshold: 1, interval: 500ms, recovery: 1ms}";
        let gate = checked(place, check, [&one, &other], "other, priority: 2");
        let start = Instant::now();
        assert_eq!(gate.get("/").status(), 500);
        bad.store(false, Ordering::SeqCst);
        gate.until("it returns", "/", |answer| {
            assert!(["one", "other"].contains(&answer.text().as_str()), "{place}: {answer:?}");
            answer.text() == "one"
        });
        let took = start.elapsed();
        // The default is a minute.
        assert!((Duration::from_millis(450)..Duration::from_secs(20)).contains(&took), "{place}: {took:?}");
    }
}

#[test]
fn no_more_of_a_level_is_ejected_than_allowed() {
    for place in PLACES {
        for (most, expected) in [(50, 0..=0), (0, 1..=20)] {
            let (one, _) = failing("one", "500 Internal Server Error");
            let other = Origin::text("other");
            let check = format!("{{threshold: 1, maxEjectedPercent: {most}}}");
            let gate = checked(place, &check, [&one, &other], "other");
            gate.until("one has failed", "/", |answer| answer.status() == 500);
            let failed = (0..20).filter(|_| gate.get("/").status() == 500).count();
            assert!(expected.contains(&failed), "{place} {most} %: {failed} of 20 failed");
        }
    }
}

#[test]
fn what_returns_gets_its_share_little_by_little() {
    for place in PLACES {
        for (recovery, expected) in [("1h", 0..=80), ("1ms", 180..=220)] {
            let (one, bad) = failing("one", "500 Internal Server Error");
            let other = Origin::text("other");
            let check = format!("{{threshold: 1, interval: 200ms, recovery: {recovery}}}");
            let gate = checked(place, &check, [&one, &other], "other");
            gate.until("one has failed", "/", |answer| answer.status() == 500);
            bad.store(false, Ordering::SeqCst);
            gate.until("it returns", "/", |answer| answer.text() == "one");
            if recovery == "1ms" {
                gate.until("it has all of its share", "/", |_| share_of_one(&gate, 20) >= 9);
            }
            let share = share_of_one(&gate, 400);
            assert!(expected.contains(&share), "{place} {recovery}: {share} of 400");
        }
    }
}

#[test]
fn a_target_that_joins_others_gets_its_share_little_by_little() {
    for (slow_start, expected) in [("slowStart: 1h", 1..=80), ("", 200..=200)] {
        let [one, other] = ["one", "other"].map(Origin::text);
        let manifests = |members: &[&str]| {
            let targets = [target("one", one.port(), ""), target("other", other.port(), "")];
            [&*targets.concat(), &*upstream("pool", members, slow_start), &*prefix("/", "pool")].concat()
        };
        let gate = Gate::start(&manifests(&["other"]));
        assert_eq!(share_of_one(&gate, 20), 0);
        gate.write("manifests.yaml", &manifests(&["other", "one"]));
        gate.until("one gets requests", "/", |answer| answer.text() == "one");
        let share = share_of_one(&gate, 400);
        assert!(expected.contains(&share), "{slow_start}: {share} of 400");
    }
}
