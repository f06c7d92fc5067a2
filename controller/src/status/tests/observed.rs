//! What proxies tell of endpoints, in the statuses and Events of Targets and Upstreams.

use std::collections::BTreeSet;
use std::sync::Arc;

use sluicegate_crds::status::ConditionType;
use sluicegate_table::watch::{BreakerState, EndpointReport, EndpointState, Report, UnhealthyReason, UpstreamReport};
use sluicegate_table::{BreakerScope, CircuitBreaker, Pool};

use super::fixture::{Fixture, accepted, after, id, unhealthy};
use super::health::{key, members, pool, put, state, target, upstream, with_second};
use crate::objects::Kind;

/// A report that `two` is unhealthy for this reason.
fn because(reason: UnhealthyReason) -> EndpointReport {
    EndpointReport { reason: Some(reason), ..unhealthy("two", None) }
}

fn breaker(state: BreakerState) -> EndpointReport {
    EndpointReport { breaker: Some(state), ..because(UnhealthyReason::CircuitOpen) }
}

/// As [`with_second`], with circuit breakers of this scope.
async fn with_breakers(scope: BreakerScope) -> Fixture {
    let mut cluster = with_second(put).await;
    cluster.object(&upstream(), 2);
    cluster.say_with([(upstream(), accepted(2))], |table| {
        let circuit_breaker = Some(CircuitBreaker { scope, ..CircuitBreaker::default() });
        table.pools.insert(key("chat"), Arc::new(Pool { circuit_breaker, ..pool(&[("one", 50), ("two", 50)]) }));
    });
    cluster.applies("a");
    cluster.applies("b");
    after(2_000).await;
    cluster.events();
    cluster
}

#[tokio::test(start_paused = true)]
async fn each_reason_of_the_proxies_is_told_and_returns() {
    use UnhealthyReason::{CircuitOpen, Ejected, FailedChecks, Resting};
    let cluster = with_second(put).await;
    cluster.events();
    for (reason, word, words) in [
        (CircuitOpen, "CircuitOpen", "its circuit breaker is open"),
        (Resting, "Resting", "it asked for a rest"),
        (Ejected, "Ejected", "it is ejected, since requests to it failed"),
        (FailedChecks, "FailedChecks", "its health checks fail"),
    ] {
        // One of two proxies finds it.
        cluster.reports("a", |report| report.endpoints = vec![because(reason)]);
        after(2_000).await;
        let (shown, told): (_, &[&str]) =
            if reason == CircuitOpen { ("CircuitOpen", &["!CircuitOpen"]) } else { ("Healthy", &[]) };
        let expected = format!("True {shown}: 1/2 proxies send it requests, for the others {words}");
        assert_eq!(cluster.healthy(&target("two")), expected);
        assert_eq!(members(&cluster), ["one Healthy", &format!("two Healthy {word} 1/2"), "2/2"]);
        assert_eq!(cluster.events(), told);
        // Both do.
        cluster.reports("b", |report| report.endpoints = vec![because(reason)]);
        after(2_000).await;
        assert_eq!(cluster.healthy(&target("two")), format!("False {word}: it gets no requests: {words}"));
        assert_eq!(members(&cluster), ["one Healthy", &format!("two Unhealthy {word}"), "1/2"]);
        assert_eq!(state(&cluster, "two"), "Unhealthy");
        assert_eq!(
            cluster.healthy(&upstream()),
            format!("True SomeTargetsUnhealthy: 1/2 Targets are healthy: two ({word})")
        );
        let events: BTreeSet<String> = cluster.events().into_iter().collect();
        assert_eq!(events, BTreeSet::from(["!SomeTargetsUnhealthy".to_owned(), format!("!{word}")]));
        // It is over.
        cluster.applies("a");
        cluster.applies("b");
        after(2_000).await;
        assert_eq!(cluster.healthy(&target("two")), "True Healthy: it gets requests");
        assert_eq!(cluster.events(), ["Healthy", "Healthy"]);
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_reasons_the_gravest_is_told() {
    let cluster = with_second(put).await;
    cluster.reports("a", |report| report.endpoints = vec![because(UnhealthyReason::FailedChecks)]);
    cluster.reports("b", |report| report.endpoints = vec![because(UnhealthyReason::Resting)]);
    after(2_000).await;
    assert_eq!(members(&cluster)[1], "two Unhealthy Resting");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_shown_where_the_upstream_has_them() {
    let cluster = with_breakers(BreakerScope::Endpoint).await;
    assert_eq!(members(&cluster), ["one Healthy Closed", "two Healthy Closed", "2/2"]);
    cluster.reports("a", |report| report.endpoints = vec![breaker(BreakerState::HalfOpen)]);
    after(2_000).await;
    assert_eq!(members(&cluster)[1], "two Healthy CircuitOpen 1/2 HalfOpen");
    cluster.reports("b", |report| report.endpoints = vec![breaker(BreakerState::Open)]);
    after(2_000).await;
    assert_eq!(members(&cluster)[1], "two Unhealthy CircuitOpen Open");

    // A controller that starts anew has not heard that yet.
    let writes = cluster.writes();
    let mut cluster = cluster.restarted(&["a", "b"]);
    cluster.say([(upstream(), accepted(2)), (target("one"), accepted(1)), (target("two"), accepted(1))]);
    after(10_000).await;
    assert_eq!(cluster.writes(), writes);
    cluster.applies("a");
    cluster.applies("b");
    after(2_000).await;
    assert_eq!(members(&cluster)[1], "two Healthy Closed");
}

/// A report that the Upstream's own breaker stands so.
fn broken(report: &mut Report, state: BreakerState) {
    report.upstreams = vec![UpstreamReport { upstream: key("chat"), breaker: state }];
}

#[tokio::test(start_paused = true)]
async fn the_breaker_of_an_upstream_is_told_with_the_proxies_in_which_it_is_open() {
    let cluster = with_breakers(BreakerScope::Upstream).await;
    assert_eq!(members(&cluster), ["one Healthy Closed", "two Healthy Closed", "2/2"]);
    cluster.reports("a", |report| broken(report, BreakerState::HalfOpen));
    after(2_000).await;
    let some = "True CircuitOpen: 2/2 Targets are healthy; its circuit breaker is open in 1/2 proxies";
    assert_eq!(cluster.healthy(&upstream()), some);
    assert_eq!(members(&cluster), ["one Healthy HalfOpen", "two Healthy HalfOpen", "2/2"]);
    assert_eq!(cluster.events(), ["!CircuitOpen"]);

    // A controller that starts anew has not heard that yet.
    let writes = cluster.writes();
    let mut cluster = cluster.restarted(&["a", "b"]);
    cluster.say([(upstream(), accepted(2)), (target("one"), accepted(1)), (target("two"), accepted(1))]);
    after(10_000).await;
    assert_eq!((cluster.writes(), cluster.healthy(&upstream()).as_str()), (writes, some));

    for proxy in ["a", "b"] {
        cluster.reports(proxy, |report| broken(report, BreakerState::Open));
    }
    after(2_000).await;
    let all = "False CircuitOpen: no Target gets requests: the circuit breaker of the Upstream is open";
    assert_eq!(cluster.healthy(&upstream()), all);
    assert_eq!(members(&cluster), ["one Healthy Open", "two Healthy Open", "2/2"]);
    assert_eq!(cluster.events(), ["!CircuitOpen"]);
    let writes = cluster.writes();
    let mut cluster = cluster.restarted(&["a", "b"]);
    cluster.say([(upstream(), accepted(2)), (target("one"), accepted(1)), (target("two"), accepted(1))]);
    after(10_000).await;
    assert_eq!((cluster.writes(), cluster.healthy(&upstream()).as_str()), (writes, all));

    cluster.applies("a");
    cluster.applies("b");
    after(2_000).await;
    assert_eq!(cluster.healthy(&upstream()), "True Healthy: 2/2 Targets are healthy");
    assert_eq!(members(&cluster), ["one Healthy Closed", "two Healthy Closed", "2/2"]);
    assert_eq!(cluster.events(), ["Healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_some_proxies_have_open_stands_beside_what_is_said_of_the_targets() {
    let cluster = with_breakers(BreakerScope::Upstream).await;
    let proxies_find = |ill: &[&str]| {
        let endpoints: Vec<EndpointReport> = ill.iter().map(|name| unhealthy(name, None)).collect();
        cluster.reports("a", |report| report.endpoints.clone_from(&endpoints));
        cluster.reports("b", |report| {
            broken(report, BreakerState::Open);
            report.endpoints = endpoints;
        });
    };
    for (ill, said) in [
        (&["two"][..], "True CircuitOpen: 1/2 Targets are healthy: two (Unhealthy)"),
        (&["one", "two"], "False NoHealthyTargets: no Target gets requests: one (Unhealthy), two (Unhealthy)"),
    ] {
        proxies_find(ill);
        after(2_000).await;
        assert_eq!(cluster.healthy(&upstream()), format!("{said}; its circuit breaker is open in 1/2 proxies"));
    }
    proxies_find(&[]);
    cluster.applies("b");
    after(2_000).await;
    cluster.events();
    cluster.reports("b", |report| broken(report, BreakerState::Open));
    after(2_000).await;
    cluster.applies("b");
    after(2_000).await;
    assert_eq!(cluster.events(), ["!CircuitOpen", "Healthy"], "what is over is told, too");
}

/// What a proxy still says of a breaker that the Upstream no longer has as a whole counts for nothing.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_no_more_is_not_told() {
    let cluster = with_breakers(BreakerScope::Endpoint).await;
    for proxy in ["a", "b"] {
        cluster.reports(proxy, |report| broken(report, BreakerState::Open));
    }
    after(2_000).await;
    assert_eq!(cluster.healthy(&upstream()), "True Healthy: 2/2 Targets are healthy");
}

#[tokio::test(start_paused = true)]
async fn what_some_proxies_found_outlives_a_controller_with_its_reason() {
    let cluster = with_second(put).await;
    cluster.reports("a", |report| report.endpoints = vec![because(UnhealthyReason::Ejected)]);
    after(2_000).await;
    let (writes, said) = (cluster.writes(), cluster.healthy(&target("two")));
    let mut cluster = cluster.restarted(&["a", "b"]);
    cluster.say([(upstream(), accepted(1)), (target("one"), accepted(1)), (target("two"), accepted(1))]);
    after(10_000).await;
    assert_eq!((cluster.writes(), cluster.healthy(&target("two"))), (writes, said));
}

/// A proxy that has just started has not checked anything yet; that is no news of a Target that others know.
#[tokio::test(start_paused = true)]
async fn a_proxy_that_has_not_checked_yet_says_nothing_against_a_target() {
    let cluster = with_second(put).await;
    let writes = cluster.writes();
    cluster.reports("a", |report| report.endpoints = vec![because(UnhealthyReason::NotChecked)]);
    after(2_000).await;
    assert_eq!((cluster.writes(), members(&cluster)[1].as_str()), (writes, "two Healthy"));
    cluster.events();
    cluster.reports("b", |report| report.endpoints = vec![because(UnhealthyReason::NotChecked)]);
    after(2_000).await;
    assert_eq!(members(&cluster)[1], "two Unhealthy NotChecked");
    assert!(!cluster.events().contains(&"!NotChecked".to_owned()), "checks begin in a moment");
}

#[tokio::test(start_paused = true)]
async fn a_flapping_endpoint_writes_each_status_once_a_second_at_most() {
    let cluster = with_second(put).await;
    let writes = cluster.writes();
    for round in 0..200 {
        cluster.reports("a", |report| flap(report, round % 2 == 0));
        cluster.reports("b", |report| flap(report, round % 2 == 0));
        after(50).await;
    }
    // Ten seconds, of which the Target and its Upstream are written.
    let flapped = cluster.writes() - writes;
    assert!((2..=2 * 11).contains(&flapped), "{flapped} writes");
    // What is written last is so.
    after(2_000).await;
    assert_eq!(members(&cluster)[1], "two Healthy");
}

fn flap(report: &mut Report, bad: bool) {
    if bad {
        report.endpoints = vec![because(UnhealthyReason::Ejected)];
    }
}

/// A proxy that is one release older may not know what an object becomes.
#[tokio::test(start_paused = true)]
async fn an_entry_that_a_proxy_does_not_know_is_not_programmed() {
    let cluster = with_second(put).await;
    cluster.reports("b", |report| {
        report.unknown = vec!["Pool team/chat".to_owned(), "Mirror team/chat".to_owned()];
        report.program = "0.0.9".to_owned();
    });
    after(2_000).await;
    let programmed = cluster.shown(&id(Kind::Upstream, "chat"), ConditionType::Programmed);
    let why = "the proxy's release (0.0.9) does not know entries of the kind Pool";
    assert_eq!(programmed, format!("False RefusedByProxy: 1/2 proxies; refused: {why}"));
    assert!(cluster.events().contains(&"!RefusedByProxy".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_heals_itself_is_healthy_again() {
    let cluster = with_second(put).await;
    for state in [EndpointState::Draining, EndpointState::Disabled, EndpointState::Healthy] {
        let report = EndpointReport { state, ..unhealthy("two", None) };
        cluster.reports("a", |said| said.endpoints = vec![report]);
        after(2_000).await;
        assert_eq!(members(&cluster)[1], "two Healthy", "{state:?} is no failure");
    }
}
