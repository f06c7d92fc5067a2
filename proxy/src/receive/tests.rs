//! From table to table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod edits;

use std::sync::Arc;

use serde_json::{Value, json};
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{ObjectKey, Table};

use super::{Current, Reach};
use crate::forward::upstream::Link;

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

#[test]
fn endpoints_that_leave_are_told_so_and_those_on_other_terms_do_not_leave() {
    let current = Current::default();
    // The links to the two addresses, after an edit.
    let apply = |state: &str, port: u16, addresses: &[&str]| -> Vec<Arc<Link>> {
        let listed: Vec<Value> = addresses.iter().map(|address| json!({ "address": address })).collect();
        let table = json!({
            "version": 1,
            "routes": { "a/one": prefix("/") },
            "pools": { "default/orders": {
                "algorithm": "RoundRobin",
                "levels": [{ "priority": 1, "members": [{ "target": "default/orders", "weight": 100 }] }],
                "connections": {
                    "maxPending": 1, "idleTimeout": { "secs": port, "nanos": 0 }, "keepAlive": true,
                    "connectTimeout": { "secs": 5, "nanos": 0 },
                },
            } },
            "targets": { "default/orders": {
                "host": "orders.shop.svc", "port": 80, "discovered": true, "protocol": "HTTP", "state": state,
            } },
            "endpoints": { "default/orders": { "addresses": listed } },
        });
        assert_eq!(current.apply(Arc::new(serde_json::from_value(table).unwrap())), []);
        let snapshot = current.load();
        let pool = snapshot.pools().next().unwrap();
        pool.members().iter().filter_map(|member| member.reach.as_ref()).map(|reach| Arc::clone(&reach.link)).collect()
    };
    let leaving = |links: &[Arc<Link>]| links.iter().map(|link| link.is_leaving()).collect::<Vec<_>>();
    let both = ["10.0.0.1:80", "10.0.0.2:80"];
    let first = apply("Enabled", 60, &both);
    assert_eq!(leaving(&first), [false, false]);
    for state in ["Draining", "Disabled"] {
        apply(state, 60, &both);
        assert_eq!(leaving(&first), [true, true], "{state}");
        apply("Enabled", 60, &both);
        assert_eq!(leaving(&first), [false, false], "after {state}");
    }
    // Other terms: other links, and the streams over the old ones go on.
    let second = apply("Enabled", 61, &both);
    assert_eq!((leaving(&first), first.iter().all(|link| link.is_retired())), (vec![false, false], true));
    // A pod goes: whatever the terms were.
    apply("Enabled", 61, &both[..1]);
    assert_eq!((leaving(&first), leaving(&second)), (vec![false, true], vec![false, true]));
    apply("Enabled", 61, &[]);
    assert_eq!(leaving(&first), [true, true]);
}
