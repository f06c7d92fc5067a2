//! From table to table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod edits;

use std::sync::Arc;

use serde_json::{Value, json};
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{ObjectKey, Table};

use super::{Current, Reach};

fn table(version: u64, routes: &Value, addresses: &[&str]) -> Arc<Table> {
    let listed: Vec<Value> = addresses.iter().map(|address| json!({ "address": address })).collect();
    let table = json!({
        "version": version,
        "routes": routes,
        "pools": { "default/orders": {
            "algorithm": "RoundRobin",
            "levels": [{ "priority": 1, "members": [{ "target": "default/orders", "weight": 100 }] }],
        } },
        "targets": {
            "default/orders": { "host": "orders.shop.svc", "port": 80, "discovered": true, "protocol": "HTTP" },
        },
        "endpoints": { "default/orders": { "addresses": listed } },
    });
    Arc::new(serde_json::from_value(table).unwrap())
}

fn route(path: &Value) -> Value {
    json!({ "matches": [{ "path": path }], "bufferSize": 1024, "backend": { "pool": "default/orders" } })
}

fn prefix(text: &str) -> Value {
    route(&json!({ "Prefix": text }))
}

/// More than a pattern may take.
fn heavy() -> Value {
    route(&json!({ "RegularExpression": "/(\\pL{50}){50}" }))
}

fn paths(current: &Current) -> Vec<(String, Value)> {
    let snapshot = current.load();
    let path = |route: &Arc<super::RouteRuntime>| serde_json::to_value(&route.route.matches[0].path).unwrap();
    snapshot.routes().map(|route| (route.key.to_string(), path(route))).collect()
}

#[test]
fn one_bad_entry_keeps_its_last_version_and_nothing_else_from_being_served() {
    let current = Current::default();
    assert_eq!(current.apply(table(1, &json!({ "a/one": prefix("/1"), "a/two": prefix("/2") }), &[])), []);

    let broken = json!({ "a/one": heavy(), "a/three": heavy(), "a/two": prefix("/22"), "a/four": prefix("/4") });
    for _ in 0..2 {
        let refused = current.apply(table(2, &broken, &[]));
        let ids: Vec<EntryId> = refused.iter().map(|refusal| refusal.id.clone()).collect();
        let route = |name: &str| EntryId { kind: EntryKind::Route, key: ObjectKey::new("a", name) };
        assert_eq!(ids, [route("one"), route("three")]);
        assert!(refused[0].reason.contains("takes more than"), "{}", refused[0].reason);
        let expected = [("a/four", "/4"), ("a/one", "/1"), ("a/two", "/22")];
        assert_eq!(paths(&current), expected.map(|(key, path)| (key.to_owned(), json!({ "Prefix": path }))));
        assert_eq!(current.load().table.version, 2);
        assert!(!current.load().table.routes.contains_key(&ObjectKey::new("a", "three")));
    }

    let mended = json!({ "a/one": prefix("/11"), "a/two": prefix("/22") });
    assert_eq!(current.apply(table(3, &mended, &[])), []);
    let expected = [("a/one", "/11"), ("a/two", "/22")];
    assert_eq!(paths(&current), expected.map(|(key, path)| (key.to_owned(), json!({ "Prefix": path }))));
}

#[test]
fn links_outlive_a_change_of_addresses() {
    let current = Current::default();
    let links = |addresses: &[&str]| {
        assert_eq!(current.apply(table(1, &json!({ "a/one": prefix("/") }), addresses)), []);
        let snapshot = current.load();
        let pool = snapshot.pools().next().unwrap();
        let reach = |reach: &Reach| (reach.endpoint.address.unwrap().to_string(), reach.link.id());
        pool.members().iter().filter_map(|member| member.reach.as_ref()).map(reach).collect::<Vec<_>>()
    };
    let first = links(&["10.0.0.1:80", "10.0.0.2:80"]);
    let second = links(&["10.0.0.2:80", "10.0.0.3:80"]);
    assert_eq!(first[1], second[0]);
    assert!(!first.contains(&second[1]));
    assert_eq!(links(&[]), []);
    // A pod that comes back is another one.
    assert!(!first.contains(&links(&["10.0.0.1:80"])[0]));
}
