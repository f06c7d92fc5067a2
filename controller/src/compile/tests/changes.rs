//! Arbitrary changes to few objects, so that they touch each other.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sluicegate_crds::{Rule, Target, Upstream};

use super::arbitrary::{key, refused, rule, secret, service, target, text, upstream};
use crate::objects::{Candidate, Change, Reference, Refused};

/// A valid Rule of few host names and matches, so that Rules hide each other.
fn plain_rule() -> BoxedStrategy<Change> {
    let hostnames = proptest::sample::subsequence(vec!["a", "b"], 0..=2);
    let paths = vec(proptest::sample::select(&["/", "/x"]), 0..3);
    let share = proptest::option::weighted(0.2, Just("10"));
    (key(), hostnames, paths, share, 0..3_i64)
        .prop_map(|(key, hostnames, paths, share, created)| {
            let matches: Vec<_> = paths.iter().map(|path| serde_json::json!({"path": {"value": path}})).collect();
            let mut spec = serde_json::json!({"hostnames": hostnames, "matches": matches, "upstream": "a"});
            if let Some(share) = share {
                spec["trafficPercent"] = share.into();
            }
            let mut rule = Rule::new(&key.name, serde_json::from_value(spec).unwrap());
            rule.metadata.creation_timestamp = k8s_openapi::jiff::Timestamp::from_second(created)
                .ok()
                .map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time);
            Change::Rule(key, Some(Candidate::Valid(Arc::new(rule))))
        })
        .boxed()
}

/// A change of an object that users of Sluicegate write.
pub(super) fn of_users() -> BoxedStrategy<Change> {
    prop_oneof![
        4 => plain_rule(),
        4 => (key(), rule(), 0..3_i64).prop_map(|(key, spec, created)| {
            let mut rule = Rule::new(&key.name, spec);
            rule.metadata.creation_timestamp = k8s_openapi::jiff::Timestamp::from_second(created)
                .ok()
                .map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time);
            rule.metadata.generation = Some(created);
            Change::Rule(key, Some(Candidate::Valid(Arc::new(rule))))
        }),
        3 => (key(), upstream()).prop_map(|(key, spec)| {
            let upstream = Upstream::new(&key.name, spec);
            Change::Upstream(key, Some(Candidate::Valid(Arc::new(upstream))))
        }),
        3 => (key(), target()).prop_map(|(key, spec)| {
            let target = Target::new(&key.name, spec);
            Change::Target(key, Some(Candidate::Valid(Arc::new(target))))
        }),
        1 => key().prop_map(|key| Change::Rule(key, Some(refused()))),
        1 => (key(), rule()).prop_map(|(key, spec)| {
            let Candidate::Refused(nothing) = refused() else { unreachable!() };
            let requests = Some(Rule::new(&key.name, spec));
            let refused = Refused { generation: Some(7), requests, ..Refused::clone(&nothing) };
            Change::Rule(key, Some(Candidate::Refused(Arc::new(refused))))
        }),
        1 => key().prop_map(|key| Change::Upstream(key, Some(refused()))),
        1 => key().prop_map(|key| Change::Target(key, Some(refused()))),
    ]
    .boxed()
}

/// What Targets refer to.
fn reference() -> impl Strategy<Value = Reference> {
    let of = proptest::sample::select(&[Reference::Secret, Reference::ConfigMap, Reference::Service] as &[fn(_) -> _]);
    (key(), of).prop_map(|(key, of)| of(key))
}

/// Any change.
pub(super) fn any() -> BoxedStrategy<Change> {
    let authorities = btree_map(text(&["ca.crt"], &["other"]), proptest::prelude::any::<String>(), 0..2);
    prop_oneof![
        10 => of_users(),
        1 => key().prop_map(|key| Change::Rule(key, None)),
        1 => key().prop_map(|key| Change::Upstream(key, None)),
        1 => key().prop_map(|key| Change::Target(key, None)),
        1 => (key(), proptest::option::of(secret())).prop_map(|(key, data)| Change::Secret(key, data.map(Arc::new))),
        1 => (key(), proptest::option::of(authorities))
            .prop_map(|(key, data)| Change::ConfigMap(key, data.map(Arc::new))),
        2 => (key(), proptest::option::of(service()))
            .prop_map(|(key, service)| Change::Service(key, service.map(Arc::new))),
        1 => (reference(), proptest::option::of(Just("forbidden".into())))
            .prop_map(|(reference, why)| Change::Unreadable(reference, why)),
    ]
    .boxed()
}

/// Batches of changes, as a source gives them.
pub(super) fn batches() -> BoxedStrategy<Vec<Vec<Change>>> {
    vec(vec(any(), 0..6), 1..12).boxed()
}
