//! `healthChecks.active` of Upstreams and of Targets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::{HeaderMap, Response};
use sluicegate_tests::http2::{Http2Origin, read};
use sluicegate_tests::manifests::{prefix, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Gate, Origin, until};

/// Where checks can be written.
const PLACES: [&str; 2] = ["Upstream", "Target"];

/// The target `one`, with this active check, before `other`, which is used while `one` is not. A Target's own check is
/// in place of one that `one` would fail.
fn checked(place: &str, check: &str, one: &Origin, other: &Origin) -> Gate {
    let check = format!("healthChecks: {{active: {check}}}");
    let (of_target, of_upstream) = match place {
        "Target" => (check.as_str(), "healthChecks: {active: {path: /never, expectedStatuses: [599]}}"),
        _ => ("", check.as_str()),
    };
    let targets = [target("one", one.port(), of_target), target("other", other.port(), of_target)];
    let pool = upstream("pool", &["one", "other, priority: 2"], of_upstream);
    Gate::start(&[&*targets.concat(), &*pool, &*prefix("/", "pool")].concat())
}

/// A target that speaks gRPC: it says that the service `a.B` serves, and no other; what else it is asked for it answers
/// with its name.
fn grpc(name: &'static str) -> Http2Origin {
    Http2Origin::start(async move |mut exchange| {
        if exchange.head.uri.path() != "/grpc.health.v1.Health/Check" {
            return exchange.answer(Response::new(()), name, None);
        }
        let (message, _) = read(&mut exchange.body).await?;
        let serving = u8::from(message.ends_with(b"\x0a\x03a.B"));
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        // 1 is SERVING, 2 is not.
        exchange.answer(head, vec![0, 0, 0, 0, 2, 8, 2 - serving], Some(trailers))
    })
}

/// An origin that answers checks, which ask for `/health`, with what `health` makes of their number (from 1), and
/// everything else with its name.
fn named(name: &'static str, health: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static) -> (Origin, Arc<AtomicUsize>) {
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    let origin = Origin::start(move |request| {
        if request.target().starts_with("/health") {
            return health(counted.fetch_add(1, Ordering::SeqCst) + 1);
        }
        ok(name)
    });
    (origin, checks)
}

fn until_served_by(gate: &Gate, name: &str) {
    gate.until(&format!("{name} serves"), "/", |answer| answer.text() == name);
}

#[test]
fn a_check_asks_as_it_is_written() {
    for place in PLACES {
        let [one, other] = [Origin::echo(), Origin::echo()];
        let check = "{path: '/health?full=1', method: POST, host: 'health.test:81', headers: {X-Check: '1'}}";
        let _gate = checked(place, check, &one, &other);
        let asked = one.until_requests(1).remove(0);
        assert_eq!((asked.method().as_str(), asked.target().as_str()), ("POST", "/health?full=1"), "{place}");
        assert_eq!(asked.fields("host"), ["health.test:81"], "{place}");
        assert_eq!(asked.fields("x-check"), ["1"], "{place}");
    }
}

#[test]
fn statuses_and_bodies_mean_health_as_written() {
    let teapot = || answer("418 I'm a teapot", "");
    let cases: [(&str, Vec<u8>, Vec<u8>); 3] = [
        ("{path: /health, expectedStatuses: [418]}", teapot(), ok("")),
        ("{path: /health}", ok(""), teapot()),
        ("{path: /health, expectedBody: ready}", ok("it is ready"), ok("not yet")),
    ];
    for place in PLACES {
        for (check, good, bad) in &cases {
            for (of_one, expected) in [(good, "one"), (bad, "other")] {
                let (of_one, of_other) = (of_one.clone(), good.clone());
                let (one, _) = named("one", move |_| of_one.clone());
                let (other, checks) = named("other", move |_| of_other.clone());
                let gate = checked(place, check, &one, &other);
                until("the other one is checked", || (checks.load(Ordering::SeqCst) > 0).then_some(()));
                until_served_by(&gate, expected);
            }
        }
    }
}

#[test]
fn a_tcp_check_is_content_with_a_connection() {
    for place in PLACES {
        let (one, checks) = named("one", |_| answer("500 Internal Server Error", ""));
        let other = Origin::text("other");
        let gate = checked(place, "{type: TCP}", &one, &other);
        until_served_by(&gate, "one");
        assert_eq!(checks.load(Ordering::SeqCst), 0, "{place}: nothing was asked");
        // It has been checked on a connection of its own.
        until("a check's connection", || (one.connections() > one.requests().len()).then_some(()));
    }
}

#[test]
fn a_grpc_check_asks_for_its_service() {
    for place in PLACES {
        for (service, expected) in [("a.B", "one"), ("c.D", "other")] {
            let (one, other) = (grpc("one"), Origin::text("other"));
            let check = format!("healthChecks: {{active: {{type: GRPC, service: {service}}}}}");
            let (of_target, of_upstream) = if place == "Target" { (&*check, "") } else { ("", &*check) };
            // Other protocols, and checks that any connection passes, are the other target's own.
            let targets = [
                target("one", one.port(), &format!("protocol: H2C\n{of_target}")),
                target("other", other.port(), "healthChecks: {active: {type: TCP}}"),
            ];
            let pool = upstream("pool", &["one", "other, priority: 2"], of_upstream);
            let gate = Gate::start(&[&*targets.concat(), &*pool, &*prefix("/", "pool")].concat());
            one.until_requests(1);
            until_served_by(&gate, expected);
        }
    }
}

#[test]
fn checks_follow_each_other_at_the_interval() {
    for place in PLACES {
        let (one, other) = (Origin::text("one"), Origin::text("other"));
        let start = Instant::now();
        let _gate = checked(place, "{interval: 200ms}", &one, &other);
        // The default is fifteen seconds. Each may be shortened by a random part, but not to nothing.
        one.until_requests(6);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(250), "{place}: {took:?}");
    }
}

#[test]
fn a_check_that_takes_too_long_has_failed() {
    for place in PLACES {
        for (timeout, expected) in [("300ms", "other"), ("5s", "one")] {
            let (one, checks) = named("one", |_| {
                thread::sleep(Duration::from_millis(700));
                ok("")
            });
            let (other, _) = named("other", |_| ok(""));
            let check = format!("{{path: /health, interval: 5s, timeout: {timeout}}}");
            let gate = checked(place, &check, &one, &other);
            until("it was asked", || (checks.load(Ordering::SeqCst) > 0).then_some(()));
            until_served_by(&gate, expected);
            // What is still to come of the slow answer changes nothing.
            if expected == "other" {
                thread::sleep(Duration::from_secs(1));
                assert_eq!(gate.get("/").text(), "other", "{place}");
            }
        }
    }
}

#[test]
fn thresholds_count_successes_and_failures_in_a_row() {
    // A busy machine may have had some checks time out before: the defaults are 2 and 3, far from half of it.
    const MANY: usize = 16;
    for place in PLACES {
        let bad = Arc::new(AtomicBool::new(false));
        let is_bad = Arc::clone(&bad);
        let health =
            move || if is_bad.load(Ordering::SeqCst) { answer("500 Internal Server Error", "") } else { ok("") };
        let (one, checks) = named("one", move |_| health());
        let (other, _) = named("other", |_| ok(""));
        let check = format!("{{path: /health, interval: 100ms, healthyThreshold: {MANY}, unhealthyThreshold: {MANY}}}");
        let gate = checked(place, &check, &one, &other);
        // A second check says that the first has counted: before it nothing is known, and any target may serve.
        until("it was checked", || (checks.load(Ordering::SeqCst) >= 2).then_some(()));
        until_served_by(&gate, "one");
        for (now_bad, served_by) in [(true, "other"), (false, "one")] {
            let before = checks.load(Ordering::SeqCst);
            bad.store(now_bad, Ordering::SeqCst);
            until_served_by(&gate, served_by);
            let after = checks.load(Ordering::SeqCst) - before;
            assert!(after > MANY / 2, "{place}: {served_by} serves after {after} checks");
        }
    }
}

#[test]
fn a_targets_region_and_zone_are_labels_of_its_metrics() {
    let origin = Origin::text("one");
    let place = "region: eu-central-1\nzone: eu-central-1b";
    let gate = Gate::start(
        &[target("one", origin.port(), place), upstream("pool", &["one"], ""), prefix("/", "pool")].concat(),
    );
    gate.get("/");
    let text = gate.admin("/metrics").text();
    let line = text.lines().find(|line| line.starts_with("gateway_upstream_health{")).unwrap_or_default();
    assert!(line.contains("datacenter=\"eu-central-1\"") && line.contains("zone=\"eu-central-1b\""), "{line}");
}
