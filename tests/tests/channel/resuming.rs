//! Coming back after a connection has ended.

use std::time::Duration;

use serde_json::json;
use sluicegate_proxy::config::Controller;
use sluicegate_proxy::receive::channel::ChannelSettings;

use crate::installation::{Controlled, Following, key, route, until};
use crate::raw::Raw;
use crate::relay::Relay;

fn through(relay: &Relay, settings: ChannelSettings) -> ChannelSettings {
    let url = format!("https://localhost:{}", relay.address.port()).parse().unwrap();
    ChannelSettings { controller: Controller { url, ..settings.controller }, ..settings }
}

#[tokio::test]
async fn by_version_only_what_has_changed_comes() {
    let controller = Controlled::start().await;
    let routes = |names: &[&str]| {
        controller.publish(|published| {
            published.table.routes = names.iter().map(|name| (key(name), route(&format!("/{name}")))).collect();
        });
    };
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "a", "", None).await;
    routes(&["a", "b", "c"]);
    assert_eq!(watch.batch().await.last().unwrap(), "Commit one.1");
    controller.publish(|published| drop(published.table.routes.insert(key("b"), route("/bee"))));
    assert_eq!(watch.batch().await, ["Modified Route team/b", "Commit one.2"]);
    routes(&["a", "d"]);
    assert_eq!(watch.batch().await.last().unwrap(), "Commit one.3");

    for (version, expected) in [
        (1, &["Added Route team/d", "Deleted Route team/b", "Deleted Route team/c", "Commit one.3"][..]),
        (2, &["Added Route team/d", "Deleted Route team/b", "Deleted Route team/c", "Commit one.3"][..]),
        (3, &["Commit one.3"][..]),
    ] {
        let mut again = raw.watch(&controller, "a", &format!("&version=one.{version}"), None).await;
        assert_eq!(again.batch().await, expected, "from {version}");
    }
    for unknown in ["one.4", "two.3", "one.0"] {
        let answer = raw.watch(&controller, "a", &format!("&version={unknown}"), None).await;
        assert_eq!(answer.status, 410, "{unknown}");
    }
    assert_eq!(raw.watch(&controller, "a", "&version=7", None).await.status, 400);
}

#[tokio::test]
async fn by_hashes_only_what_differs_comes() {
    let controller = Controlled::start().await;
    controller.publish(|published| {
        published.table.routes = ["a", "b", "c"].iter().map(|name| (key(name), route(name))).collect();
    });
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "a", "", None).await;
    let mut hashes = json!({});
    while let Some(line) = watch.line().await
        && line["type"] == "Added"
    {
        hashes[format!("{} {}", line["kind"].as_str().unwrap(), line["key"].as_str().unwrap())] = line["hash"].clone();
    }
    let mut again = raw.watch(&controller, "a", "", Some(&hashes)).await;
    assert_eq!(again.batch().await, ["Commit one.1"]);
    hashes["Route team/b"] = json!("another");
    hashes["Route team/gone"] = json!("any");
    hashes["Mirror team/newer"] = json!("any");
    hashes.as_object_mut().unwrap().remove("Route team/c");
    let mut again = raw.watch(&controller, "a", "", Some(&hashes)).await;
    let expected = ["Modified Route team/b", "Added Route team/c", "Deleted Route team/gone", "Commit one.1"];
    assert_eq!(again.batch().await, expected);
}

#[tokio::test]
async fn a_proxy_survives_a_cut_network_and_a_new_controller() {
    let mut controller = Controlled::start().await;
    let relay = Relay::to(controller.address()).await;
    let proxy = Following::start(through(&relay, controller.settings("a")));
    controller.publish(|published| drop(published.table.routes.insert(key("a"), route("/a"))));
    controller.reported("a").await;
    relay.cut();
    until("the controller notices", || controller.known("a").is_none().then_some(())).await;
    controller.publish(|published| drop(published.table.routes.insert(key("b"), route("/b"))));
    assert_eq!(proxy.table().version, 1, "what was in force stays in force");
    relay.mend();
    controller.reported("a").await;
    assert_eq!(proxy.table().routes, controller.published.borrow().table.routes);

    // The next controller counts anew, and knows nothing of what the proxy has.
    controller.stop().await;
    controller.publish(|published| {
        "two".clone_into(&mut published.epoch);
        published.table.version = 1;
        published.table.routes.remove(&key("a"));
    });
    controller.listen(Duration::from_secs(15)).await;
    controller.reported("a").await;
    assert_eq!(proxy.table().routes, controller.published.borrow().table.routes);
}

#[tokio::test]
async fn a_controller_that_falls_silent_is_left() {
    let mut controller = Controlled::start().await;
    controller.stop().await;
    controller.listen(Duration::from_hours(1)).await;
    let relay = Relay::to(controller.address()).await;
    let mut settings = through(&relay, controller.settings("a"));
    settings.silence = Duration::from_millis(500);
    let proxy = Following::start(settings);
    controller.publish(|published| drop(published.table.routes.insert(key("a"), route("/a"))));
    proxy.has("the table", |table| table.version == 1).await;
    until("it connects anew", || (relay.connections() > 2).then_some(())).await;
    assert_eq!(proxy.current.load().table.routes.len(), 1);
}

#[tokio::test]
async fn heartbeats_keep_a_quiet_connection() {
    let mut controller = Controlled::start().await;
    controller.stop().await;
    controller.listen(Duration::from_millis(20)).await;
    let relay = Relay::to(controller.address()).await;
    let mut settings = through(&relay, controller.settings("a"));
    settings.silence = Duration::from_secs(10);
    let proxy = Following::start(settings);
    controller.publish(|_| {});
    proxy.has("the table", |table| table.version == 1).await;
    // Beside it, somebody who counts.
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "b", "&version=one.1", None).await;
    assert_eq!(watch.batch().await, ["Commit one.1"]);
    for _ in 0..5 {
        assert_eq!(watch.line().await.unwrap()["type"], "Heartbeat");
    }
    assert_eq!(relay.connections(), 1);
}
