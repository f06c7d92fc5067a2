//! Our own kinds as they are listed and change.

use serde_json::json;

use super::api::Api;
use super::{Source, key, rule, upstream_of};
use crate::config::Config;
use crate::objects::{Candidate, Kind, ObjectId};

fn rule_id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Rule, key: key(name) }
}

#[tokio::test(start_paused = true)]
async fn everything_is_in_the_first_batch_however_many_pages_it_has() {
    let api = Api::default();
    for number in 0..7 {
        api.put("rules", "default", &format!("rule-{number}"), rule("chat"));
    }
    api.put("upstreams", "default", "chat", json!({"spec": {"targets": [{"name": "one"}]}}));
    api.put("targets", "default", "one", json!({"spec": {"host": "one.example", "port": 80}}));
    let source = Source::start(&api).await;
    assert_eq!(source.objects.rules.len(), 7);
    assert!(matches!(source.objects.upstreams[&key("chat")], Candidate::Valid(_)));
    let Candidate::Valid(target) = &source.objects.targets[&key("one")] else { panic!() };
    assert_eq!(target.metadata.generation, Some(1));
    assert!(target.metadata.creation_timestamp.is_some() && target.metadata.managed_fields.is_none());
    assert_eq!(api.requests("/rules?&limit"), 4, "a list has pages");
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_one_change_and_a_status_is_none() {
    let api = Api::default();
    api.put("rules", "default", "a", rule("one"));
    let mut source = Source::start(&api).await;
    api.put("rules", "default", "a", rule("two"));
    assert_eq!(source.changes().await.len(), 1);
    assert_eq!(upstream_of(&source.objects, "a").as_deref(), Some("two"));

    let mut written = rule("two");
    written["status"] = json!({"conditions": [{"type": "Accepted"}]});
    api.put("rules", "default", "a", written);
    source.nothing_more().await;
    let live = source.cluster.live(&rule_id("a")).unwrap();
    assert_eq!((live.generation, &*live.resource_version), (2, "3"));
    assert_eq!(live.status(), Some(json!({"conditions": [{"type": "Accepted"}]})));

    api.delete("rules", "default", "a");
    source.until(|objects| objects.rules.is_empty()).await;
    assert!(source.cluster.live(&rule_id("a")).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_object_made_anew_is_another_one() {
    let api = Api::default();
    api.put("rules", "default", "a", rule("one"));
    let mut source = Source::start(&api).await;
    let before = source.cluster.live(&rule_id("a")).unwrap();
    api.delete("rules", "default", "a");
    api.put("rules", "default", "a", rule("two"));
    source.until(|objects| upstream_of(objects, "a").as_deref() == Some("two")).await;
    let after = source.cluster.live(&rule_id("a")).unwrap();
    assert_eq!(after.generation, before.generation);
    assert_ne!(after.uid, before.uid);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_edits_while_the_receiver_is_busy_are_few_batches() {
    let api = Api::default();
    let mut source = Source::start(&api).await;
    for number in 0..1000 {
        api.put("rules", "default", &format!("rule-{}", number % 500), rule(&format!("upstream-{number}")));
    }
    let mut batches = 0;
    while source.objects.rules.len() < 500
        || upstream_of(&source.objects, "rule-499").as_deref() != Some("upstream-999")
    {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        source.changes().await;
        batches += 1;
    }
    assert!(batches < 20, "{batches}");
}

#[tokio::test(start_paused = true)]
async fn what_one_release_does_not_know_refuses_one_object() {
    let api = Api::default();
    api.put("rules", "default", "good", rule("one"));
    api.put("rules", "default", "newer", json!({"spec": {"upstream": "one", "mirror": "two"}}));
    api.put("rules", "default", "odd", json!({"spec": {"upstream": "one", "priority": "Sometimes"}}));
    api.put("rules", "default", "none", json!({}));
    let mut source = Source::start(&api).await;
    assert!(upstream_of(&source.objects, "good").is_some());
    for (name, field) in [("newer", "spec.mirror"), ("odd", "spec.priority"), ("none", "spec")] {
        let Candidate::Refused(refused) = &source.objects.rules[&key(name)] else { panic!("{name}") };
        assert_eq!(refused.problems[0].field.to_string(), field);
        assert!(refused.problems[0].to_string().contains("CustomResourceDefinitions"), "{}", refused.problems[0]);
    }
    api.put("rules", "default", "newer", rule("one"));
    source.until(|objects| upstream_of(objects, "newer").is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn other_namespaces_and_the_selector() {
    let api = Api::default();
    for namespace in ["a", "b", "c"] {
        api.put(
            "rules",
            namespace,
            "rule",
            json!({"spec": {"upstream": "x"}, "metadata": {"labels": {"team": namespace}}}),
        );
    }
    let config = Config { watch_namespaces: vec!["a".into(), "b".into(), "a".into()], ..Config::default() };
    let mut source = Source::start_with(&api, &config).await;
    let namespaces: Vec<&str> = source.objects.rules.keys().map(|key| key.namespace.as_str()).collect();
    assert_eq!(namespaces, ["a", "b"]);
    // A list of one namespace says nothing of the other's objects.
    api.compact();
    source.nothing_more().await;
    assert_eq!(api.requests("/namespaces/c/"), 0);
    assert_eq!(api.requests("v1/rules"), 0, "no list of all namespaces");

    let config = Config { object_selector: "team=c".to_owned(), ..Config::default() };
    let source = Source::start_with(&api, &config).await;
    assert_eq!(source.objects.rules.keys().map(|key| key.namespace.as_str()).collect::<Vec<_>>(), ["c"]);
    assert!(api.requests("labelSelector=team%3Dc") >= 6, "lists and watches, each of three kinds");
    assert_eq!(api.requests("/secrets?&labelSelector"), 0, "the selector is for our own kinds");
}

#[tokio::test(start_paused = true)]
async fn proxies_are_the_ready_pods_of_their_service() {
    let api = Api::default();
    let slice = |ready: &[(&str, bool)]| {
        let endpoint = |(name, ready): &(&str, bool)| {
            json!({"addresses": ["10.0.0.1"], "conditions": {"ready": ready},
                   "targetRef": {"kind": "Pod", "name": name, "uid": format!("uid-{name}")}})
        };
        let endpoints: Vec<_> = ready.iter().map(endpoint).collect();
        json!({"addressType": "IPv4", "endpoints": endpoints, "ports": null,
               "metadata": {"labels": {"kubernetes.io/service-name": "sluicegate-proxy"}}})
    };
    api.put("endpointslices", "system", "one", slice(&[("p1", true), ("p2", false)]));
    let source = Source::start(&api).await;
    let mut proxies = source.cluster.proxies();
    let mut names = async |count: usize| {
        let ready = proxies.wait_for(|ready| ready.as_ref().is_some_and(|ready| ready.len() == count)).await.unwrap();
        ready.as_ref().unwrap().iter().map(|(uid, name)| format!("{uid} {name}")).collect::<Vec<_>>()
    };
    assert_eq!(names(1).await, ["uid-p1 p1"]);
    api.put("endpointslices", "system", "two", slice(&[("p3", true), ("p1", true)]));
    assert_eq!(names(2).await, ["uid-p1 p1", "uid-p3 p3"]);
    api.delete("endpointslices", "system", "two");
    api.delete("endpointslices", "system", "one");
    assert_eq!(names(0).await, Vec::<String>::new());
}
