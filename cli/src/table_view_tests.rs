//! Snapshots of what is printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use super::*;

fn table(json: serde_json::Value) -> Table {
    serde_json::from_value(json).unwrap()
}

fn pool(algorithm: &str, levels: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({ "algorithm": algorithm, "levels": levels })
}

fn target(port: u16) -> serde_json::Value {
    serde_json::json!({ "host": "127.0.0.1", "port": port, "protocol": "HTTP" })
}

fn sample() -> Table {
    let mut draining = target(9102);
    draining["state"] = "Draining".into();
    let mut keyless = target(9103);
    keyless["credential"] = serde_json::json!({ "header": "authorization", "value": null });
    table(serde_json::json!({
        "version": 1,
        "routes": {
            "default/api": {
                "hostnames": [{ "exact": "api.example.com" }, { "wildcard": "ai.example.com" }],
                "matches": [
                    { "path": { "Prefix": "/v1" }, "methods": ["GET", "POST"], "models": ["gpt-4", "gpt-4o*"] },
                    { "path": { "Exact": "/health" }, "headers": [{ "name": "x-probe", "test": "Present" }] },
                ],
                "traffic": 105_000,
                "bufferSize": 65536,
                "backend": { "pool": "default/chat" },
            },
            "default/inline": {
                "matches": [{ "path": { "Glob": "/files/*" } }],
                "bufferSize": 65536,
                "backend": { "inline": {
                    "pool": pool("RoundRobin", &serde_json::json!([{ "priority": 1, "members": [
                        { "target": "default/inline[0]", "weight": 50 }, { "target": "default/inline[1]", "weight": 50 },
                    ] }])),
                    "targets": [["default/inline[0]", target(9201)], ["default/inline[1]", target(9202)]],
                } },
            },
            "other/broken": {
                "matches": [{ "path": { "RegularExpression": "/[a-z]+" } }],
                "bufferSize": 65536,
                "backend": { "pool": "other/gone" },
            },
        },
        "pools": {
            "default/chat": pool("WeightedRoundRobin", &serde_json::json!([
                { "priority": 1, "members": [
                    { "target": "default/one", "weight": 90 }, { "target": "default/two", "weight": 10 },
                ] },
                { "priority": 2, "members": [
                    { "target": "default/three", "weight": 50 }, { "target": "default/gone", "weight": 50 },
                ] },
            ])),
        },
        "targets": { "default/one": target(9101), "default/two": draining, "default/three": keyless },
    }))
}

fn notice(place: &str, subject: &str) -> Notice {
    Notice { text: format!("{place}: {subject}"), subject: subject.to_owned() }
}

fn view(table: &Table, refused: &[Notice]) -> View {
    let stale = BTreeSet::from([ObjectKey::new("default", "inline")]);
    let warnings = [notice("chat.yaml:3:1", "Upstream default/chat: spec.targets: weights add up to 90")];
    View::new(table, &stale, refused.to_vec(), warnings)
}

#[test]
fn the_whole_table() {
    let refused =
        [notice("rules.yaml:7:5", "Rule default/inline: spec.upstreem: unknown field (did you mean upstream?)")];
    insta::assert_snapshot!(view(&sample(), &refused).whole());
}

#[test]
fn only_what_changed() {
    let before = sample();
    let mut after = before.clone();
    let removed = after.routes.remove(&ObjectKey::new("default", "inline")).unwrap();
    after.routes.insert(ObjectKey::new("default", "new"), removed);
    let mut two = (*after.targets[&ObjectKey::new("default", "two")]).clone();
    two.state = TargetState::Enabled;
    after.targets.insert(ObjectKey::new("default", "two"), Arc::new(two));
    let before = view(&before, &[notice("a.yaml:1:1", "one"), notice("a.yaml:9:1", "two")]);
    let after = view(&after, &[notice("a.yaml:4:1", "two"), notice("b.yaml:1:1", "three")]);
    insta::assert_snapshot!(after.changes_since(&before));
}

#[test]
fn nothing_changed_prints_nothing() {
    let one = view(&sample(), &[notice("a.yaml:1:1", "one")]);
    let moved = view(&sample(), &[notice("a.yaml:2:1", "one")]);
    assert_eq!(moved.changes_since(&one), "");
}

#[test]
fn an_edit_of_what_no_column_shows_is_told() {
    let before = sample();
    let mut after = before.clone();
    let inline = ObjectKey::new("default", "inline");
    let mut rule = (*after.routes[&inline]).clone();
    rule.strip_path = true;
    after.routes.insert(inline, Arc::new(rule));
    let chat = ObjectKey::new("default", "chat");
    let mut pool = (*after.pools[&chat]).clone();
    pool.connections.max_pending = 1;
    after.pools.insert(chat, Arc::new(pool));
    let one = ObjectKey::new("default", "one");
    let mut target = (*after.targets[&one]).clone();
    target.path = "/v2".to_owned();
    after.targets.insert(one, Arc::new(target));
    let text = view(&after, &[]).changes_since(&view(&before, &[]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        matches!(lines.as_slice(), [row, "Upstreams: ~ default/chat", "Targets: ~ default/one"]
        if row.starts_with("~ default/inline")),
        "{text}"
    );
}

#[test]
fn a_large_table_is_cut() {
    let mut table = sample();
    let route = Arc::clone(table.routes.values().next().unwrap());
    for number in 0..5_000 {
        table.routes.insert(ObjectKey::new("many", format!("rule-{number:04}")), Arc::clone(&route));
    }
    let text = view(&table, &[]).whole();
    assert!(text.contains("… and 4963 more rules"), "{text}");
    assert!(text.lines().count() < 100);
    let changes = view(&table, &[]).changes_since(&view(&sample(), &[]));
    assert!(changes.contains("… and 4960 more rules"), "{changes}");
}

#[test]
fn equal_shares_in_place_of_weights_that_do_not_add_up_have_no_percentages() {
    let members = serde_json::json!([
        { "target": "default/one", "weight": 1 }, { "target": "default/two", "weight": 1 },
        { "target": "default/three", "weight": 0 },
    ]);
    let table = table(serde_json::json!({
        "version": 1,
        "routes": { "default/all": {
            "matches": [{ "path": { "Prefix": "/" } }], "bufferSize": 1, "backend": { "pool": "default/pool" },
        } },
        "pools": {
            "default/pool": pool("WeightedRoundRobin", &serde_json::json!([{ "priority": 1, "members": members }])),
        },
        "targets": { "default/one": target(1), "default/two": target(2), "default/three": target(3) },
    }));
    let text = View::new(&table, &BTreeSet::new(), [], []).whole();
    assert!(text.ends_with("one, two, three 0 %\n"), "{text}");
}

#[test]
fn targets_with_discovered_addresses_say_how_many() {
    let mut service = target(80);
    service["discovered"] = true.into();
    let addresses = |count: u8| {
        let listed: Vec<_> =
            (0..count).map(|last| serde_json::json!({ "address": format!("10.0.0.{last}:80") })).collect();
        serde_json::json!({ "addresses": listed })
    };
    let members: Vec<_> = ["none", "one", "two", "unlisted"]
        .map(|name| serde_json::json!({ "target": format!("default/{name}"), "weight": 1 }))
        .into();
    let table = table(serde_json::json!({
        "version": 1,
        "routes": { "default/all": {
            "matches": [{ "path": { "Prefix": "/" } }], "bufferSize": 1, "backend": { "pool": "default/pool" },
        } },
        "pools": {
            "default/pool": pool("RoundRobin", &serde_json::json!([{ "priority": 1, "members": members }])),
        },
        "targets": {
            "default/none": service, "default/one": service, "default/two": service, "default/unlisted": service,
        },
        "endpoints": { "default/none": addresses(0), "default/one": addresses(1), "default/two": addresses(2) },
    }));
    let text = View::new(&table, &BTreeSet::new(), [], []).whole();
    let expected = "none (no ready address), one (1 address), two (2 addresses), unlisted (no ready address)\n";
    assert!(text.ends_with(expected), "{text}");
}
