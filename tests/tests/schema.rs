//! The generated schemas against the rest: every field is exercised by a test, and defaults are what the table has.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use sluicegate_table::Connections;
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
