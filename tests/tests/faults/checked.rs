//! Active checks over real sockets: targets leave and return without a request.

use std::time::{Duration, Instant};

use sluicegate_tests::load::{Load, Plan};
use sluicegate_tests::manifests::{target, upstream};
use sluicegate_tests::{Fault, Faulty, Setup, until};

use crate::each_fault::{SLACK, limited};
use crate::ejected::is;

const INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(100);
/// A check of its own for a target that is not to be left, however slowly the machine answers checks.
pub(crate) const UNFAILING: &str = "healthChecks: {active: {type: TCP, interval: 1m, timeout: 1m}}";

#[test]
fn a_target_whose_checks_fail_is_left_in_time_and_comes_back() {
    let (faulty, steady) = (Faulty::start("faulty"), Faulty::start("steady"));
    let checks = "healthChecks: {active: {path: /health, interval: 200ms, timeout: 100ms, unhealthyThreshold: 3, healthyThreshold: 2}}";
    let manifests = [
        target("faulty", faulty.port(), ""),
        target("steady", steady.port(), UNFAILING),
        upstream("pool", &["faulty", "steady"], checks),
        limited("/", "pool"),
    ]
    .concat();
    let gate = Setup::new(&manifests).configuration("accessLog: {sample: 0}").start();
    for fault in [Fault::Refused, Fault::BlackHole, Fault::Status(503, ""), Fault::ResetBeforeHead, Fault::Garbage] {
        until("both are healthy", || {
            (is(&gate, "faulty", "Healthy", None) && is(&gate, "steady", "Healthy", None)).then_some(())
        });
        faulty.fail(fault.clone());
        let began = Instant::now();
        until("it is left", || is(&gate, "faulty", "Unhealthy", Some("FailedChecks")).then_some(()));
        let took = began.elapsed();
        assert!(took < 3 * INTERVAL + TIMEOUT + SLACK, "{fault:?}: {took:?}");
        let load = Load::start(&Plan::of(&[gate.listen], "test"));
        load.end_without_failure("one target is left");
        faulty.fail(Fault::None);
        let began = Instant::now();
        until("it comes back", || is(&gate, "faulty", "Healthy", None).then_some(()));
        let took = began.elapsed();
        assert!(took < 2 * INTERVAL + SLACK, "{fault:?}: {took:?}");
    }
    gate.until("it is asked again", "/", |answer| answer.text() == "faulty");
}

#[test]
fn a_target_is_asked_for_nothing_before_its_first_good_check() {
    let (new, steady) = (Faulty::start("new"), Faulty::start("steady"));
    let checks = "healthChecks: {active: {type: HTTP, path: /health, interval: 30s, timeout: 20s}}";
    let of = |members: &[&str]| {
        [
            target("new", new.port(), ""),
            target("steady", steady.port(), ""),
            upstream("pool", members, checks),
            limited("/", "pool"),
        ]
        .concat()
    };
    let gate = Setup::new(&of(&["steady"])).start();
    gate.until("the only one is asked", "/", |answer| answer.text() == "steady");
    until("it has passed", || is(&gate, "steady", "Healthy", None).then_some(()));
    new.fail(Fault::BlackHole);
    gate.write("manifests.yaml", &of(&["steady", "new"]));
    // The check comes at once, and hangs.
    until("the new one is being checked", || (new.requests() == 1).then_some(()));
    for _ in 0..20 {
        assert_eq!(gate.get("/").text(), "steady");
    }
    assert!(is(&gate, "new", "Unhealthy", Some("NotChecked")));
    assert_eq!(new.requests(), 1);
}
