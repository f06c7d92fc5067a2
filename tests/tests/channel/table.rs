//! What a proxy has after what the controller published.

use std::sync::Arc;

use serde_json::json;
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{Backend, Credential, Endpoints, PathMatch, Protocol, SecretText, Target};

use crate::installation::{Controlled, key, pool, route};
use crate::raw::Raw;

fn target(secret: &str) -> Arc<Target> {
    Arc::new(Target {
        discovered: true,
        credential: Some(Credential { header: "x-key".to_owned(), value: Some(SecretText::new(secret)) }),
        ..Target::new("model", 80, Protocol::Http)
    })
}

#[tokio::test]
async fn a_table_and_an_edit_arrive_and_a_report_goes_back() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    controller.publish(|published| drop(published.table.routes.insert(key("one"), route("/one"))));
    proxy.has("the table", |table| table.routes.contains_key(&key("one"))).await;
    let known = controller.reported("a").await;
    assert!(known.report.ready && known.report.refused.is_empty());
    assert_eq!(known.pod, "a");

    controller.publish(|published| {
        published.table.routes.insert(key("one"), route("/uno"));
        published.table.routes.insert(key("two"), route("/two"));
    });
    let table = proxy.has("the edit", |table| table.version == 2).await;
    assert_eq!(table.routes, controller.published.borrow().table.routes);
    controller.publish(|published| drop(published.table.routes.remove(&key("one"))));
    let table = proxy.has("the deletion", |table| table.version == 3).await;
    assert_eq!(table.routes, controller.published.borrow().table.routes);
    controller.reported("a").await;
}

#[tokio::test]
async fn entries_come_before_those_that_name_them_and_go_after_them() {
    let controller = Controlled::start().await;
    controller.publish(|published| {
        published.table.routes.insert(key("r"), route("/"));
        published.table.pools.insert(key("p"), pool());
        published.table.targets.insert(key("t"), target("planted"));
        published.table.endpoints.insert(key("t"), Arc::new(Endpoints::default()));
    });
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "a", "", None).await;
    let added = ["Added Target team/t", "Added Endpoints team/t", "Added Pool team/p", "Added Route team/r"];
    assert_eq!(watch.batch().await, [&added[..], &["Commit one.1"]].concat());
    controller.publish(|published| {
        published.table.routes.clear();
        published.table.pools.clear();
        published.table.targets.clear();
        published.table.endpoints.clear();
    });
    let deleted = ["Deleted Route team/r", "Deleted Pool team/p", "Deleted Endpoints team/t", "Deleted Target team/t"];
    assert_eq!(watch.batch().await, [&deleted[..], &["Commit one.2"]].concat());
}

#[tokio::test]
async fn credentials_arrive_and_are_shown_nowhere_else() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    controller.publish(|published| drop(published.table.targets.insert(key("t"), target("planted"))));
    let table = proxy.has("the target", |table| table.targets.contains_key(&key("t"))).await;
    assert_eq!(table.targets, controller.published.borrow().table.targets);
    assert!(!serde_json::to_string(&*table).unwrap().contains("planted"));
    assert!(!format!("{:?}", controller.published.borrow()).contains("planted"));
}

#[tokio::test]
async fn the_present_version_can_be_read_once() {
    let controller = Controlled::start().await;
    let raw = Raw::connect(&controller).await;
    controller.token_file("a");
    let answer = raw.ask("/v1/table", Some("token-of-a"), None).await;
    assert_eq!(answer.status, 503, "nothing has been published");
    assert_eq!(answer.problem().await["title"], "there is no table yet");
    controller.publish(|published| drop(published.table.routes.insert(key("one"), route("/one"))));
    let mut answer = loop {
        let answer = raw.ask("/v1/table", Some("token-of-a"), None).await;
        if answer.status == 200 {
            break answer;
        }
    };
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    assert_eq!(answer.batch().await, ["Added Route team/one", "Commit one.1"]);
    assert_eq!(answer.line().await, None);
}

#[tokio::test]
async fn what_is_kept_stays_and_what_is_not_there_is_answered_for() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    let id = |name: &str| EntryId { kind: EntryKind::Route, key: key(name) };
    controller.publish(|published| drop(published.table.routes.insert(key("known"), route("/known"))));
    proxy.has("the table", |table| table.version == 1).await;

    // The next controller has never seen a valid version of either.
    let invalid = |path: &str| {
        let mut route = (*route(path)).clone();
        route.backend = Backend::Invalid;
        Arc::new(route)
    };
    controller.publish(|published| {
        "two".clone_into(&mut published.epoch);
        published.table.version = 1;
        published.table.routes.insert(key("known"), invalid("/known"));
        published.table.routes.insert(key("unknown"), invalid("/unknown"));
        published.keep = [id("known"), id("unknown")].into_iter().collect();
    });
    let known = controller.reported("a").await;
    assert_eq!(known.report.missing, [id("unknown")]);
    let table = proxy.table();
    assert_eq!(table.routes[&key("known")], route("/known"));
    assert_eq!(table.routes[&key("unknown")].backend, Backend::Invalid);

    controller.publish(|published| {
        published.table.routes.insert(key("unknown"), route("/unknown"));
        published.keep.clear();
        published.table.routes.insert(key("known"), route("/new"));
    });
    let known = controller.reported("a").await;
    assert!(known.report.missing.is_empty());
    assert_eq!(proxy.table().routes, controller.published.borrow().table.routes);
}

#[tokio::test]
async fn a_refused_entry_is_reported_and_keeps_nothing_else_back() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    controller.publish(|published| drop(published.table.routes.insert(key("one"), route("/one"))));
    proxy.has("the table", |table| table.version == 1).await;
    let broken = |name: &str| {
        let mut route = (*route(name)).clone();
        route.matches[0].path = PathMatch::RegularExpression("/(".to_owned());
        Arc::new(route)
    };
    controller.publish(|published| {
        published.table.routes.insert(key("one"), broken("/one"));
        published.table.routes.insert(key("new"), broken("/new"));
        published.table.routes.insert(key("two"), route("/two"));
    });
    let known = controller.reported("a").await;
    let refused: Vec<String> = known.report.refused.iter().map(|refusal| refusal.id.to_string()).collect();
    assert_eq!(refused, ["Route team/new", "Route team/one"]);
    let table = proxy.table();
    assert_eq!(table.routes[&key("one")], route("/one"), "what it had stays");
    assert!(!table.routes.contains_key(&key("new")));
    assert!(table.routes.contains_key(&key("two")));

    controller.publish(|published| {
        published.table.routes.insert(key("one"), route("/uno"));
        published.table.routes.remove(&key("new"));
    });
    let known = controller.reported("a").await;
    assert!(known.report.refused.is_empty(), "{:?}", known.report.refused);
    assert_eq!(proxy.table().routes, controller.published.borrow().table.routes);
}

#[tokio::test]
async fn a_newer_proxys_report_is_taken_and_nonsense_is_not() {
    let controller = Controlled::start().await;
    controller.publish(|_| {});
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "a", "", None).await;
    assert_eq!(watch.batch().await, ["Commit one.1"]);
    let report = json!({"applied": "one.1", "ready": true, "weather": "fine", "endpoints": [{"state": "Resting"}]});
    let answer = raw.ask("/v1/reports", Some("token-of-a"), Some(&report)).await;
    assert_eq!(answer.status, 204);
    assert!(controller.reported("a").await.report.ready);
    let answer = raw.ask("/v1/reports", Some("token-of-a"), Some(&json!({"ready": 7}))).await;
    assert_eq!(answer.status, 400);
}
