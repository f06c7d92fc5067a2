//! Targets that fail often enough are ejected, whatever the fault; and they come back.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::client::Client;
use sluicegate_tests::manifests::{authorities, object, prefix, rule, target, upstream};
use sluicegate_tests::{Fault, Faulty, Gate, Setup, until};

use crate::each_fault::{Case, SLACK, Sees, beside_a_steady_one, cases, limited, seen};

/// The Upstreams' `healthChecks.passive.interval`: three time-outs of a request must fit into it.
const INTERVAL: Duration = Duration::from_secs(7);
const PASSIVE: &str = "healthChecks: {passive: {threshold: 3, interval: 7s, recovery: 300ms}}";

/// What `/health` says of a Target.
pub(crate) fn health(gate: &Gate, name: &str) -> Value {
    let all = gate.admin("/health").json();
    let wanted = format!("default/{name}");
    let endpoints = all["endpoints"].as_array().expect("a list");
    endpoints.iter().find(|endpoint| endpoint["target"] == wanted).unwrap_or_else(|| panic!("{name}: {all}")).clone()
}

pub(crate) fn is(gate: &Gate, name: &str, state: &str, reason: Option<&str>) -> bool {
    let health = health(gate, name);
    health["state"] == state && reason.is_none_or(|reason| health["reason"] == reason)
}

fn whole_again(gate: &Gate, name: &str) {
    until("it has its whole share again", || {
        let health = health(gate, name);
        (health["state"] == "Healthy" && health["share"] == 1.0).then_some(())
    });
}

/// Asks until the target is ejected, which takes exactly three failures; asks on, and nothing reaches it; mends it, and it
/// comes back when the ejection is over, to exactly its share.
fn goes_and_comes_back(gate: &Gate, case: &Case, faulty: &Faulty) {
    let (name, path) = (case.name, format!("/{}", case.name));
    let metric = || {
        let series = format!("gateway_upstream_health{{upstream=\"default/{name}\",target=\"default/{name}\"");
        gate.metric(&series)
    };
    let ask = || seen(gate, &path, "whole");
    assert_eq!([ask(), ask()], [Sees::Whole, Sees::Whole], "{name}: before");
    assert!(metric() > 0.5, "{name}");
    let before = faulty.requests();
    faulty.fail(case.fault.clone());
    for _ in 0..6 {
        let saw = ask();
        // What was never sent is sent to the other at once.
        let expected = if case.fault == Fault::Refused { Sees::Whole } else { case.sees.clone() };
        assert!(saw == Sees::Whole || saw == expected, "{name}: {saw:?}");
    }
    let ejected = Instant::now();
    let health = health(gate, name);
    assert_eq!((&health["state"], &health["reason"]), (&"Unhealthy".into(), &"Ejected".into()), "{name}: {health}");
    let reached = faulty.requests() - before;
    let expected = match case.fault {
        Fault::Refused => 0..=0,
        // One may have gone over a connection that its worker had kept, and was asked once more.
        Fault::ResetBeforeHead => 3..=4,
        _ => 3..=3,
    };
    assert!(expected.contains(&reached), "{name}: {reached} are not {expected:?}");
    assert!(metric() < 0.5, "{name}");
    let asked = Instant::now();
    for _ in 0..5 {
        assert_eq!(ask(), Sees::Whole, "{name}: while it is ejected");
    }
    if asked.elapsed() < INTERVAL / 2 {
        assert_eq!(faulty.requests() - before, reached, "{name}: nothing reaches it");
    }

    faulty.fail(Fault::None);
    until("it comes back", || is(gate, name, "Healthy", None).then_some(()));
    let took = ejected.elapsed();
    assert!(took >= INTERVAL / 2 && took < INTERVAL + SLACK, "{name}: it came back after {took:?}");
    whole_again(gate, name);
    let before = faulty.requests();
    for _ in 0..20 {
        assert_eq!(ask(), Sees::Whole, "{name}: after");
    }
    assert_eq!(faulty.requests() - before, 10, "{name}: its share");
}

#[test]
fn each_fault_that_counts_ejects_and_its_target_comes_back() {
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.ejects).collect();
    let targets: Vec<Faulty> = cases.iter().map(|_| Faulty::start("whole")).collect();
    let steady = Faulty::start("whole");
    let pools = cases.iter().zip(&targets).map(|(case, faulty)| {
        let path = format!("/{}", case.name);
        beside_a_steady_one(case.name, faulty.port(), PASSIVE) + &limited(&path, case.name)
    });
    let gate = Gate::start(&(pools.collect::<String>() + &target("steady", steady.port(), "")));
    std::thread::scope(|scope| {
        for (case, faulty) in cases.iter().zip(&targets) {
            let gate = &gate;
            scope.spawn(move || goes_and_comes_back(gate, case, faulty));
        }
    });
}

#[test]
fn a_target_that_asks_for_a_rest_has_it() {
    let (faulty, steady) = (Faulty::start("faulty"), Faulty::start("steady"));
    let manifests = beside_a_steady_one("faulty", faulty.port(), PASSIVE)
        + &limited("/", "faulty")
        + &target("steady", steady.port(), "");
    let gate = Gate::start(&manifests);
    faulty.fail(Fault::Status(429, "retry-after: 2\r\n"));
    let asked = Instant::now();
    let statuses = [0, 1].map(|_| gate.get("/").status());
    assert!(statuses.contains(&429) && statuses.contains(&200), "{statuses:?}");
    assert!(is(&gate, "faulty", "Unhealthy", Some("Resting")), "{}", health(&gate, "faulty"));
    faulty.fail(Fault::None);
    until("it is asked again", || (gate.get("/").text() == "faulty").then_some(()));
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(2) + SLACK, "{took:?}");
}

/// The decision comes before the answer's head goes on: whoever has heard of the deciding failure is too late to meet the
/// target, whichever worker serves him.
#[test]
fn all_workers_know_of_an_ejection_when_its_client_does() {
    let (faulty, steady) = (Faulty::start("faulty"), Faulty::start("steady"));
    let manifests = [
        target("faulty", faulty.port(), ""),
        target("steady", steady.port(), ""),
        upstream("pool", &["faulty", "steady"], PASSIVE),
        prefix("/", "pool"),
    ]
    .concat();
    let gate = Setup::new(&manifests).configuration("workers: 4").start();
    let asks = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    // The system spreads connections over workers: of 48 each has some.
    let mut clients: Vec<Client> = (0..48).map(|_| gate.client()).collect();
    for client in &mut clients {
        assert_eq!(client.ask(asks).status(), 200);
    }
    faulty.fail(Fault::Status(500, ""));
    let mut failed = 0;
    while failed < 3 {
        failed += usize::from(clients[0].ask(asks).status() == 500);
    }
    let (decided, reached) = (Instant::now(), faulty.requests());
    for client in &mut clients {
        client.send(asks);
    }
    let took = decided.elapsed();
    assert!(clients.iter_mut().all(|client| client.answer().status() == 200), "all were sent within {took:?}");
    assert_eq!(faulty.requests(), reached);
    assert!(is(&gate, "faulty", "Unhealthy", Some("Ejected")));
}

#[test]
fn no_more_of_a_level_is_ejected_than_may_be() {
    let targets = ["one", "two", "three", "four"].map(|name| (name, Faulty::start(name)));
    let manifests: String = targets.iter().map(|(name, faulty)| target(name, faulty.port(), "")).collect();
    let passive = "healthChecks: {passive: {threshold: 1, interval: 60s, maxEjectedPercent: 50}}";
    let gate = Gate::start(
        &[manifests, upstream("pool", &["one", "two", "three", "four"], passive), limited("/", "pool")].concat(),
    );
    for (_, faulty) in &targets {
        faulty.fail(Fault::Status(500, ""));
    }
    for _ in 0..20 {
        assert_eq!(gate.get("/").status(), 500);
    }
    let unhealthy = targets.iter().filter(|(name, _)| is(&gate, name, "Unhealthy", Some("Ejected"))).count();
    assert_eq!(unhealthy, 2);
}

#[test]
fn a_level_of_one_gives_way_to_the_next_and_takes_over_again() {
    let (first, second) = (Faulty::start("first"), Faulty::start("second"));
    let manifests = [
        target("first", first.port(), ""),
        target("second", second.port(), ""),
        upstream("pool", &["first", "second, priority: 2"], PASSIVE),
        limited("/", "pool"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    assert_eq!(gate.get("/").text(), "first");
    first.fail(Fault::BlackHole);
    let mut failed = 0;
    until("the second level takes over", || {
        let answer = gate.get("/");
        failed += usize::from(answer.status() != 200);
        is(&gate, "first", "Unhealthy", Some("Ejected")).then_some(())
    });
    // Without `retry` a time-out of the whole request cannot go anywhere else.
    assert_eq!(failed, 3, "the failures that ejected it");
    let left = Instant::now();
    while left.elapsed() < INTERVAL / 2 {
        assert_eq!(gate.get("/").text(), "second");
    }
    first.fail(Fault::None);
    whole_again(&gate, "first");
    for _ in 0..10 {
        assert_eq!(gate.get("/").text(), "first", "the first level has it all again");
    }
}

#[test]
fn a_target_that_flaps_stays_away_longer_each_time() {
    const INTERVAL: Duration = Duration::from_millis(500);
    let (faulty, steady) = (Faulty::start("faulty"), Faulty::start("steady"));
    let passive = "healthChecks: {passive: {threshold: 3, interval: 500ms, recovery: 100ms}}";
    let retry = "retry: {when: {statuses: [\"500-599\"]}, backoff: {type: Linear, interval: 5ms}}";
    let manifests = beside_a_steady_one("faulty", faulty.port(), passive)
        + &rule("all", &format!("upstream: faulty\n{retry}"))
        + &target("steady", steady.port(), "");
    let gate = Gate::start(&manifests);
    faulty.fail(Fault::Status(500, ""));
    for times in 1..=3 {
        // From before the request that has it ejected.
        let since = until("it is ejected", || {
            let asked = Instant::now();
            assert_eq!(gate.get("/").status(), 200, "callers notice nothing");
            is(&gate, "faulty", "Unhealthy", Some("Ejected")).then_some(asked)
        });
        until("it comes back", || is(&gate, "faulty", "Healthy", None).then_some(()));
        let took = since.elapsed();
        assert!(took + INTERVAL / 2 > INTERVAL * times && took < INTERVAL * times + SLACK, "{times}: {took:?}");
    }
    assert_eq!(health(&gate, "faulty")["ejections"], 3);
}

#[test]
fn targets_without_tls_or_a_name_are_ejected_and_one_that_speaks_tls_again_comes_back() {
    let certificates = Certificates::new(&["target.test"]);
    let tls = Faulty::with_tls("whole", Some(certificates.server(&["http/1.1"])));
    let steady = Faulty::start("whole");
    let settings = "protocol: HTTPS\ntls: {serverName: target.test, caRef: {configMap: {name: authority}}}";
    let manifests = [
        authorities("authority", &certificates.authority),
        target("tls", tls.port(), settings),
        target("steady", steady.port(), ""),
        object("Target", "gone", "host: gone.invalid\nport: 80"),
        upstream("tls", &["tls", "steady"], PASSIVE),
        upstream("gone", &["gone", "steady"], PASSIVE),
        prefix("/tls", "tls"),
        prefix("/gone", "gone"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    assert_eq!([0, 1].map(|_| seen(&gate, "/tls", "whole")), [Sees::Whole, Sees::Whole]);
    assert!(tls.requests() > 0);
    tls.fail(Fault::NoTls);
    for (path, name) in [("/tls", "tls"), ("/gone", "gone")] {
        until("it is ejected", || {
            assert_eq!(seen(&gate, path, "whole"), Sees::Whole, "{name}: what was never sent goes elsewhere");
            is(&gate, name, "Unhealthy", Some("Ejected")).then_some(())
        });
    }
    tls.fail(Fault::None);
    whole_again(&gate, "tls");
    let before = tls.requests();
    for _ in 0..10 {
        assert_eq!(seen(&gate, "/tls", "whole"), Sees::Whole);
    }
    assert_eq!(tls.requests() - before, 5);
}

/// What is known of a name counts for ten seconds; after that the last address that was known is better than none.
#[test]
fn a_name_service_that_is_away_costs_nothing() {
    const KNOWN: Duration = Duration::from_secs(10);
    let (named, steady) = (Faulty::start("whole"), Faulty::start("whole"));
    let manifests = [
        object("Target", "named", &format!("host: model.test\nport: {}", named.port())),
        target("steady", steady.port(), ""),
        // A connection that is there needs no name.
        upstream("pool", &["named", "steady"], &format!("{PASSIVE}\nconnections: {{keepAlive: false}}")),
        prefix("/", "pool"),
    ]
    .concat();
    let gate = Setup::new(&manifests).hosts("127.0.0.1 model.test\n").start();
    assert_eq!([0, 1].map(|_| seen(&gate, "/", "whole")), [Sees::Whole, Sees::Whole]);
    assert_eq!(named.requests(), 1);
    let gone = Instant::now();
    gate.hosts("");
    let mut since_known = 0;
    while since_known < 50 {
        let before = named.requests();
        assert_eq!(seen(&gate, "/", "whole"), Sees::Whole);
        assert!(is(&gate, "named", "Healthy", None));
        if gone.elapsed() > KNOWN + Duration::from_secs(1) {
            since_known += named.requests() - before;
        }
        assert!(gone.elapsed() < 3 * KNOWN, "{since_known} requests reached it");
    }
}
