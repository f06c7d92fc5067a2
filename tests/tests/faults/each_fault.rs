//! Each fault of a target: what the client saw and how long it took.

use std::time::{Duration, Instant};

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::{object, prefix, rule, target, upstream};
use sluicegate_tests::{Client, Fault, Faulty, Gate};

/// The Rules' `timeouts.request` and `timeouts.idle`: long enough for a machine that is busy elsewhere for a second.
const REQUEST: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_millis(1500);
/// How much longer than it should anything may take on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(10);

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sees {
    /// The target's whole answer.
    Whole,
    /// The target's answer with this status.
    Status(u16),
    /// An answer of Sluicegate's own, with this status and reason.
    Own(u16, String),
    /// A 200 that breaks off.
    Cut,
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    pub(crate) sees: Sees,
    /// How long it takes at least.
    after: Duration,
    /// Whether enough of them eject the target.
    pub(crate) ejects: bool,
}

fn case(name: &'static str, fault: Fault, sees: Sees, after: Duration) -> Case {
    // A whole answer is none, and a 429 with `Retry-After` has the target rest instead.
    let ejects = sees != Sees::Whole && sees != Sees::Status(429);
    Case { name, fault, sees, after, ejects }
}

fn own(status: u16, reason: &str) -> Sees {
    Sees::Own(status, reason.to_owned())
}

pub(crate) fn cases() -> Vec<Case> {
    let pause = Duration::from_millis(100);
    let at_once = Duration::ZERO;
    vec![
        case("refused", Fault::Refused, own(502, "upstream-connect-failed"), at_once),
        case("black-hole", Fault::BlackHole, own(504, "upstream-timeout"), REQUEST),
        case("reset-before-head", Fault::ResetBeforeHead, own(502, "upstream-reset"), at_once),
        case("reset-in-head", Fault::ResetInHead, own(502, "upstream-reset"), at_once),
        case("reset-in-body", Fault::ResetInBody, Sees::Cut, at_once),
        case("slow-head", Fault::SlowHead(pause), own(504, "upstream-timeout"), REQUEST),
        case("slow-body", Fault::SlowBody(pause), Sees::Whole, 3 * pause),
        case("stalled-body", Fault::SlowBody(2 * IDLE), Sees::Cut, IDLE),
        case("storm-500", Fault::Status(500, ""), Sees::Status(500), at_once),
        case("storm-503", Fault::Status(503, ""), Sees::Status(503), at_once),
        case("too-many", Fault::Status(429, "retry-after: 1\r\n"), Sees::Status(429), at_once),
        case("length-too-long", Fault::LengthTooLong, Sees::Cut, at_once),
        case("length-too-short", Fault::LengthTooShort, Sees::Whole, at_once),
        case("garbage", Fault::Garbage, own(502, "upstream-protocol-error"), at_once),
    ]
}

/// What a client sees of one request, on a connection of its own.
pub(crate) fn seen(gate: &Gate, path: &str, name: &str) -> Sees {
    let mut client = gate.client();
    client.send(get(path));
    sees(&mut client, name)
}

fn sees(client: &mut Client, name: &str) -> Sees {
    let Ok(answer) = client.wire.answer("GET") else { return Sees::Cut };
    match (answer.status(), answer.reason()) {
        (200, None) => {
            assert_eq!(answer.text(), name, "a wrong answer");
            Sees::Whole
        }
        (status, None) => Sees::Status(status),
        (status, Some(reason)) => Sees::Own(status, reason),
    }
}

pub(crate) fn limited(path: &str, name: &str) -> String {
    rule(
        name,
        &format!("matches: [{{path: {{value: {path}}}}}]\nupstream: {name}\ntimeouts: {{request: 2s, idle: 1500ms}}"),
    )
}

#[test]
fn what_the_client_of_a_lone_target_sees_and_how_long_it_takes() {
    let cases = cases();
    let targets: Vec<Faulty> = cases.iter().map(|case| Faulty::start(case.name)).collect();
    let manifests: String = cases
        .iter()
        .zip(&targets)
        .map(|(case, faulty)| {
            let name = case.name;
            [target(name, faulty.port(), ""), upstream(name, &[name], ""), limited(&format!("/{name}"), name)].concat()
        })
        .collect();
    let gate = Gate::start(&manifests);
    for (case, faulty) in cases.iter().zip(&targets) {
        let path = format!("/{}", case.name);
        assert_eq!(seen(&gate, &path, case.name), Sees::Whole, "{}: before", case.name);
        faulty.fail(case.fault.clone());
        for _ in 0..2 {
            let asked = Instant::now();
            assert_eq!(seen(&gate, &path, case.name), case.sees, "{}", case.name);
            let took = asked.elapsed();
            assert!(took >= case.after && took < case.after + SLACK, "{}: {took:?}", case.name);
        }
        faulty.fail(Fault::None);
        assert_eq!(seen(&gate, &path, case.name), Sees::Whole, "{}: after", case.name);
    }
}

/// A pool of this target and of one that never fails.
pub(crate) fn beside_a_steady_one(name: &str, port: u16, health: &str) -> String {
    [target(name, port, ""), upstream(name, &[name, "steady"], health)].concat()
}

#[test]
fn what_a_client_sees_whose_request_is_tried_again_elsewhere() {
    let cases = cases();
    let targets: Vec<Faulty> = cases.iter().map(|_| Faulty::start("whole")).collect();
    let steady = Faulty::start("whole");
    let retry =
        "retry: {attempts: 2, backoff: {type: Linear, interval: 5ms}, when: {statuses: [\"429\", \"500-599\"]}}";
    let of_case = |(case, faulty): (&Case, &Faulty)| {
        let name = case.name;
        let limits = "timeouts: {request: 20s, perTry: 2s, idle: 1500ms}";
        let spec = format!("matches: [{{path: {{value: /{name}}}}}]\nupstream: {name}\n{limits}\n{retry}");
        beside_a_steady_one(name, faulty.port(), "") + &rule(name, &spec)
    };
    let pools: String = cases.iter().zip(&targets).map(of_case).collect();
    let gate = Gate::start(&(pools + &target("steady", steady.port(), "")));
    for (case, faulty) in cases.iter().zip(&targets) {
        faulty.fail(case.fault.clone());
        // What has begun is never begun again.
        let expected = if case.sees == Sees::Cut { Sees::Cut } else { Sees::Whole };
        // Targets take turns, so at least one of two requests meets the fault.
        let asked = Instant::now();
        let saw = [0, 1].map(|_| seen(&gate, &format!("/{}", case.name), "whole"));
        let took = asked.elapsed();
        assert!(saw.contains(&expected) && saw.contains(&Sees::Whole), "{}: {saw:?}", case.name);
        assert!(took >= case.after && took < 2 * case.after + SLACK, "{}: {took:?}", case.name);
        let reached = if case.fault == Fault::Refused { 0..=0 } else { 1..=2 };
        assert!(reached.contains(&faulty.requests()), "{}: it is tried elsewhere, not there again", case.name);
    }
}

#[test]
fn no_answer_is_taken_for_another() {
    // What comes behind an answer that is longer than it said, or after a time-out, belongs to nobody.
    let faulty = Faulty::start("right");
    let manifests =
        [target("faulty", faulty.port(), ""), upstream("pool", &["faulty"], ""), limited("/", "pool")].concat();
    let gate = Gate::start(&manifests);
    let mut client = gate.client();
    for fault in [Fault::LengthTooShort, Fault::SlowHead(Duration::from_millis(30)), Fault::None] {
        for _ in 0..5 {
            faulty.fail(fault.clone());
            client.send(get("/"));
            let saw = sees(&mut client, "right");
            assert!(saw == Sees::Whole || saw == own(504, "upstream-timeout"), "{fault:?}: {saw:?}");
            faulty.fail(Fault::None);
            assert_eq!(client.get("/").text(), "right", "after {fault:?}");
        }
    }
}

#[test]
fn names_that_are_gone_and_targets_without_tls_are_told_apart() {
    let faulty = Faulty::start("no-tls");
    faulty.fail(Fault::NoTls);
    let gate = Gate::start(
        &[
            object("Target", "gone", "host: gone.invalid\nport: 80"),
            upstream("gone", &["gone"], ""),
            prefix("/gone", "gone"),
            target("no-tls", faulty.port(), "protocol: HTTPS"),
            upstream("no-tls", &["no-tls"], ""),
            prefix("/no-tls", "no-tls"),
        ]
        .concat(),
    );
    for (path, reason) in [("/gone", "dns-failed"), ("/no-tls", "upstream-tls-failed")] {
        let asked = Instant::now();
        let answer = gate.get(path);
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some(reason)), "{path}");
        assert!(asked.elapsed() < Duration::from_secs(10), "{path}: {:?}", asked.elapsed());
    }
    assert!(faulty.connections() > 0);
}
