//! Every object that the charts render fits Kubernetes' own description of its kind, unknown fields refused.
//!
//! kubeconform checks; the descriptions are `api/openapi-spec/swagger.json` of the Go module `k8s.io/kubernetes`, which the
//! set-up puts into `.cache/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sluicegate_tests::console::repository;
use sluicegate_tests::tools::{attempt, both};

use super::helm::{cases, objects, parse, values};

/// The Prometheus operator's kinds are no part of Kubernetes.
const NOT_KUBERNETES: &str = "PodMonitor,ServiceMonitor,PrometheusRule";
const REFERENCE: &str = "#/definitions/";

/// Where the set-up leaves Kubernetes' description of itself.
fn description() -> PathBuf {
    std::env::var_os("SLUICEGATE_SWAGGER").map_or_else(|| repository().join(".cache/swagger.json"), Into::into)
}

/// A definition as JSON Schema has it: a quantity may be a number, a port a word, and nothing else may be there.
fn strict(definition: &Value) -> Value {
    let mut strict = definition.clone();
    if definition["format"] == "int-or-string" {
        return json!({"type": ["integer", "string"]});
    }
    if definition["type"] == "string"
        && definition["description"].as_str().is_some_and(|text| text.starts_with("Quantity "))
    {
        return json!({"type": ["number", "string"]});
    }
    let fields = strict.as_object_mut().unwrap();
    if fields.contains_key("properties") {
        fields.insert("additionalProperties".to_owned(), json!(false));
    }
    strict
}

/// Adds the definitions that a part refers to.
fn gather(part: &Value, all: &Value, into: &mut Map<String, Value>) {
    match part {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(|name| name.as_str()?.strip_prefix(REFERENCE))
                && !into.contains_key(name)
            {
                into.insert(name.to_owned(), strict(&all[name]));
                gather(&all[name], all, into);
            }
            fields.values().for_each(|field| gather(field, all, into));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, all, into)),
        _ => {}
    }
}

/// Writes a schema for each kind, named as kubeconform looks for it.
fn write_schemas(kinds: &BTreeSet<(String, String)>, folder: &Path) {
    let text = fs::read_to_string(description())
        .unwrap_or_else(|error| panic!("{}: {error}; `make setup` puts it there", description().display()));
    let swagger: Value = serde_json::from_str(&text).unwrap();
    let all = &swagger["definitions"];
    for (version, kind) in kinds {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let identity = json!({"group": group, "kind": kind, "version": version});
        let found = all.as_object().unwrap().iter().find(|(_, definition)| {
            definition["x-kubernetes-group-version-kind"].as_array().is_some_and(|of| of.contains(&identity))
        });
        let (_, definition) = found.unwrap_or_else(|| panic!("Kubernetes has no {kind} in {group}/{version}"));
        let mut definitions = Map::new();
        gather(definition, all, &mut definitions);
        let mut schema = strict(definition);
        schema["definitions"] = definitions.into();
        schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        let group = group.split('.').next().unwrap();
        let name: Vec<&str> = [kind.as_str(), group, version].into_iter().filter(|part| !part.is_empty()).collect();
        let name = name.join("-").to_lowercase();
        fs::write(folder.join(format!("{name}.json")), schema.to_string()).unwrap();
    }
}

fn check(folder: &Path, objects: &[Value]) -> std::process::Output {
    let file = folder.join("objects.yaml");
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    fs::write(&file, text.join("\n---\n")).unwrap();
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", folder.display());
    let arguments = ["-strict", "-skip", NOT_KUBERNETES, "-schema-location", &location, file.to_str().unwrap()];
    attempt("kubeconform", &arguments)
}

#[test]
fn objects_fit_their_kinds() {
    let definitions = attempt(
        "helm",
        &[
            "template",
            "crds",
            repository().join("charts/sluicegate-crds").to_str().unwrap(),
            "--kube-version",
            "v1.34.0",
        ],
    );
    let mut all = parse(&String::from_utf8(definitions.stdout).unwrap());
    assert_eq!(all.len(), 3);
    for case in cases() {
        all.extend(objects(&values(&case)));
    }
    let kinds = all
        .iter()
        .map(|object| (object["apiVersion"].as_str().unwrap().to_owned(), object["kind"].as_str().unwrap().to_owned()))
        .filter(|(_, kind)| !NOT_KUBERNETES.split(',').any(|other| other == kind))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write_schemas(&kinds, folder.path());
    let output = check(folder.path(), &all);
    assert!(output.status.success(), "{}", both(&output));

    // The check can fail: a field that no Deployment has.
    let mut deployment = all.iter().find(|object| object["kind"] == "Deployment").unwrap().clone();
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = json!({});
    let output = check(folder.path(), &[deployment]);
    assert!(!output.status.success() && both(&output).contains("readynessProbe"), "{}", both(&output));
}
