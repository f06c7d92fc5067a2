//! Requests that wait to be tried again while the health of targets changes.

use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::{Fault, Faulty, Gate};

use crate::ejected::is;

#[test]
fn a_request_that_waits_is_not_sent_to_a_target_whose_breaker_has_opened_meanwhile() {
    let faulty = Faulty::start("one");
    let manifests = [
        target("one", faulty.port(), ""),
        upstream("pool", &["one"], "circuitBreaker: {failureThreshold: 2, openDuration: 60s}"),
        rule("all", "upstream: pool\nretry: {attempts: 1, backoff: {type: Linear, interval: 1s}}"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    faulty.fail(Fault::Status(503, ""));
    // The first may be waiting to be tried again when the second opens the breaker.
    let statuses = std::thread::scope(|scope| {
        [(); 2].map(|()| scope.spawn(|| gate.get("/").status())).map(|asked| asked.join().unwrap())
    });
    assert_eq!(statuses, [503, 503]);
    assert_eq!(faulty.requests(), 2, "nothing comes through an open breaker");
    assert!(is(&gate, "one", "Unhealthy", Some("CircuitOpen")));
}
