//! The generated schemas against the rest: every field is exercised by a test, and defaults are what the table has.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use sluicegate_crds::{breaker, health};
use sluicegate_table::{CircuitBreaker, Connections, PassiveCheck};
use sluicegate_tests::fields::every_field_is_exercised;
use sluicegate_tests::layout::Tree;

#[test]
fn no_field_is_accepted_and_ignored() {
    let breaches = every_field_is_exercised(&Tree::of_repository());
    let list: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "\n{}", list.join("\n"));
}

/// An Upstream without `connections` gets the table's defaults, one with `connections: {}` the schema's: they are the same.
#[test]
fn defaults_of_connections_are_the_tables() {
    let tree = Tree::of_repository();
    let definition = tree.text("crds/upstreams.sluicegate.dev.yaml").expect("the definition of Upstream is generated");
    let definition: Value = serde_saphyr::from_str(definition).expect("it is YAML");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let fields = &schema["properties"]["spec"]["properties"]["connections"]["properties"];
    let seconds = |duration: std::time::Duration| format!("{}s", duration.as_secs());

    // Taken apart so that a new field does not compile here until its default is compared.
    let Connections { max, max_pending, idle_timeout, keep_alive, connect_timeout } = Connections::default();
    assert_eq!(max, None);
    assert_eq!(fields["max"]["default"], Value::Null);
    assert_eq!(fields["maxPending"]["default"], json!(max_pending));
    assert_eq!(fields["keepAlive"]["default"], json!(keep_alive));
    assert_eq!(fields["connectTimeout"]["default"], json!(seconds(connect_timeout)));
    // A default in the schema would contradict `keepAlive: false`, so the description says it.
    let described = fields["idleTimeout"]["description"].as_str().unwrap_or_default();
    assert_eq!(fields["idleTimeout"]["default"], Value::Null);
    assert!(described.contains(&format!("Left out: {}.", seconds(idle_timeout))), "{described}");
}

/// What `{}` means to the schema is what the table has by default. What the schema leaves open, compile takes from the table.
#[test]
fn defaults_of_breakers_and_passive_checks_are_the_tables() {
    let written: breaker::CircuitBreaker = serde_json::from_value(json!({})).expect("all of it has defaults");
    let table = CircuitBreaker::default();
    assert_eq!(
        (written.failure_threshold, written.success_threshold, written.timeout.get(), written.open_duration.get()),
        (table.failure_threshold, table.success_threshold, table.timeout, table.open_duration)
    );
    let written: health::PassiveCheck = serde_json::from_value(json!({})).expect("all of it has defaults");
    let table = PassiveCheck::default();
    assert_eq!(
        (written.threshold, written.interval.get(), written.max_ejected_percent, written.recovery.get()),
        (table.threshold, table.interval, table.max_ejected_percent, table.recovery)
    );
    let statuses: Vec<_> = written.statuses.iter().map(|range| range.bounds()).collect();
    assert_eq!(statuses, table.statuses.iter().map(|range| (range.from, range.to)).collect::<Vec<_>>());
}
