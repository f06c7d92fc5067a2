//! The harness itself: what other tests take for granted.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sluicegate_tests::kubernetes::{Cluster, Namespace, Token};
use sluicegate_tests::until;

const RULE: &str = "{apiVersion: sluicegate.dev/v1alpha1, kind: Rule, metadata: {name: api}, spec: {upstream: web}}";

/// What the API server says of a token, given to it for an audience.
fn review(namespace: &Namespace<'_>, token: &str, audience: &str) -> Value {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": token, "audiences": [audience]},
    });
    let answer = namespace.try_kubectl(&["create", "-o", "json", "-f", "-"], &review.to_string()).unwrap();
    serde_json::from_str::<Value>(&answer).unwrap()["status"].take()
}

#[test]
fn a_change_ends_a_wait() {
    let namespace = Cluster::shared().namespace();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| namespace.wait_for_condition("rule/api", "Accepted", "True"));
        namespace.apply(RULE);
        let condition = json!({
            "type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        namespace.patch_status("rule/api", &json!({"status": {"conditions": [condition]}}));
        assert_eq!(waiting.join().unwrap()["status"]["conditions"][0], condition);
    });
    namespace.delete("rule/api");
    namespace.wait_until_gone("rule/api");
}

#[test]
fn tokens_are_of_their_account_audience_and_pod() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    namespace.service_account("proxy");
    let pod = namespace.pod("proxy-0", "proxy");
    let wanted = Token { audience: "sluicegate", pod: Some("proxy-0"), ..Token::default() };
    for token in [namespace.token("proxy", wanted), namespace.signed_token("proxy", wanted)] {
        let status = review(&namespace, &token, "sluicegate");
        assert_eq!(status["authenticated"], true, "{status}");
        assert_eq!(status["audiences"], json!(["sluicegate"]));
        let user = &status["user"];
        assert_eq!(user["username"], format!("system:serviceaccount:{}:proxy", namespace.name()));
        assert_eq!(user["extra"]["authentication.kubernetes.io/pod-uid"], json!([pod]));
        assert_eq!(review(&namespace, &token, "another")["authenticated"], Value::Null);
    }
}

#[test]
fn a_signed_token_may_have_expired() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    namespace.service_account("proxy");
    let valid = Token { audience: "sluicegate", ..Token::default() };
    let expired = Token { age: Duration::from_hours(2), ..valid };
    for (token, authenticated) in [(valid, json!(true)), (expired, Value::Null)] {
        let status = review(&namespace, &namespace.signed_token("proxy", token), "sluicegate");
        assert_eq!(status["authenticated"], authenticated, "{status}");
    }
}

#[test]
fn an_account_has_its_own_rights() {
    let namespace = Cluster::shared().namespace();
    namespace.service_account("reader");
    namespace.kubectl(&["create", "role", "reader", "--verb=list", "--resource=rules"]);
    let subject = format!("--serviceaccount={}:reader", namespace.name());
    namespace.kubectl(&["create", "rolebinding", "reader", "--role=reader", &subject]);
    let account = namespace.account("reader");
    let ask = |resource: &str| {
        let mut command = namespace.cluster().command("kubectl");
        command.env("KUBECONFIG", &account.kubeconfig).args(["--namespace", namespace.name(), "get", resource]);
        command.output().unwrap()
    };
    assert!(ask("rules").status.success());
    let refused = String::from_utf8(ask("secrets").stderr).unwrap();
    assert!(refused.contains("reader\" cannot list resource \"secrets\""), "{refused}");
}

#[test]
fn what_is_stopped_starts_again_with_what_it_held() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    namespace.apply(RULE);
    cluster.stop("apiserver");
    assert!(namespace.try_kubectl(&["get", "rules"], "").is_err(), "nothing answers");
    cluster.start("apiserver");
    assert_eq!(namespace.get("rule/api")["spec"]["upstream"], "web");
    cluster.restart("etcd");
    assert_eq!(namespace.list("rules").len(), 1);
}

#[test]
fn an_old_revision_is_gone_once_it_is_forgotten() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    namespace.apply(RULE);
    let old = namespace.get("rule/api")["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    namespace.patch("rule/api", &json!({"spec": {"upstream": "other"}}));
    cluster.forget_revisions();
    let path = format!(
        "/apis/sluicegate.dev/v1alpha1/namespaces/{}/rules?watch=true&resourceVersion={old}&timeoutSeconds=5",
        namespace.name()
    );
    let answer = cluster.kubectl_with(&["get", "--raw", &path], "").unwrap_or_else(|error| error);
    assert!(answer.contains("\"code\":410") || answer.contains("too old resource version"), "{answer}");
}

#[test]
fn requests_of_others_are_on_record() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    namespace.service_account("watcher");
    let account = namespace.account("watcher");
    let mut command = cluster.command("kubectl");
    command.env("KUBECONFIG", &account.kubeconfig).args(["--namespace", namespace.name(), "get", "rules"]);
    assert!(!command.output().unwrap().status.success(), "it may not");
    let request = until("the request is on record", || {
        cluster.requests().into_iter().find(|request| request["objectRef"]["resource"] == "rules")
    });
    assert_eq!(request["user"]["username"], format!("system:serviceaccount:{}:watcher", namespace.name()));
    assert_eq!((&request["verb"], &request["responseStatus"]["code"]), (&json!("list"), &json!(403)));
}
