//! What a request's later attempts have in common with its first.

mod kept;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Gate, Origin};

const RETRY: &str = "retry: {backoff: {type: Linear, interval: 1ms}, budgetPercent: 100}";

#[test]
fn a_second_attempt_is_picked_by_what_the_client_sent_whatever_the_rule_makes_of_it() {
    let fails = Arc::new(AtomicUsize::new(usize::MAX));
    let names = ["t0", "t1", "t2", "t3"];
    let origins: Vec<Origin> = (0..names.len())
        .map(|number| {
            let fails = Arc::clone(&fails);
            Origin::start(move |_| {
                let failing = fails.load(Ordering::SeqCst) == number;
                if failing { answer("503 Service Unavailable", "") } else { ok(number.to_string()) }
            })
        })
        .collect();
    let mut manifests: String =
        names.iter().zip(&origins).map(|(name, origin)| target(name, origin.port(), "")).collect();
    manifests += &upstream("pool", &names, "affinity: {header: {name: x-session}}");
    for (name, changes) in [("plain", "{}"), ("removed", "{remove: [x-session]}"), ("set", "{set: {x-session: one}}")] {
        let matches = format!("matches: [{{path: {{value: /{name}}}}}]");
        manifests += &rule(name, &format!("{matches}\nupstream: pool\nrequestHeaders: {changes}\n{RETRY}"));
    }
    let gate = Gate::start(&manifests);
    for session in 0..16 {
        let ask = |path: &str| {
            let answer = gate.ask(format!("GET {path} HTTP/1.1\r\nhost: test\r\nx-session: s{session}\r\n\r\n"));
            assert_eq!(answer.status(), 200, "{path}");
            answer.text()
        };
        fails.store(usize::MAX, Ordering::SeqCst);
        let home = ask("/plain");
        fails.store(home.parse().unwrap(), Ordering::SeqCst);
        let second = ask("/plain");
        assert_ne!(second, home);
        assert_eq!([ask("/removed"), ask("/set")], [second.clone(), second], "of session {session}");
    }
}
