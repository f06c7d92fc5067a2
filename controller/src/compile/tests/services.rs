//! Targets that name a Service: where their entry leads, and which addresses stand behind it.

use std::sync::Arc;

use sluicegate_crds::Target;
use sluicegate_crds::target::TargetSpec;
use sluicegate_table::{ObjectKey, Table};

use super::arbitrary::refused;
use crate::compile::{Compiled, compile};
use crate::objects::{Candidate, Kind, ObjectId, Objects, Service, ServiceEndpoint, ServicePort};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

/// The Target `t`, with this in its spec.
fn target(spec: serde_json::Value) -> Candidate<Target> {
    let spec: TargetSpec = serde_json::from_value(spec).expect("a valid spec");
    Candidate::Valid(Arc::new(Target::new("t", spec)))
}

fn names_llama(port: u16) -> Candidate<Target> {
    target(serde_json::json!({"service": {"name": "llama", "port": port}}))
}

/// A Service with the ports 8000 (`http`) and 9090 (`metrics`), on which its pods listen as 80 and 81.
fn service(pods: &[(&str, Option<&str>)]) -> Arc<Service> {
    let port = |name: &str, port| ServicePort { name: name.to_owned(), port };
    let endpoint = |(address, zone): &(&str, Option<&str>)| ServiceEndpoint {
        address: address.parse().expect("an address"),
        zone: zone.map(str::to_owned),
        ports: [("http".to_owned(), 80), ("metrics".to_owned(), 81)].into(),
    };
    Arc::new(Service {
        ports: vec![port("http", 8000), port("metrics", 9090)],
        endpoints: pods.iter().map(endpoint).collect(),
    })
}

fn objects(target: Candidate<Target>, service: Option<Arc<Service>>) -> Objects {
    let mut objects = Objects::default();
    objects.targets.insert(key("t"), target);
    objects.services.extend(service.map(|service| (key("llama"), service)));
    objects
}

fn resolved(compiled: &Compiled) -> (String, String) {
    let conditions = &compiled.statuses[&ObjectId { kind: Kind::Target, key: key("t") }].conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == "ResolvedRefs").expect("is there");
    (format!("{} {}", condition.status, condition.reason), condition.message.clone())
}

/// The addresses with their zones, as text.
fn addresses(compiled: &Compiled) -> Vec<String> {
    let endpoints = compiled.table.endpoints.get(&key("t")).expect("there is an entry");
    let text = |zone: &Option<String>| zone.as_deref().unwrap_or("-").to_owned();
    endpoints.addresses.iter().map(|at| format!("{} {}", at.address, text(&at.zone))).collect()
}

#[test]
fn the_entry_names_the_service_and_the_addresses_are_the_pods() {
    let pods = service(&[("10.0.0.2", Some("b")), ("10.0.0.1", None), ("fd00::1", None), ("10.0.0.2", None)]);
    let compiled = compile(&objects(names_llama(8000), Some(pods.clone())), &Table::default());
    let entry = &compiled.table.targets[&key("t")];
    assert_eq!((entry.host.as_str(), entry.port, entry.discovered), ("llama.default.svc", 8000, true));
    assert_eq!(addresses(&compiled), ["10.0.0.1:80 -", "10.0.0.2:80 b", "[fd00::1]:80 -"]);
    assert_eq!(resolved(&compiled).0, "True ResolvedRefs");

    let other = compile(&objects(names_llama(9090), Some(pods)), &Table::default());
    assert_eq!(addresses(&other), ["10.0.0.1:81 -", "10.0.0.2:81 b", "[fd00::1]:81 -"]);
}

#[test]
fn a_pod_that_comes_changes_the_addresses_only() {
    let first = compile(&objects(names_llama(8000), Some(service(&[("10.0.0.1", None)]))), &Table::default());
    let after = objects(names_llama(8000), Some(service(&[("10.0.0.1", None), ("10.0.0.2", None)])));
    let second = compile(&after, &first.table);
    assert!(Arc::ptr_eq(&first.table.targets[&key("t")], &second.table.targets[&key("t")]));
    assert_eq!((second.table.version, addresses(&second).len()), (2, 2));
    assert_eq!(compile(&after, &second.table).table.version, 2);
}

#[test]
fn without_a_ready_pod_the_reference_resolves_to_no_address() {
    let compiled = compile(&objects(names_llama(8000), Some(service(&[]))), &Table::default());
    assert_eq!(resolved(&compiled).0, "True ResolvedRefs");
    assert_eq!(addresses(&compiled), [""; 0]);
}

#[test]
fn a_missing_service_or_port_is_said_and_leaves_no_address() {
    let missing = compile(&objects(names_llama(8000), None), &Table::default());
    let (word, message) = resolved(&missing);
    assert_eq!(word, "False BackendNotFound");
    assert!(message.contains("spec.service.name: the Service `llama` does not exist"), "{message}");
    assert_eq!(addresses(&missing), [""; 0]);

    let other_port = compile(&objects(names_llama(80), Some(service(&[("10.0.0.1", None)]))), &Table::default());
    let (word, message) = resolved(&other_port);
    assert_eq!(word, "False BackendNotFound");
    assert!(message.contains("the Service `llama` has no port 80"), "{message}");
    assert!(message.contains("its ports: 8000 (http), 9090 (metrics)"), "{message}");
    assert_eq!(addresses(&other_port), [""; 0]);
}

#[test]
fn a_refused_targets_last_valid_version_follows_its_pods() {
    let first = compile(&objects(names_llama(8000), Some(service(&[("10.0.0.1", None)]))), &Table::default());
    let second = compile(&objects(refused(), Some(service(&[("10.0.0.2", None)]))), &first.table);
    assert!(second.table.targets.contains_key(&key("t")));
    assert_eq!(addresses(&second), ["10.0.0.2:80 -"]);
}

#[test]
fn a_target_with_a_host_has_no_addresses() {
    let service = service(&[("10.0.0.1", None)]);
    let host = target(serde_json::json!({"host": "llama.default.svc", "port": 8000}));
    let compiled = compile(&objects(host, Some(service)), &Table::default());
    assert!(compiled.table.endpoints.is_empty());
}

#[test]
fn a_target_names_exactly_one_place() {
    let service = serde_json::json!({"name": "llama", "port": 8000});
    for (spec, said) in [
        (serde_json::json!({}), "neither `host` nor `service`"),
        (serde_json::json!({"host": "a", "port": 80, "service": service}), "both `host` and `service`"),
        (serde_json::json!({"port": 80, "service": service}), "has no effect"),
        (serde_json::json!({"host": "a"}), "needs a port"),
        (serde_json::json!({"service": {"name": "llama", "port": 0}}), "port 0"),
    ] {
        let compiled = compile(&objects(target(spec), None), &Table::default());
        let status = &compiled.statuses[&ObjectId { kind: Kind::Target, key: key("t") }];
        assert_eq!(status.conditions[0].status, "False");
        assert!(status.conditions[0].message.contains(said), "{:?}", status.conditions[0].message);
        assert!(compiled.table.targets.is_empty());
    }
}
