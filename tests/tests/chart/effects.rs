//! No value is accepted and ignored: each of those in `values.schema.json` changes what is rendered.
//!
//! `tests/charts/effects.yaml` has one entry per value: `at`, another `value` than the default, and, for a value that
//! matters only together with others, these under `with`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::thread;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluicegate_tests::console::repository;

use super::helm::{chart, template};

/// What takes no value: Helm's own, and what is refused unless it is empty.
const WITHOUT_EFFECT: &[&str] = &["global", "redis.url", "redis.existingSecret"];
/// Helm processes at a time.
const THREADS: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Effect {
    at: String,
    value: Value,
    #[serde(default)]
    with: Map<String, Value>,
}

/// The schema of the values.
pub(crate) fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

/// A part of the schema, looked up where it refers to a definition.
pub(crate) fn resolved<'a>(schema: &'a Value, part: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(reference) => &schema["definitions"][reference.strip_prefix("#/definitions/").unwrap()],
        None => part,
    }
}

/// Each value of the schema that is not a group of others: its path, and what the schema says of it.
pub(crate) fn leaves(schema: &Value) -> BTreeMap<String, &Value> {
    fn walk<'a>(schema: &'a Value, part: &'a Value, path: &str, into: &mut BTreeMap<String, &'a Value>) {
        let Some(properties) = resolved(schema, part)["properties"].as_object() else {
            into.insert(path.to_owned(), part);
            return;
        };
        for (name, part) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(schema, part, &path, into);
        }
    }
    let mut leaves = BTreeMap::new();
    walk(schema, schema, "", &mut leaves);
    leaves
}

/// Sets a value at a path of dots.
fn set(values: &mut Map<String, Value>, path: &str, value: &Value) {
    match path.split_once('.') {
        None => drop(values.insert(path.to_owned(), value.clone())),
        Some((first, rest)) => {
            let inner = values.entry(first).or_insert_with(|| json!({})).as_object_mut().unwrap();
            set(inner, rest, value);
        }
    }
}

fn effects() -> Vec<Effect> {
    let path = repository().join("tests/charts/effects.yaml");
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_value_has_an_effect() {
    let effects = effects();
    let listed: BTreeSet<&str> = effects.iter().map(|effect| effect.at.as_str()).collect();
    let schema = schema();
    let known: BTreeSet<String> = leaves(&schema).into_keys().collect();
    let known: BTreeSet<&str> =
        known.iter().map(String::as_str).filter(|path| !WITHOUT_EFFECT.contains(path)).collect();
    assert_eq!(listed, known, "tests/charts/effects.yaml has one entry per value");

    let queue = Mutex::new(effects.iter());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(effect) = { queue.lock().unwrap().next() } {
                    let render = |values: &Map<String, Value>| {
                        template(&serde_json::to_string(values).unwrap())
                            .unwrap_or_else(|error| panic!("{}: {error}", effect.at))
                    };
                    let mut values = Map::new();
                    for (path, value) in &effect.with {
                        set(&mut values, path, value);
                    }
                    let without = render(&values);
                    set(&mut values, &effect.at, &effect.value);
                    assert_ne!(without, render(&values), "{} changes nothing", effect.at);
                }
            });
        }
    });
}

/// What `values.yaml` leaves out, a reader of it does not learn of; a field of `proxy.config` left out has the proxy's default.
#[test]
fn every_value_has_its_default_in_the_file() {
    let defaults: Value = serde_saphyr::from_str(&fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    let schema = schema();
    for path in leaves(&schema).into_keys().filter(|path| path != "global" && !path.starts_with("proxy.config.")) {
        let value = path.split('.').try_fold(&defaults, |value, name| value.get(name));
        assert!(value.is_some(), "{path} is not in values.yaml");
    }
}

/// The proxies' configuration in the schema is the one of `docs/configuration.md`, without what the chart sets.
#[test]
fn the_proxies_configuration_is_complete() {
    const SET_BY_THE_CHART: &[&str] = &["admin", "observe", "controller", "savedTable"];
    let document = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let documented: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field.split(['.', '[']).next().unwrap())
        // For trying things out, which a cluster has pods for.
        .filter(|field| *field != "echo" && !SET_BY_THE_CHART.contains(field))
        .collect();
    let schema = schema();
    let properties = schema["properties"]["proxy"]["properties"]["config"]["properties"].as_object().unwrap();
    let known: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(known, documented);
}
