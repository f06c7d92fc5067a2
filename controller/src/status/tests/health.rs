//! `Healthy` and the states of Targets.

use std::sync::Arc;

use sluicegate_crds::status::Reason;
use sluicegate_crds::upstream::MemberStatus;
use sluicegate_table::{
    Algorithm, Credential, EndpointAddress, Endpoints, Level, Member, ObjectKey, Pool, Protocol, Table, Target,
    TargetState, Tls, TrustRoots, Weight,
};

use super::fixture::{Fixture, accepted, after, id, refused, unhealthy, unresolved};
use crate::objects::{Kind, ObjectId};
use crate::status::Status;

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("team", name)
}

pub(super) fn upstream() -> ObjectId {
    id(Kind::Upstream, "chat")
}

pub(super) fn target(name: &str) -> ObjectId {
    id(Kind::Target, name)
}

fn plain() -> Target {
    Target::new("a.test", 80, Protocol::Http)
}

pub(super) fn pool(members: &[(&str, u8)]) -> Pool {
    let members =
        members.iter().map(|(name, weight)| Member { target: key(name), weight: Weight::try_from(*weight).unwrap() });
    Pool::new(Algorithm::WeightedRoundRobin, vec![Level { priority: 1, members: members.collect() }])
}

fn endpoints(addresses: &[&str]) -> Endpoints {
    let addresses = addresses.iter().map(|address| EndpointAddress { address: address.parse().unwrap(), zone: None });
    Endpoints { addresses: addresses.collect() }
}

/// An Upstream with an ordinary Target `one` and a Target `two` that `change` makes.
pub(super) async fn with_second(change: impl FnOnce(&mut Table, Target)) -> Fixture {
    let mut cluster = Fixture::new(&["a", "b"]);
    for object in [upstream(), target("one"), target("two")] {
        cluster.object(&object, 1);
    }
    let said = [(upstream(), accepted(1)), (target("one"), accepted(1)), (target("two"), accepted(1))];
    cluster.say_with(said, |table| {
        table.pools.insert(key("chat"), Arc::new(pool(&[("one", 50), ("two", 50)])));
        table.targets.insert(key("one"), Arc::new(plain()));
        change(table, plain());
    });
    cluster.applies("a");
    cluster.applies("b");
    after(500).await;
    cluster
}

pub(super) fn put(table: &mut Table, second: Target) {
    table.targets.insert(key("two"), Arc::new(second));
}

/// An Upstream's Targets as `name State Reason proxies breaker`.
pub(super) fn members(cluster: &Fixture) -> Vec<String> {
    let server = cluster.server.lock();
    let Status::Upstream(status) = &server.objects[&upstream()].status else { panic!() };
    let shown = status.targets.iter().map(|MemberStatus { name, state, reason, proxies, breaker }| {
        let breaker = breaker.map(|state| format!("{state:?}"));
        let more = [reason, proxies, &breaker].into_iter().flatten().map(|word| format!(" {word}"));
        format!("{name} {state}{}", more.collect::<String>())
    });
    shown.chain(status.targets_healthy.clone()).collect()
}

pub(super) fn state(cluster: &Fixture, name: &str) -> String {
    let server = cluster.server.lock();
    let Status::Target(status) = &server.objects[&target(name)].status else { panic!() };
    status.state.map_or_else(|| "none".to_owned(), |state| state.to_string())
}

#[tokio::test(start_paused = true)]
async fn what_keeps_a_target_from_requests_is_its_state() {
    type Make = fn(&mut Table, Target);
    let cases: [(Make, &str, &str, &str); 7] = [
        (put, "Healthy", "two Healthy", "True Healthy: it gets requests"),
        (
            |table, second| put(table, Target { state: TargetState::Draining, ..second }),
            "Draining",
            "two Draining Draining",
            "False Draining: it finishes what is in flight, as spec.state says",
        ),
        (
            |table, second| put(table, Target { state: TargetState::Disabled, ..second }),
            "Disabled",
            "two Disabled Disabled",
            "False Disabled: it gets no requests, as spec.state says",
        ),
        (
            |table, second| {
                let credential = Some(Credential { header: "authorization".to_owned(), value: None });
                put(table, Target { credential, ..second });
            },
            "Unhealthy",
            "two Unhealthy SecretNotFound",
            "False SecretNotFound: it gets no requests: its Secret is missing or cannot be used",
        ),
        (
            |table, second| put(table, Target { tls: Tls { server_name: None, roots: TrustRoots::Missing }, ..second }),
            "Unhealthy",
            "two Unhealthy ConfigMapNotFound",
            "False ConfigMapNotFound: it gets no requests: its certificate authorities are missing or cannot be used",
        ),
        (
            |table, second| {
                table.endpoints.insert(key("two"), Arc::new(endpoints(&[])));
                put(table, Target { discovered: true, ..second });
            },
            "Unhealthy",
            "two Unhealthy NoReadyEndpoints",
            "False NoReadyEndpoints: it gets no requests: no pod behind its Service is ready",
        ),
        (
            |table, second| {
                table.endpoints.insert(key("two"), Arc::new(endpoints(&["10.0.0.1:80"])));
                put(table, Target { discovered: true, ..second });
            },
            "Healthy",
            "two Healthy",
            "True Healthy: it gets requests",
        ),
    ];
    for (change, expected_state, member, condition) in cases {
        let cluster = with_second(change).await;
        assert_eq!(state(&cluster, "two"), expected_state, "{member}");
        assert_eq!(cluster.healthy(&target("two")), condition);
        let ratio = if expected_state == "Healthy" { "2/2" } else { "1/2" };
        assert_eq!(members(&cluster), ["one Healthy", member, ratio]);
        let expected = match expected_state {
            "Healthy" => "True Healthy: 2/2 Targets are healthy".to_owned(),
            "Unhealthy" => format!(
                "True SomeTargetsUnhealthy: 1/2 Targets are healthy: two ({})",
                member.trim_start_matches("two Unhealthy ")
            ),
            _ => "True Healthy: 1/2 Targets are healthy".to_owned(),
        };
        assert_eq!(cluster.healthy(&upstream()), expected);
        assert_eq!(cluster.writes(), 3, "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_target_and_a_refused_one_are_told_apart() {
    let mut cluster = Fixture::new(&["a"]);
    for object in [upstream(), target("refused")] {
        cluster.object(&object, 1);
    }
    let said = [
        (upstream(), unresolved(1, Reason::BackendNotFound)),
        (target("refused"), refused(1, Reason::UnsupportedValue)),
    ];
    cluster.say_with(said, |table| {
        table.pools.insert(key("chat"), Arc::new(pool(&[("gone", 50), ("refused", 50)])));
    });
    cluster.applies("a");
    after(500).await;
    assert_eq!(members(&cluster), ["gone Unhealthy BackendNotFound", "refused Unhealthy Invalid", "0/2"]);
    assert_eq!(
        cluster.healthy(&upstream()),
        "False NoHealthyTargets: no Target gets requests: gone (BackendNotFound), refused (Invalid)"
    );
    let no_version = "Unknown Invalid: the object is refused, and no valid version is in force";
    assert_eq!(
        (cluster.healthy(&target("refused")).as_str(), state(&cluster, "refused").as_str()),
        (no_version, "none")
    );
    cluster.events();
    // Once a Target comes, the Upstream says so though compile has nothing new to say of it.
    cluster.object(&target("gone"), 1);
    cluster.say_with([(target("gone"), accepted(1))], |table| {
        table.targets.insert(key("gone"), Arc::new(plain()));
    });
    cluster.applies("a");
    after(2_000).await;
    assert_eq!(members(&cluster)[2], "1/2");
    assert!(cluster.events().contains(&"!SomeTargetsUnhealthy".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_target_without_weight_keeps_no_upstream_healthy() {
    let mut cluster = with_second(put).await;
    cluster.object(&upstream(), 2);
    cluster.say_with([(upstream(), accepted(2))], |table| {
        table.pools.insert(key("chat"), Arc::new(pool(&[("one", 0), ("two", 100)])));
        put(table, Target { state: TargetState::Disabled, ..plain() });
    });
    cluster.applies("a");
    cluster.applies("b");
    after(2_000).await;
    assert_eq!(members(&cluster), ["one Healthy", "two Disabled Disabled", "1/2"]);
    assert_eq!(cluster.healthy(&upstream()), "False NoHealthyTargets: no Target gets requests: two (Disabled)");
}

#[tokio::test(start_paused = true)]
async fn what_the_proxies_find_counts_and_outlives_a_controller() {
    let mut cluster = with_second(|table, second| {
        table.endpoints.insert(key("two"), Arc::new(endpoints(&["10.0.0.1:80", "10.0.0.2:80"])));
        put(table, Target { discovered: true, ..second });
    })
    .await;
    // One of two addresses: the Target still gets requests.
    cluster.reports("a", |report| report.endpoints = vec![unhealthy("two", Some("10.0.0.1:80"))]);
    after(2_000).await;
    assert_eq!(members(&cluster), ["one Healthy", "two Healthy", "2/2"]);
    // Both, as one proxy sees it.
    let both = || vec![unhealthy("two", Some("10.0.0.1:80")), unhealthy("two", Some("10.0.0.2:80"))];
    cluster.reports("a", |report| report.endpoints = both());
    after(2_000).await;
    assert_eq!(members(&cluster), ["one Healthy", "two Healthy Unhealthy 1/2", "2/2"]);
    let found = "1/2 proxies send it requests, for the others it does not answer as it should";
    assert_eq!(cluster.healthy(&target("two")), format!("True Healthy: {found}"));
    cluster.reports("b", |report| report.endpoints = both());
    after(2_000).await;
    assert_eq!(members(&cluster), ["one Healthy", "two Unhealthy Unhealthy", "1/2"]);
    let found = "False Unhealthy: it gets no requests: it does not answer as it should";
    assert_eq!(cluster.healthy(&target("two")), found);

    // A controller that starts anew has not heard that yet, and does not say the opposite.
    let writes = cluster.writes();
    cluster = cluster.restarted(&["a", "b"]);
    cluster.say([(upstream(), accepted(1)), (target("one"), accepted(1)), (target("two"), accepted(1))]);
    after(10_000).await;
    for proxy in ["a", "b"] {
        cluster.reports(proxy, |report| report.endpoints = both());
    }
    after(100_000).await;
    assert_eq!((cluster.writes(), cluster.healthy(&target("two")).as_str()), (writes, found));
    cluster.applies("a");
    cluster.applies("b");
    after(2_000).await;
    assert_eq!(members(&cluster), ["one Healthy", "two Healthy", "2/2"]);
}
