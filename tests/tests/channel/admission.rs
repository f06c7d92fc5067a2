//! Who gets the table, and for how long.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use serde_json::json;
use sluicegate_controller::push::authenticate::Review;
use sluicegate_table::watch::Version;

use crate::installation::{Controlled, jwt, key, proxy_review, route, until};
use crate::raw::Raw;

#[tokio::test]
async fn nobody_but_the_proxies_gets_anything() {
    let controller = Controlled::start().await;
    controller.publish(|published| drop(published.table.routes.insert(key("a"), route("/a"))));
    let add = |token: &str, change: fn(&mut Review)| {
        let mut review = proxy_review("a");
        change(&mut review);
        controller.tokens.add(token, review);
    };
    add("another-audience", |review| review.audiences = vec!["https://kubernetes.default.svc".to_owned()]);
    add("another-account", |review| "system:serviceaccount:gate:default".clone_into(&mut review.user));
    add("another-namespace", |review| "system:serviceaccount:team:sluicegate-proxy".clone_into(&mut review.user));
    add("a-person", |review| "system:admin".clone_into(&mut review.user));
    add("no-pod", |review| review.pod_uid = None);
    add("rejected", |review| review.authenticated = false);
    let raw = Raw::connect(&controller).await;
    // Else the connection of one who never says who it is would end.
    let known = raw.watch(&controller, "a", "", None).await;
    assert_eq!(known.status, 200);
    for (token, status) in [
        (None, 401),
        (Some(""), 401),
        (Some("unknown"), 401),
        (Some("rejected"), 401),
        (Some("another-audience"), 403),
        (Some("another-account"), 403),
        (Some("another-namespace"), 403),
        (Some("a-person"), 403),
        (Some("no-pod"), 403),
    ] {
        for (path, body) in [
            ("/v1/table?watch=true", None),
            ("/v1/table", None),
            ("/v1/table?watch=true", Some(json!({}))),
            ("/v1/reports", Some(json!({}))),
            ("/elsewhere", None),
        ] {
            let answer = raw.ask(path, token, body.as_ref()).await;
            assert_eq!(answer.status, status, "{token:?} {path}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            let problem = answer.problem().await;
            assert_eq!(problem["status"], status);
            assert!(!problem.to_string().contains("/a"), "{problem}");
        }
    }
}

#[tokio::test]
async fn a_token_is_asked_about_once() {
    let controller = Controlled::start().await;
    controller.publish(|_| {});
    let raw = Raw::connect(&controller).await;
    for _ in 0..3 {
        assert_eq!(raw.watch(&controller, "a", "", None).await.status, 200);
        assert_eq!(raw.ask("/v1/table", Some("unknown"), None).await.status, 401);
    }
    assert_eq!(controller.tokens.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_watch_ends_with_its_token_and_the_proxy_comes_back_with_the_next() {
    let controller = Controlled::start().await;
    controller.publish(|_| {});
    let soon = SystemTime::now() + Duration::from_secs(5);
    let (short, long) = (jwt(soon), jwt(SystemTime::now() + Duration::from_hours(1)));
    controller.tokens.add(&short, proxy_review("a"));
    controller.tokens.add(&long, proxy_review("a"));
    let settings = controller.settings("a");
    std::fs::write(&settings.controller.token_file, &short).unwrap();
    let file = settings.controller.token_file.clone();
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.ask("/v1/table?watch=true", Some(&short), None).await;
    assert_eq!(watch.batch().await, ["Commit one.1"]);
    let proxy = crate::installation::Following::start(settings);
    controller.reported("a").await;
    // As the kubelet does, before the old one ends.
    std::fs::write(&file, &long).unwrap();
    assert_eq!(watch.line().await, None, "the watch ends");
    assert!(SystemTime::now() + Duration::from_millis(50) >= soon, "not before its time");
    assert_eq!(raw.ask("/v1/table", Some(&short), None).await.status, 401);
    assert!(controller.known("a").is_some(), "the controller does not forget it for the moment between");
    controller.publish(|published| drop(published.table.routes.insert(key("a"), route("/a"))));
    controller.reported("a").await;
    assert_eq!(proxy.table().version, 2);
}

#[tokio::test]
async fn a_refused_proxy_keeps_what_it_has_and_tries_again() {
    let controller = Controlled::start().await;
    controller.publish(|_| {});
    let settings = controller.settings("a");
    let file = settings.controller.token_file.clone();
    std::fs::write(&file, "of nobody").unwrap();
    let proxy = crate::installation::Following::start(settings);
    until("it has been refused", || (controller.tokens.asked.load(Ordering::Relaxed) > 0).then_some(())).await;
    assert_eq!(proxy.current.generation(), 0, "it has no table, so it is not ready");
    std::fs::write(&file, "token-of-a").unwrap();
    let known = controller.reported("a").await;
    assert_eq!(known.report.applied, Some(Version { epoch: "one".to_owned(), number: 1 }));
}
