//! A cluster and a folder refuse the same objects, for the same fields, in the same words.
//!
//! The rows of the kinds' own tests are given to the API server and to folder mode. Every rule in CEL is broken by a row
//! (`crds/tests/rules.rs` sees to that), and what the schema alone refuses is here.

#[path = "../../../crds/tests/rules/accepted.rs"]
mod accepted;
#[path = "../../../crds/tests/rules/refused.rs"]
mod refused;

use std::fmt::Write as _;
use std::{fs, iter};

use accepted::ACCEPTED;
use refused::{Refused, refused};
use serde_json::{Value, json};
use sluicegate_controller::source::folder::{Finding, Reader};
use sluicegate_tests::kubernetes::{Cluster, Namespace};

/// What a schema refuses without a rule: kind, change of the minimal spec, the field that both name below `spec`.
const MISSHAPEN: &[(&str, &str, &str)] = &[
    ("Upstream", "{algorithm: LeastConn}", "algorithm"),
    ("Upstream", "{targets: null}", "targets"),
    ("Upstream", "{targets: []}", "targets"),
    ("Upstream", "{targets: [{name: a}, {name: a}]}", "targets[1]"),
    ("Upstream", "{targets: [{name: a, weight: 101}]}", "targets[0].weight"),
    ("Upstream", "{targets: [{name: a, weight: \"5\"}]}", "targets[0].weight"),
    ("Upstream", "{targets: [{name: a, wieght: 5}]}", "targets[0].wieght"),
    ("Upstream", "{affinity: {cookie: {ttl: 1h}}}", "affinity.cookie.name"),
    ("Upstream", "{connections: {connectTimeout: 5}}", "connections.connectTimeout"),
    ("Upstream", "{healthChecks: {active: {type: http}}}", "healthChecks.active.type"),
    ("Upstream", "{healthChecks: {active: {unhealthyThreshold: 0}}}", "healthChecks.active.unhealthyThreshold"),
    ("Upstream", "{healthChecks: {active: {expectedStatuses: []}}}", "healthChecks.active.expectedStatuses"),
    ("Upstream", "{healthChecks: {active: {expectedStatuses: [600]}}}", "healthChecks.active.expectedStatuses[0]"),
    ("Upstream", "{healthChecks: {passive: {threshold: 0}}}", "healthChecks.passive.threshold"),
    ("Upstream", "{healthChecks: {passive: {statuses: [5xx]}}}", "healthChecks.passive.statuses[0]"),
    ("Upstream", "{healthChecks: {passive: {maxEjectedPercent: 101}}}", "healthChecks.passive.maxEjectedPercent"),
    ("Upstream", "{circuitBreaker: {failureThreshold: 0}}", "circuitBreaker.failureThreshold"),
    ("Upstream", "{circuitBreaker: {minimumSuccessPercent: 0}}", "circuitBreaker.minimumSuccessPercent"),
    ("Upstream", "{circuitBreaker: {fallback: {upstream: Chat}}}", "circuitBreaker.fallback.upstream"),
    ("Upstream", "{circuitBreaker: {fallback: {response: {status: 100}}}}", "circuitBreaker.fallback.response.status"),
    ("Upstream", "{connections: {connectTimeout: 5 s}}", "connections.connectTimeout"),
    ("Target", "{port: 0}", "port"),
    ("Target", "{port: 65536}", "port"),
    ("Target", "{protocol: http}", "protocol"),
    ("Target", "{headers: {X-A: 1}}", "headers.X-A"),
    ("Target", "{zone: \"a b\"}", "zone"),
    ("Rule", "{hostname: example.com}", "hostname"),
    ("Rule", "{retry: {attempts: 0}}", "retry.attempts"),
    ("Rule", "{retry: {budgetPercent: 101}}", "retry.budgetPercent"),
    ("Rule", "{retry: {backoff: {multiplier: \"0.5\"}}}", "retry.backoff.multiplier"),
    ("Rule", "{matches: [{path: {type: Regex, value: /a}}]}", "matches[0].path.type"),
    ("Rule", "{matches: [{path: {}}]}", "matches[0].path.value"),
    ("Rule", "{trafficPercent: \"12.34.5\"}", "trafficPercent"),
    ("Rule", "{active: \"true\"}", "active"),
    ("Rule", "{priority: Urgent}", "priority"),
];

/// Objects by name, as given to either side.
fn manifests<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (number, (kind, change)) in rows.enumerate() {
        let mut spec = match kind {
            "Upstream" => json!({"targets": [{"name": "a"}]}),
            "Target" => json!({"host": "example.com", "port": 80}),
            _ => json!({"upstream": "a"}),
        };
        let change: Value = serde_saphyr::from_str(change).unwrap();
        for (key, value) in change.as_object().unwrap() {
            if value.is_null() {
                spec.as_object_mut().unwrap().remove(key);
            } else {
                spec[key] = value.clone();
            }
        }
        let object = json!({
            "apiVersion": "sluicegate.dev/v1alpha1", "kind": kind, "metadata": {"name": format!("row-{number}")},
            "spec": spec,
        });
        writeln!(text, "---\n{object}").unwrap();
    }
    text
}

/// A refusal: the object's name, the field and the message.
type Refusal = (String, String, String);

/// What the API server refuses, one reason an object.
fn refused_by_server(namespace: &Namespace<'_>, manifests: &str) -> Vec<Refusal> {
    let apply = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
    let Err(said) = namespace.try_kubectl(&apply, manifests) else { return Vec::new() };
    let mut refusals: Vec<Refusal> = Vec::new();
    for line in said.lines().filter(|line| !line.ends_with(" serverside-applied (server dry run)")) {
        // …Rule.sluicegate.dev "row-1" is invalid: spec.stripPath: Invalid value: "object": stripPath takes off …
        let parts = line.split_once(" is invalid: ").and_then(|(head, found)| {
            let name = head.rsplit('"').nth(1)?;
            let (field, found) = found.split_once(": Invalid value: ")?;
            let (_, message) = found.split_once(": ")?;
            Some((name.to_owned(), field.to_owned(), message.to_owned()))
        });
        refusals.push(parts.unwrap_or_else(|| panic!("no single refusal: {line}")));
    }
    refusals.sort();
    refusals
}

/// What folder mode finds in manifests.
fn found_by_folder(manifests: &str) -> Vec<Finding> {
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("manifests.yaml"), manifests).unwrap();
    Reader::new(&[folder.path().to_owned()]).read().unwrap().findings
}

/// Whether a folder refuses what only a cluster can do.
fn needs_a_cluster(finding: &Finding) -> bool {
    finding.message.starts_with("a folder has no Services")
}

fn refused_by_folder(manifests: &str) -> Vec<Refusal> {
    let refusal = |finding: Finding| {
        let name = finding.object.as_deref().and_then(|object| object.rsplit('/').next()).unwrap().to_owned();
        (name, finding.field.map(|field| field.to_string()).unwrap_or_default(), finding.message)
    };
    let mut refusals: Vec<Refusal> =
        found_by_folder(manifests).into_iter().filter(|finding| !needs_a_cluster(finding)).map(refusal).collect();
    refusals.sort();
    refusals
}

#[test]
fn what_is_right_is_accepted_by_both() {
    let namespace = Cluster::shared().namespace();
    assert_eq!(refused_by_server(&namespace, &manifests(ACCEPTED.iter().copied())), []);
    let found = found_by_folder(&manifests(ACCEPTED.iter().copied()));
    assert!(found.iter().all(needs_a_cluster), "{found:?}");
    assert_eq!(found.len(), ACCEPTED.iter().filter(|(_, change)| change.contains("service: {")).count());
}

#[test]
fn what_breaks_a_rule_is_refused_by_both_in_the_same_words() {
    let namespace = Cluster::shared().namespace();
    let rows: Vec<Refused> = refused().collect();
    let manifests = manifests(rows.iter().map(|(kind, change, ..)| (*kind, *change)));
    let refusals = refused_by_server(&namespace, &manifests);
    assert_eq!(refusals, refused_by_folder(&manifests));
    assert_eq!(refusals.len(), rows.len());
    for (name, field, message) in refusals {
        let row: usize = name.trim_start_matches("row-").parse().unwrap();
        let (kind, change, expected_field, expected_message) = rows[row];
        assert_eq!(field, format!("spec.{expected_field}").trim_end_matches('.'), "{kind} {change}");
        assert!(message.contains(expected_message), "{kind} {change}: {message}");
    }
}

#[test]
fn what_is_misshapen_is_refused_by_both_for_the_same_field() {
    let namespace = Cluster::shared().namespace();
    for (kind, change, field) in MISSHAPEN {
        let manifests = manifests(iter::once((*kind, *change)));
        let field = format!("spec.{field}");
        let Err(said) = namespace.try_kubectl(&["create", "--dry-run=server", "-f", "-"], &manifests) else {
            panic!("the API server takes {kind} {change}")
        };
        // Unknown fields are quoted, the others followed by a colon.
        let named = [format!("{field}: "), format!("{field}\"")];
        assert!(named.iter().any(|field| said.contains(field)), "{kind} {change}: {said}");
        let fields: Vec<String> = refused_by_folder(&manifests).into_iter().map(|(_, field, _)| field).collect();
        assert_eq!(fields, [field], "{kind} {change}");
    }
}
