//! Each CEL rule refuses what it is for and takes what is next to it, evaluated as folder mode evaluates it.
//!
//! The tables hold the part of an object's `spec` that differs from a minimal one. A rule that no row breaks fails
//! `every_rule_is_broken_by_a_row`, one that no row keeps `every_rule_is_kept_by_a_row`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "rules/accepted.rs"]
mod accepted;
#[path = "rules/refused.rs"]
mod refused;

use std::collections::BTreeSet;

use kube::core::cel::{Validator, apply_defaults};
use serde_json::{Value, json};
use sluicegate_crds::definitions;

use accepted::ACCEPTED;
use refused::refused;

/// The `openAPIV3Schema` of a kind.
fn schema(kind: &str) -> Value {
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let mut definition = serde_json::to_value(definition).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()
}

/// The smallest spec of a kind, with the keys of `change` in place of its own. `null` takes a key out.
fn spec(kind: &str, change: &str) -> Value {
    let mut spec = match kind {
        "Upstream" => json!({"targets": [{"name": "a"}]}),
        "Target" => json!({"host": "example.com", "port": 80}),
        "Rule" => json!({"upstream": "a"}),
        other => panic!("no kind {other}"),
    };
    let change: Value = serde_saphyr::from_str(change).unwrap_or_else(|error| panic!("{change}: {error}"));
    for (key, value) in change.as_object().unwrap() {
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(key);
        } else {
            spec[key] = value.clone();
        }
    }
    spec
}

/// What the rules say to a spec: `field: message`, after defaulting, as an API server does it.
fn findings(kind: &str, change: &str) -> Vec<String> {
    let schema = schema(kind);
    let object = json!({"apiVersion": "sluicegate.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec(kind, change)});
    match Validator::new().validate(&schema, &apply_defaults(&schema, &object), None) {
        Ok(()) => Vec::new(),
        Err(errors) => {
            errors.as_slice().iter().map(|error| format!("{}: {}", error.field_path, error.message)).collect()
        }
    }
}

#[test]
fn minimal_objects_are_accepted() {
    for kind in ["Upstream", "Target", "Rule"] {
        assert_eq!(findings(kind, "{}"), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn what_is_right_is_accepted() {
    for (kind, change) in ACCEPTED {
        assert_eq!(findings(kind, change), Vec::<String>::new(), "{kind} {change}");
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_field_and_message() {
    for (kind, change, field, message) in refused() {
        let found = findings(kind, change);
        let [only] = found.as_slice() else { panic!("{kind} {change} was refused for {found:?}, not for one reason") };
        let place = if field.is_empty() { "spec".to_owned() } else { format!("spec.{field}") };
        assert!(only.starts_with(&format!("{place}: ")), "{kind} {change}: {only:?} does not name {place}");
        assert!(only.contains(message), "{kind} {change}: {only:?} does not say {message:?}");
    }
}

/// Rows that a typed reader refuses, too, would test nothing but the reader.
#[test]
fn rows_are_objects_of_their_kind() {
    for (kind, change) in ACCEPTED.iter().copied().chain(refused().map(|(kind, change, ..)| (kind, change))) {
        let spec = spec(kind, change);
        let read = match kind {
            "Upstream" => serde_json::from_value::<sluicegate_crds::upstream::UpstreamSpec>(spec).map(|_| ()),
            "Target" => serde_json::from_value::<sluicegate_crds::target::TargetSpec>(spec).map(|_| ()),
            _ => serde_json::from_value::<sluicegate_crds::rule::RuleSpec>(spec).map(|_| ()),
        };
        // A duration of zero and an empty range are refused by the reader and by their rules.
        let by_both = [": 0", "299-200", "504-502"].iter().any(|text| change.contains(text));
        assert!(read.is_ok() || by_both, "{kind} {change}: {read:?}");
    }
}

#[test]
fn every_rule_is_broken_by_a_row() {
    let mut unbroken = BTreeSet::new();
    for kind in ["Upstream", "Target", "Rule"] {
        collect(kind, &schema(kind)["properties"]["spec"], &mut unbroken);
    }
    for (kind, change, ..) in refused() {
        let schema = schema(kind);
        let object = json!({"spec": spec(kind, change)});
        for error in Validator::new().validate(&schema, &apply_defaults(&schema, &object), None).unwrap_err().as_slice()
        {
            unbroken.remove(&(kind.to_string(), error.rule.clone()));
        }
    }
    assert!(unbroken.is_empty(), "{unbroken:#?}");
}

/// A rule that no row reaches would be accepted unread.
#[test]
fn every_rule_is_kept_by_a_row() {
    let mut unread = BTreeSet::new();
    for kind in ["Upstream", "Target", "Rule"] {
        let schema = &schema(kind)["properties"]["spec"];
        collect(kind, schema, &mut unread);
        for (_, change) in ACCEPTED.iter().filter(|(of, _)| *of == kind) {
            reach(kind, schema, &spec(kind, change), &mut unread);
        }
    }
    assert!(unread.is_empty(), "{unread:#?}");
}

/// Takes out the rules that are evaluated for a value.
fn reach(kind: &str, schema: &Value, value: &Value, unread: &mut BTreeSet<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        unread.remove(&(kind.to_owned(), rule["rule"].as_str().unwrap().to_owned()));
    }
    for (name, below) in value.as_object().into_iter().flatten() {
        let property = &schema["properties"][name];
        reach(kind, if property.is_object() { property } else { &schema["additionalProperties"] }, below, unread);
    }
    for item in value.as_array().into_iter().flatten() {
        reach(kind, &schema["items"], item, unread);
    }
}

fn collect(kind: &str, schema: &Value, rules: &mut BTreeSet<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        rules.insert((kind.to_owned(), rule["rule"].as_str().unwrap().to_owned()));
    }
    for property in schema["properties"].as_object().into_iter().flat_map(|properties| properties.values()) {
        collect(kind, property, rules);
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            collect(kind, &schema[key], rules);
        }
    }
}
