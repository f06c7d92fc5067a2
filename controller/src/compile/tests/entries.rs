//! Which entries a step makes anew, shares or keeps.

use std::sync::Arc;

use sluicegate_crds::rule::RuleSpec;
use sluicegate_crds::upstream::UpstreamSpec;
use sluicegate_crds::{Rule, Upstream};
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{Backend, Hostname, ObjectKey, PathMatch, Table};

use super::arbitrary::refused;
use crate::compile::compile;
use crate::objects::{Candidate, Kind, ObjectId, Objects, Refused};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn rule(spec: serde_json::Value) -> Candidate<Rule> {
    let spec: RuleSpec = serde_json::from_value(spec).expect("a valid spec");
    Candidate::Valid(Arc::new(Rule::new("r", spec)))
}

fn upstream(spec: serde_json::Value) -> Candidate<Upstream> {
    let spec: UpstreamSpec = serde_json::from_value(spec).expect("a valid spec");
    Candidate::Valid(Arc::new(Upstream::new("u", spec)))
}

fn status(compiled: &crate::compile::Compiled, kind: Kind, name: &str, type_: &str) -> (String, String) {
    let conditions = &compiled.statuses[&ObjectId { kind, key: key(name) }].conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == type_).expect("the condition is there");
    (condition.status.clone(), condition.message.clone())
}

#[test]
fn no_objects_are_the_empty_table_of_version_0() {
    assert_eq!(compile(&Objects::default(), &Table::default()).table, Table::default());
}

#[test]
fn a_refused_rule_keeps_its_entry_until_it_is_valid_again() {
    let mut objects = Objects::default();
    objects.rules.insert(key("r"), rule(serde_json::json!({"upstream": "u"})));
    let first = compile(&objects, &Table::default());
    assert_eq!(first.table.version, 1);

    objects.rules.insert(key("r"), refused());
    let second = compile(&objects, &first.table);
    assert_eq!(second.table.version, 1);
    assert!(Arc::ptr_eq(&first.table.routes[&key("r")], &second.table.routes[&key("r")]));
    assert!(second.statuses[&ObjectId { kind: Kind::Rule, key: key("r") }].stale);
    let (accepted, message) = status(&second, Kind::Rule, "r", "Accepted");
    assert_eq!(accepted, "False");
    assert!(
        message.contains("spec.nonsense")
            && message.contains("the last valid version, if there was one, stays in force"),
        "{message}"
    );

    objects.rules.insert(key("r"), rule(serde_json::json!({"upstream": "v"})));
    let third = compile(&objects, &second.table);
    assert_eq!(third.table.version, 2);
    assert_eq!(third.table.routes[&key("r")].backend, Backend::Pool(key("v")));
    assert_eq!(status(&third, Kind::Rule, "r", "Accepted").0, "True");
}

#[test]
fn a_reference_to_a_refused_upstream_is_said_whether_or_not_its_last_version_serves() {
    let mut objects = Objects::default();
    objects.rules.insert(key("r"), rule(serde_json::json!({"upstream": "u"})));
    objects.upstreams.insert(key("u"), upstream(serde_json::json!({"targets": [{"name": "t"}]})));
    let first = compile(&objects, &Table::default());
    assert_eq!(status(&first, Kind::Rule, "r", "ResolvedRefs").0, "True");
    objects.upstreams.insert(key("u"), refused());
    for last in [first.table, Table::default()] {
        let (resolved, message) = status(&compile(&objects, &last), Kind::Rule, "r", "ResolvedRefs");
        assert_eq!(resolved, "False");
        assert!(
            message.contains("its last valid version serves, and where there is none, requests get 503"),
            "{message}"
        );
    }
}

#[test]
fn a_refused_rule_without_a_valid_version_answers_503_for_its_requests() {
    let broken = serde_json::json!({
        "hostnames": ["a.example.com"], "matches": [{"path": {"value": "/api"}}], "trafficPercent": "10",
        "requestHeaders": {"set": {"a b": "1"}}, "stripPath": true, "upstream": "u",
    });
    let mut objects = Objects::default();
    objects.rules.insert(key("r"), rule(broken));
    let first = compile(&objects, &Table::default());
    let route = &first.table.routes[&key("r")];
    assert_eq!(route.backend, Backend::Invalid);
    assert_eq!(route.hostnames, [Hostname::Exact("a.example.com".to_owned())]);
    assert_eq!(route.matches[0].path, PathMatch::Prefix("/api".to_owned()));
    assert_eq!(route.traffic.map(|share| share.millionths), Some(100_000));
    let id = EntryId { kind: EntryKind::Route, key: key("r") };
    assert!(first.keep.contains(&id));
    assert!(!first.statuses[&ObjectId { kind: Kind::Rule, key: key("r") }].stale);

    // What cannot be read at all answers as it did before.
    objects.rules.insert(key("r"), refused());
    let second = compile(&objects, &first.table);
    assert_eq!((second.table.version, second.keep.contains(&id)), (first.table.version, true));

    objects.rules.insert(key("r"), rule(serde_json::json!({"upstream": "u"})));
    let third = compile(&objects, &second.table);
    assert_eq!(third.table.routes[&key("r")].backend, Backend::Pool(key("u")));
    assert!(third.keep.is_empty());
}

#[test]
fn nothing_answers_for_a_refused_rule_that_is_switched_off_or_of_which_the_requests_are_not_known() {
    for spec in [
        serde_json::json!({"active": false, "hostnames": ["a"]}),
        serde_json::json!({"hostnames": ["a b"], "upstream": "u"}),
        serde_json::json!({"matches": [{"methods": ["get"]}], "upstream": "u"}),
    ] {
        let mut objects = Objects::default();
        objects.rules.insert(key("r"), rule(spec));
        let compiled = compile(&objects, &Table::default());
        assert!(compiled.table.routes.is_empty());
        assert_eq!(compiled.keep.len(), 1);
    }
}

#[test]
fn a_rule_that_the_schema_refuses_answers_503_for_the_requests_that_it_names() {
    let Candidate::Valid(requests) = rule(serde_json::json!({"hostnames": ["a.example.com"]})) else { panic!() };
    let Candidate::Refused(nothing) = refused::<Rule>() else { panic!() };
    let refused = Refused { generation: Some(3), requests: Some(Rule::clone(&requests)), ..Refused::clone(&nothing) };
    let mut objects = Objects::default();
    objects.rules.insert(key("r"), Candidate::Refused(Arc::new(refused)));
    let compiled = compile(&objects, &Table::default());
    let route = &compiled.table.routes[&key("r")];
    assert_eq!(route.backend, Backend::Invalid);
    assert_eq!(route.hostnames, [Hostname::Exact("a.example.com".to_owned())]);
    let status = &compiled.statuses[&ObjectId { kind: Kind::Rule, key: key("r") }];
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(3)));
    assert_eq!(status.problems, nothing.problems);
}

#[test]
fn an_upstream_that_appears_changes_no_route() {
    let mut objects = Objects::default();
    objects.rules.insert(key("r"), rule(serde_json::json!({"upstream": "u"})));
    let first = compile(&objects, &Table::default());
    objects.upstreams.insert(key("u"), upstream(serde_json::json!({"targets": [{"name": "t"}]})));
    let second = compile(&objects, &first.table);
    assert!(Arc::ptr_eq(&first.table.routes[&key("r")], &second.table.routes[&key("r")]));
    assert_eq!(status(&first, Kind::Rule, "r", "ResolvedRefs").0, "False");
    assert_eq!(status(&second, Kind::Rule, "r", "ResolvedRefs").0, "True");
}

#[test]
fn conditions_carry_the_generation_that_they_were_found_for() {
    let spec: RuleSpec = serde_json::from_value(serde_json::json!({"upstream": "u"})).expect("a valid spec");
    let mut object = Rule::new("r", spec);
    object.metadata.generation = Some(7);
    let mut objects = Objects::default();
    objects.rules.insert(key("r"), Candidate::Valid(Arc::new(object)));
    let compiled = compile(&objects, &Table::default());
    let conditions = &compiled.statuses[&ObjectId { kind: Kind::Rule, key: key("r") }].conditions;
    assert!(conditions.iter().all(|condition| condition.observed_generation == Some(7)));
}
