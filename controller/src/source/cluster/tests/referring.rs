//! What Targets refer to.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::api::{Api, Fault};
use super::{Source, key, secret, secret_of, secret_text, target};
use crate::objects::{Change, Objects, Reference, Service};

#[tokio::test(start_paused = true)]
async fn only_what_is_referred_to_is_read() {
    let api = Api::default();
    api.put("targets", "default", "a", target("used"));
    for name in ["used", "other", "another"] {
        api.put("secrets", "default", name, secret(name));
    }
    let mut source = Source::start(&api).await;
    assert_eq!(secret_text(&source.objects, "used").as_deref(), Some("used"));
    assert_eq!(source.objects.secrets.len(), 1);
    api.put("secrets", "default", "other", secret("changed"));
    source.nothing_more().await;
    assert_eq!(api.requests("/secrets/other"), 0);
    assert_eq!(api.requests("/secrets/used"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_changes_comes_and_goes() {
    let api = Api::default();
    api.put("targets", "default", "a", target("key"));
    let mut source = Source::start(&api).await;
    assert!(source.objects.targets.contains_key(&key("a")) && source.objects.secrets.is_empty());
    api.put("secrets", "default", "key", secret("one"));
    source.until(|objects| secret_text(objects, "key").as_deref() == Some("one")).await;
    api.put("secrets", "default", "key", secret("two"));
    source.until(|objects| secret_text(objects, "key").as_deref() == Some("two")).await;
    // Another annotation, the same text.
    api.put("secrets", "default", "key", secret("two"));
    source.nothing_more().await;
    api.delete("secrets", "default", "key");
    source.until(|objects| objects.secrets.is_empty()).await;
    api.put("secrets", "default", "key", secret("three"));
    source.until(|objects| secret_text(objects, "key").as_deref() == Some("three")).await;
    api.delete("targets", "default", "a");
    source.until(|objects| objects.secrets.is_empty() && objects.targets.is_empty()).await;
    api.put("secrets", "default", "key", secret("four"));
    source.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_waits_until_its_new_secret_is_known() {
    let api = Api::default();
    api.put("targets", "default", "a", target("old"));
    api.put("secrets", "default", "old", secret("old"));
    api.put("secrets", "default", "new", secret("new"));
    let mut source = Source::start(&api).await;
    for _ in 0..4 {
        api.fault("/secrets/new", Fault::Status(500));
    }
    api.put("targets", "default", "a", target("new"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(source.batches.try_recv().is_err(), "the version in force stays until then");
    assert!(source.cluster.troubles().current().contains_key("reading Secret default/new"));
    let changes = source.changes().await;
    assert_eq!(changes.len(), 3, "the Target, the new Secret, the old one's end: {changes:?}");
    assert_eq!(secret_of(&source.objects, "a").as_deref(), Some("new"));
    assert_eq!(source.objects.secrets.keys().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["new"]);
    assert!(source.cluster.troubles().current().is_empty());

    // The Target is edited back while what it waits for cannot be read.
    for _ in 0..40 {
        api.fault("/secrets/old", Fault::Status(500));
    }
    api.put("targets", "default", "a", target("old"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    api.put("targets", "default", "a", target("new"));
    source.nothing_more_than_the_target().await;
    assert!(source.cluster.troubles().current().is_empty(), "nobody waits for it any more");
}

impl Source {
    async fn nothing_more_than_the_target(&mut self) {
        let changes = self.changes().await;
        assert!(matches!(&changes[..], [Change::Target(..)]), "{changes:?}");
        self.nothing_more().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_read_is_told_of_and_holds_up_nothing_else() {
    let api = Api::default();
    let forbid = |times: usize| (0..times).for_each(|_| api.fault("/secrets/key", Fault::Status(403)));
    let unreadable = |objects: &Objects| objects.unreadable.get(&Reference::Secret(key("key"))).cloned();
    api.put("targets", "default", "a", target("key"));
    api.put("secrets", "default", "key", secret("one"));
    forbid(1);
    let mut source = Source::start(&api).await;
    assert_eq!(secret_of(&source.objects, "a").as_deref(), Some("key"), "the Target is told of all the same");
    let why = unreadable(&source.objects).unwrap();
    assert!(why.contains("told to") && why.contains("grant"), "{why}");
    source.until(|objects| secret_text(objects, "key").as_deref() == Some("one")).await;
    assert_eq!(unreadable(&source.objects), None);

    // It changes and may not be read: what it held is held on to.
    forbid(3);
    api.put("secrets", "default", "key", secret("two"));
    source.until(|objects| unreadable(objects).is_some()).await;
    assert_eq!(secret_text(&source.objects, "key").as_deref(), Some("one"));
    source.until(|objects| unreadable(objects).is_none()).await;
    assert_eq!(secret_text(&source.objects, "key").as_deref(), Some("two"));

    // Nobody refers to it any more.
    forbid(100);
    api.put("secrets", "default", "key", secret("three"));
    source.until(|objects| unreadable(objects).is_some()).await;
    api.delete("targets", "default", "a");
    source.until(|objects| objects.targets.is_empty()).await;
    assert!(unreadable(&source.objects).is_none() && source.objects.secrets.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refused_target_leaves_what_its_last_version_refers_to() {
    let api = Api::default();
    api.put("targets", "default", "a", target("key"));
    api.put("secrets", "default", "key", secret("one"));
    let mut source = Source::start(&api).await;
    api.put("targets", "default", "a", json!({"spec": {"host": "a.example", "port": 443, "unknown": 1}}));
    source.changes().await;
    api.put("secrets", "default", "key", secret("two"));
    source.until(|objects| secret_text(objects, "key").as_deref() == Some("two")).await;
}

#[tokio::test(start_paused = true)]
async fn a_relist_finds_secrets_that_went_and_changed() {
    let api = Api::default();
    for name in ["kept", "changed", "gone"] {
        api.put("targets", "default", name, target(name));
        api.put("secrets", "default", name, secret("before"));
    }
    let mut source = Source::start(&api).await;
    api.end_watches();
    api.put("secrets", "default", "changed", secret("after"));
    api.delete("secrets", "default", "gone");
    api.compact();
    source.until(|objects| objects.secrets.len() == 2 && secret_text(objects, "changed").unwrap() == "after").await;
    assert_eq!(api.requests("/secrets/kept"), 1);
}

fn to_service(name: &str) -> Json {
    json!({"spec": {"service": {"name": name, "port": 80}}})
}

fn service_object() -> Json {
    json!({"spec": {"ports": [
        {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]}})
}

/// A slice of `web` with these pods: name, address, ready.
fn slice(address_type: &str, pods: &[(&str, &str, Option<bool>)]) -> Json {
    let endpoint = |(name, address, ready): &(&str, &str, Option<bool>)| {
        let conditions = ready.map_or_else(|| json!({}), |ready| json!({"ready": ready}));
        json!({"addresses": [address], "conditions": conditions, "zone": "z1",
               "targetRef": {"kind": "Pod", "name": name, "uid": format!("uid-{name}")}})
    };
    let endpoints: Vec<Json> = pods.iter().map(endpoint).collect();
    json!({"metadata": {"labels": {"kubernetes.io/service-name": "web"}}, "addressType": address_type,
           "endpoints": endpoints, "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]})
}

fn addresses(objects: &Objects) -> Vec<String> {
    let service = objects.services.get(&key("web"));
    service.map(|service| service.endpoints.iter().map(|it| it.address.to_string()).collect()).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_ready_pods_behind_a_service_are_followed() {
    let api = Api::default();
    api.put("targets", "default", "a", to_service("web"));
    api.put("services", "default", "web", service_object());
    api.put(
        "endpointslices",
        "default",
        "web-1",
        slice("IPv4", &[("p1", "10.0.0.1", Some(true)), ("p2", "10.0.0.2", Some(false))]),
    );
    api.put("endpointslices", "default", "other", json!({"addressType": "IPv4", "endpoints": null, "ports": null}));
    let mut source = Source::start(&api).await;
    let service: &Service = &source.objects.services[&key("web")];
    assert_eq!(service.ports.iter().map(|port| (port.name.as_str(), port.port)).collect::<Vec<_>>(), [("http", 80)]);
    let [endpoint] = &service.endpoints[..] else { panic!("{service:?}") };
    assert_eq!((endpoint.address.to_string().as_str(), endpoint.zone.as_deref()), ("10.0.0.1", Some("z1")));
    assert_eq!(endpoint.ports["http"], 8080);

    // A pod becomes ready; one of which it is not known counts as ready.
    api.put(
        "endpointslices",
        "default",
        "web-1",
        slice("IPv4", &[("p1", "10.0.0.1", Some(true)), ("p2", "10.0.0.2", Some(true))]),
    );
    source.until(|objects| addresses(objects) == ["10.0.0.1", "10.0.0.2"]).await;
    // Both families, and a pod that is in two slices: one endpoint for a pod.
    api.put(
        "endpointslices",
        "default",
        "web-2",
        slice("IPv6", &[("p1", "fd00::1", Some(true)), ("p3", "fd00::3", None)]),
    );
    source.until(|objects| addresses(objects) == ["10.0.0.1", "10.0.0.2", "fd00::3"]).await;
    api.put(
        "endpointslices",
        "default",
        "web-3",
        slice("IPv4", &[("p3", "10.0.0.3", Some(true)), ("p1", "10.0.0.1", Some(true))]),
    );
    source.until(|objects| addresses(objects) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]).await;
    // A slice changes hands, one is missed while the watch is down, the Service goes.
    let mut others = slice("IPv4", &[("p1", "10.0.0.1", Some(true))]);
    others["metadata"]["labels"] = json!({"kubernetes.io/service-name": "others"});
    api.put("endpointslices", "default", "web-1", others);
    source.until(|objects| addresses(objects) == ["10.0.0.1", "10.0.0.3"]).await;
    api.end_watches();
    api.delete("endpointslices", "default", "web-3");
    api.compact();
    source.until(|objects| addresses(objects) == ["fd00::1", "fd00::3"]).await;
    api.delete("services", "default", "web");
    source.until(|objects| objects.services.is_empty()).await;
    api.put("services", "default", "web", service_object());
    source.until(|objects| addresses(objects) == ["fd00::1", "fd00::3"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_referred_to_later_is_read_then() {
    let api = Api::default();
    api.put("services", "default", "web", service_object());
    api.put("endpointslices", "default", "web-1", slice("IPv4", &[("p1", "10.0.0.1", Some(true))]));
    let mut source = Source::start(&api).await;
    assert!(source.objects.services.is_empty());
    api.put("targets", "default", "a", to_service("web"));
    let changes = source.changes().await;
    assert_eq!(changes.len(), 2, "the Target comes with its Service: {changes:?}");
    assert_eq!(addresses(&source.objects), ["10.0.0.1"]);
    api.put("endpointslices", "default", "web-1", slice("IPv4", &[("p1", "10.0.0.9", Some(true))]));
    source.until(|objects| addresses(objects) == ["10.0.0.9"]).await;
    api.put("targets", "default", "a", to_service("missing"));
    source.until(|objects| objects.services.is_empty()).await;
    // Nobody looks at what nobody refers to.
    api.put("endpointslices", "default", "web-1", slice("IPv4", &[("p1", "10.0.0.1", Some(true))]));
    source.nothing_more().await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_end_serve_only_while_no_other_does() {
    let api = Api::default();
    api.put("targets", "default", "a", to_service("web"));
    api.put("services", "default", "web", service_object());
    let pods = |ready: &[bool]| {
        let mut slice = slice("IPv4", &[("p1", "10.0.0.1", None), ("p2", "10.0.0.2", None), ("p3", "10.0.0.3", None)]);
        for (number, ready) in ready.iter().enumerate() {
            // The third neither is ready nor serves.
            let serving = number < 2;
            slice["endpoints"][number]["conditions"] =
                json!({"ready": ready, "serving": serving, "terminating": !ready});
        }
        slice
    };
    api.put("endpointslices", "default", "web-1", pods(&[false, true, false]));
    let mut source = Source::start(&api).await;
    assert_eq!(addresses(&source.objects), ["10.0.0.2"]);
    api.put("endpointslices", "default", "web-1", pods(&[false, false, false]));
    source.until(|objects| addresses(objects) == ["10.0.0.1", "10.0.0.2"]).await;
    api.put("endpointslices", "default", "web-1", pods(&[true, false, false]));
    source.until(|objects| addresses(objects) == ["10.0.0.1"]).await;
}
