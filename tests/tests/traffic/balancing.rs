//! Which target gets a request, counted over sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier};

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::{object, prefix, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Client, Gate, Origin, until};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three targets that answer with their names, in a pool; `members` and `more` as in [`upstream`].
fn three(members: &[&str], more: &str) -> (Vec<Origin>, Gate) {
    three_with(["", "", ""], members, more)
}

fn three_with(targets: [&str; 3], members: &[&str], more: &str) -> (Vec<Origin>, Gate) {
    let origins: Vec<Origin> = NAMES.iter().map(|name| Origin::text(name)).collect();
    let gate = Gate::start(&manifests(&origins, targets, members, more));
    (origins, gate)
}

fn manifests(origins: &[Origin], targets: [&str; 3], members: &[&str], more: &str) -> String {
    let targets: String = NAMES
        .iter()
        .zip(origins)
        .zip(targets)
        .map(|((name, origin), more)| target(name, origin.port(), more))
        .collect();
    [targets, upstream("pool", members, more), prefix("/", "pool")].concat()
}

fn counts(client: &mut Client, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let answer = client.get("/");
        assert_eq!(answer.status(), 200, "{answer:?}");
        *counts.entry(answer.text()).or_default() += 1;
    }
    counts
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn round_robin_takes_each_in_turn_over_all_connections_and_workers() {
    let (_origins, gate) = three(&["a", "b", "c"], "");
    let mut counts = BTreeMap::new();
    for _ in 0..30 {
        *counts.entry(gate.get("/").text()).or_default() += 1;
    }
    assert_eq!(counts, expected(&[("a", 10), ("b", 10), ("c", 10)]));
}

#[test]
fn weights_are_exact_in_any_hundred() {
    let (_origins, gate) = three(&["a, weight: 80", "b, weight: 15", "c, weight: 5"], "");
    let mut client = gate.client();
    for _ in 0..3 {
        assert_eq!(counts(&mut client, 100), expected(&[("a", 80), ("b", 15), ("c", 5)]));
    }
}

#[test]
fn weight_zero_gets_nothing() {
    let (origins, gate) = three(&["a, weight: 100", "b, weight: 0", "c, weight: 0"], "");
    assert_eq!(counts(&mut gate.client(), 50), expected(&[("a", 50)]));
    assert_eq!(origins[1].connections() + origins[2].connections(), 0);
}

#[test]
fn weights_that_do_not_add_up_become_equal_shares_with_a_warning() {
    let (_origins, gate) = three(&["a, weight: 70", "b, weight: 20", "c, weight: 0"], "");
    assert_eq!(counts(&mut gate.client(), 100), expected(&[("a", 50), ("b", 50)]));
    assert!(gate.output().contains("90"), "the warning says what they add up to: {}", gate.output());
}

#[test]
fn random_reaches_every_target() {
    let (_origins, gate) = three(&["a", "b", "c"], "algorithm: Random");
    let counts = counts(&mut gate.client(), 300);
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|count| (40..=180).contains(count)), "{counts:?}");
}

#[test]
fn least_connections_passes_over_the_busy_one() {
    let hold = Arc::new(Barrier::new(2));
    let held = Arc::clone(&hold);
    let busy = Origin::scripted(move |wire, request| {
        if request.target() == "/held" {
            held.wait();
        }
        wire.send(ok("busy"))
    });
    let free = Origin::text("free");
    let gate = Gate::start(
        &[
            target("busy", busy.port(), ""),
            target("free", free.port(), ""),
            upstream("pool", &["busy", "free"], "algorithm: LeastConnections"),
            prefix("/", "pool"),
        ]
        .concat(),
    );
    // Which of the two is asked first is not said; hold the one that blocks.
    let mut holder = gate.client();
    until("a request is held", || {
        holder.send(get("/held"));
        until("someone has it", || (!busy.requests().is_empty() || !free.requests().is_empty()).then_some(()));
        if busy.requests().is_empty() {
            holder.answer();
            free.forget();
            return None;
        }
        Some(())
    });
    assert_eq!(counts(&mut gate.client(), 20), expected(&[("free", 20)]));
    hold.wait();
    assert_eq!(holder.answer().text(), "busy");
}

#[test]
fn least_latency_prefers_the_fast_one() {
    // So slow that the fast one is not slower for a moment on a busy machine: that would be remembered for seconds.
    let slow = Origin::scripted(|wire, _| {
        std::thread::sleep(std::time::Duration::from_secs(1));
        wire.send(ok("slow"))
    });
    let fast = Origin::text("fast");
    let gate = Gate::start(
        &[
            target("slow", slow.port(), ""),
            target("fast", fast.port(), ""),
            upstream("pool", &["slow", "fast"], "algorithm: LeastLatency"),
            prefix("/", "pool"),
        ]
        .concat(),
    );
    let counts = counts(&mut gate.client(), 60);
    assert!(counts["fast"] >= 50, "{counts:?}");
}

#[test]
fn a_lower_priority_number_is_used_while_it_can_be() {
    let (_origins, gate) = three(&["a, priority: 2", "b, priority: 1", "c, priority: 2"], "");
    assert_eq!(counts(&mut gate.client(), 10), expected(&[("b", 10)]));
    let (_origins, gate) =
        three_with(["", "state: Disabled", ""], &["a, priority: 2", "b, priority: 1", "c, priority: 2"], "");
    assert_eq!(counts(&mut gate.client(), 10), expected(&[("a", 5), ("c", 5)]));
}

#[test]
fn disabled_and_draining_targets_get_nothing_and_none_left_is_a_503() {
    let (origins, gate) = three_with(["state: Disabled", "state: Draining", ""], &["a", "b", "c"], "");
    assert_eq!(counts(&mut gate.client(), 10), expected(&[("c", 10)]));
    gate.write(
        "manifests.yaml",
        &manifests(&origins, ["state: Disabled", "state: Draining", "state: Disabled"], &["a", "b", "c"], ""),
    );
    let answer = gate.until("no target is left", "/", |answer| answer.status() == 503);
    assert_eq!(answer.reason().as_deref(), Some("no-healthy-target"));
}

#[test]
fn a_draining_target_finishes_what_is_in_flight_and_loses_its_affine_clients() {
    let hold = Arc::new(Barrier::new(2));
    let held = Arc::clone(&hold);
    let old = Origin::scripted(move |wire, request| {
        if request.target() == "/held" {
            held.wait();
        }
        wire.send(ok("old"))
    });
    let new = Origin::text("new");
    let manifests = |old_state: &str, new_state: &str| {
        [
            target("old", old.port(), old_state),
            target("new", new.port(), new_state),
            upstream("pool", &["old", "new"], "affinity: {header: {name: X-User}}"),
            prefix("/", "pool"),
        ]
        .concat()
    };
    let gate = Gate::start(&manifests("", "state: Disabled"));
    let user = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: test\r\nx-user: ann\r\n\r\n");
    let mut in_flight = gate.client();
    in_flight.send(user("/held"));
    old.until_requests(1);
    gate.write("manifests.yaml", &manifests("state: Draining", ""));
    until("the client moves to the other target", || (gate.ask(user("/")).text() == "new").then_some(()));
    for _ in 0..10 {
        assert_eq!(gate.ask(user("/")).text(), "new");
    }
    hold.wait();
    assert_eq!(in_flight.answer().text(), "old");
}

#[test]
fn a_cookie_keeps_a_client_at_its_target() {
    let (_origins, gate) = three(&["a", "b", "c"], "affinity: {cookie: {name: sg-affinity, ttl: 1h}}");
    for _ in 0..6 {
        let first = gate.get("/");
        let cookie = first.field("set-cookie").expect("a new client gets a cookie");
        let cookie = cookie.split(';').next().unwrap();
        assert!(cookie.starts_with("sg-affinity="), "{cookie}");
        for _ in 0..5 {
            let again = gate.ask(format!("GET / HTTP/1.1\r\nhost: test\r\ncookie: x=1; {cookie}\r\n\r\n"));
            assert_eq!(again.text(), first.text());
        }
    }
}

#[test]
fn a_header_keeps_users_apart_and_together() {
    let (_origins, gate) = three(&["a", "b", "c"], "affinity: {header: {name: X-User}}");
    let ask = |user: usize| gate.ask(format!("GET / HTTP/1.1\r\nhost: test\r\nx-user: user-{user}\r\n\r\n")).text();
    let first: Vec<String> = (0..60).map(ask).collect();
    let again: Vec<String> = (0..60).map(ask).collect();
    assert_eq!(first, again);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "users are spread");
}

#[test]
fn the_clients_address_and_the_conversation_keep_together() {
    let (_origins, gate) = three(&["a", "b", "c"], "affinity: {clientIP: {}}");
    assert_eq!(counts(&mut gate.client(), 12).len(), 1, "one address, one target");

    let (_origins, gate) = three(&["a", "b", "c"], "affinity: {conversation: {}}");
    let ask = |topic: usize, turns: usize| {
        let first = format!(r#"{{"role":"system","content":"s"}},{{"role":"user","content":"topic {topic}"}}"#);
        let later = (0..turns).map(|turn| format!(r#"{{"role":"assistant","content":"turn {turn}"}}"#));
        let messages = std::iter::once(first).chain(later).collect::<Vec<_>>().join(",");
        let answer = gate.ask(sluicegate_tests::client::post(
            "/v1/chat/completions",
            &format!(r#"{{"model":"m","messages":[{messages}]}}"#),
        ));
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.text()
    };
    let first: Vec<String> = (0..30).map(|topic| ask(topic, 0)).collect();
    let later: Vec<String> = (0..30).map(|topic| ask(topic, 5)).collect();
    assert_eq!(first, later, "a conversation stays where it began as it grows");
    assert!(first.iter().collect::<BTreeSet<_>>().len() > 1);
}

#[test]
fn inline_targets_have_weights_too() {
    let origins: Vec<Origin> = ["stable", "canary"].map(Origin::text).into();
    let gate = Gate::start(&object(
        "Rule",
        "inline",
        &format!(
            "targets: [{{url: 'http://127.0.0.1:{}', weight: 90}}, {{url: 'http://127.0.0.1:{}', weight: 10}}]",
            origins[0].port(),
            origins[1].port()
        ),
    ));
    assert_eq!(counts(&mut gate.client(), 100), expected(&[("canary", 10), ("stable", 90)]));
}

#[test]
fn a_share_of_users_goes_to_a_rule_and_stays_there() {
    let [canary, stable] = ["canary", "stable"].map(Origin::text);
    let rule = |name: &str, origin: &Origin, more: &str| {
        object(
            "Rule",
            name,
            &format!("matches: [{{path: {{value: /}}{more}\ntargets: [{{url: 'http://127.0.0.1:{}'}}]", origin.port()),
        )
    };
    let gate =
        Gate::start(&[rule("a-canary", &canary, "}]\ntrafficPercent: '20'"), rule("b-stable", &stable, "}]")].concat());
    let ask = |user: usize| gate.ask(format!("GET / HTTP/1.1\r\nhost: test\r\nx-user-id: user-{user}\r\n\r\n")).text();
    let first: Vec<String> = (0..300).map(ask).collect();
    assert_eq!(first, (0..300).map(ask).collect::<Vec<_>>(), "sticky");
    let share = first.iter().filter(|name| *name == "canary").count();
    assert!((30..=90).contains(&share), "about 20 % of 300 users, not {share}");
}
