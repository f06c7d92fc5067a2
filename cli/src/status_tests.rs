#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_controller::observe::FleetStatus;
use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{
    BreakerState, EndpointReport, EndpointState, EntryId, EntryKind, Refusal, Report, UnhealthyReason, UpstreamReport,
    Version,
};

use super::{Fault, Faulty, Picture, faults, is_well, text};

fn version(number: u64) -> Version {
    Version { epoch: "a1".to_owned(), number }
}

fn applied(number: u64) -> Report {
    Report { applied: Some(version(number)), ready: true, ..Report::default() }
}

fn well() -> Picture {
    let proxies = [("proxy-1".to_owned(), applied(7)), ("proxy-2".to_owned(), applied(7))].into();
    let fleet = FleetStatus {
        leads: true,
        version: Some(version(7).to_string()),
        rules: 3,
        upstreams: 2,
        targets: 4,
        proxies,
        ..FleetStatus::default()
    };
    Picture { leader: Some("controller-1".to_owned()), fleet, total: 9, ..Picture::default() }
}

fn condition(type_: &str, status: &str, generation: i64) -> Condition {
    let mut condition: Condition = serde_json::from_value(serde_json::json!({
        "type": type_, "status": status, "reason": "Because", "message": "so",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }))
    .unwrap();
    condition.observed_generation = Some(generation);
    condition
}

/// Endpoints that are not as healthy as they should be.
fn endpoints() -> Vec<EndpointReport> {
    let endpoint = |name: &str, state, reason, breaker| EndpointReport {
        target: ObjectKey::new("shop", name),
        address: None,
        state,
        reason,
        breaker,
    };
    let open =
        endpoint("open", EndpointState::Unhealthy, Some(UnhealthyReason::CircuitOpen), Some(BreakerState::HalfOpen));
    let closed = Some(BreakerState::Closed);
    let ejected = endpoint("ejected", EndpointState::Unhealthy, Some(UnhealthyReason::Ejected), closed);
    let one_of_two = EndpointReport { address: Some("10.0.0.1:80".parse().unwrap()), ..ejected.clone() };
    vec![open, ejected, one_of_two, endpoint("old", EndpointState::Draining, None, None)]
}

#[test]
fn all_is_well() {
    assert!(is_well(&well()));
    insta::assert_snapshot!(text(&well()));
}

#[test]
fn all_that_is_not_well_is_named() {
    let mut picture = well();
    let id = EntryId { kind: EntryKind::Route, key: ObjectKey::new("shop", "cart") };
    let refused = vec![Refusal { id: id.clone(), reason: "the pattern is too large".to_owned() }];
    let unknown = vec!["Mirror shop/cart".to_owned()];
    let upstreams = vec![UpstreamReport { upstream: ObjectKey::new("shop", "cart"), breaker: BreakerState::Open }];
    let behind =
        Report { refused, missing: vec![id], unknown, ready: false, endpoints: endpoints(), upstreams, ..applied(6) };
    picture.fleet.proxies.insert("proxy-2".to_owned(), behind);
    picture.followers = vec!["controller-2".to_owned()];
    picture.unconnected = vec!["proxy-3".to_owned()];
    let conditions = faults(Some(2), &[condition("Accepted", "True", 2), condition("Programmed", "False", 2)]);
    picture.objects =
        vec![Faulty { kind: "Rule".to_owned(), namespace: "shop".to_owned(), name: "cart".to_owned(), conditions }];
    assert!(!is_well(&picture));
    insta::assert_snapshot!(text(&picture));
}

#[test]
fn each_thing_alone_makes_it_unwell() {
    let changes: [fn(&mut Picture); 5] = [
        |picture| picture.leader = None,
        |picture| picture.unconnected = vec!["proxy-3".to_owned()],
        |picture| drop(picture.fleet.proxies.insert("proxy-2".to_owned(), applied(6))),
        |picture| drop(picture.fleet.proxies.insert("proxy-2".to_owned(), Report { ready: false, ..applied(7) })),
        |picture| {
            let (kind, namespace, name) = ("Rule".to_owned(), "n".to_owned(), "r".to_owned());
            picture.objects = vec![Faulty { kind, namespace, name, conditions: Vec::new() }];
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut picture = well();
        change(&mut picture);
        assert!(!is_well(&picture), "change {number}");
    }
}

#[test]
fn conditions_that_are_not_as_they_should_be() {
    let types = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.type_).collect::<Vec<_>>();
    let good = [condition("Accepted", "True", 3), condition("Programmed", "True", 3)];
    assert_eq!(types(faults(Some(3), &good)), [""; 0]);
    assert_eq!(types(faults(Some(4), &good)), ["Accepted", "Programmed"], "of an older generation");
    assert_eq!(types(faults(Some(1), &[condition("PartiallyInvalid", "True", 1)])), ["PartiallyInvalid"]);
    assert_eq!(types(faults(Some(1), &[condition("Healthy", "Unknown", 1)])), ["Healthy"]);
    assert_eq!(types(faults(Some(1), &[])), ["Accepted"], "nobody has looked");
    let draining = Condition { reason: "Draining".to_owned(), ..condition("Healthy", "False", 1) };
    assert_eq!(types(faults(Some(1), std::slice::from_ref(&draining))), [""; 0], "somebody has asked for it");
    assert_eq!(types(faults(Some(2), &[draining])), ["Healthy"], "of an older generation");
}
