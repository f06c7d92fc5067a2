//! Status is true: what is wrong is said, of the right generation, and is taken back once it is mended.

use serde_json::json;
use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{EntryId, EntryKind, Refusal};
use sluicegate_tests::kubernetes::Cluster;
use sluicegate_tests::until;

use super::{Controller, Stage, object};

const IN_USE: &str = "True Programmed";

/// Two proxies that follow, and an Upstream with a Target for a Rule `api`.
fn stage(cluster: &Cluster) -> (Stage<'_>, Controller) {
    let stage = Stage::new(cluster);
    stage.ready(&["proxy-a", "proxy-b"]);
    stage.follows("proxy-a", |_| {});
    stage.follows("proxy-b", |_| {});
    stage.namespace.apply(
        &[
            object("Rule", "api", "upstream: web"),
            object("Upstream", "web", "targets: [{name: one}]"),
            object("Target", "one", "host: one.test, port: 80"),
        ]
        .concat(),
    );
    let controller = stage.controller();
    for resource in ["rule/api", "upstream/web", "target/one"] {
        stage.wait(resource, "Accepted", "True Accepted");
        stage.wait(resource, "ResolvedRefs", "True ResolvedRefs");
        stage.wait(resource, "Programmed", IN_USE);
    }
    (stage, controller)
}

fn reasons(stage: &Stage<'_>, resource: &str) -> Vec<String> {
    stage.namespace.events(resource).into_iter().map(|(reason, _)| reason).collect()
}

#[test]
fn a_wrong_reference() {
    let (stage, _controller) = stage(Cluster::shared());
    stage.namespace.patch("rule/api", &json!({"spec": {"upstream": "wbe"}}));
    let message = stage.wait("rule/api", "ResolvedRefs", "False BackendNotFound");
    assert!(message.contains("spec.upstream") && message.contains("wbe"), "{message}");
    stage.wait("rule/api", "Accepted", "True Accepted");
    stage.wait("rule/api", "Programmed", IN_USE);
    // It comes later: the Rule's status follows without an edit of the Rule.
    stage.namespace.apply(&object("Upstream", "wbe", "targets: [{name: one}]"));
    stage.wait("rule/api", "ResolvedRefs", "True ResolvedRefs");
    until("both are told of", || {
        let reasons = reasons(&stage, "rule/api");
        ["BackendNotFound", "ResolvedRefs"].iter().all(|word| reasons.iter().any(|reason| reason == word)).then_some(())
    });
}

#[test]
fn a_missing_secret() {
    let (stage, _controller) = stage(Cluster::shared());
    let credentials = "host: one.test, port: 80, credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: key, key: key}}}";
    stage.namespace.apply(&object("Target", "one", credentials));
    stage.wait("target/one", "ResolvedRefs", "False SecretNotFound");
    stage.wait("target/one", "Healthy", "False SecretNotFound");
    stage.wait("target/one", "Programmed", IN_USE);
    stage.wait("upstream/web", "Healthy", "False NoHealthyTargets");
    let status = stage.namespace.get("upstream/web")["status"].clone();
    assert_eq!(status["targets"], json!([{"name": "one", "state": "Unhealthy", "reason": "SecretNotFound"}]));
    assert_eq!(status["targetsHealthy"], "0/1");
    assert_eq!(stage.namespace.get("target/one")["status"]["state"], "Unhealthy");

    stage.namespace.kubectl(&["create", "secret", "generic", "key", "--from-literal=key=planted-secret"]);
    stage.wait("target/one", "Healthy", "True Healthy");
    stage.wait("upstream/web", "Healthy", "True Healthy");
    let seen = [stage.namespace.get("target/one").to_string(), format!("{:?}", stage.namespace.events("target/one"))];
    assert!(seen.iter().all(|text| !text.contains("planted-secret")), "{seen:?}");
}

#[test]
fn a_secret_that_may_not_be_read() {
    let (stage, controller) = stage(Cluster::shared());
    let target = |port: u16| {
        let credentials = "credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: key, key: key}}}";
        stage.namespace.apply(&object("Target", "one", &format!("host: one.test, port: {port}, {credentials}")));
    };
    stage.namespace.kubectl(&["create", "secret", "generic", "key", "--from-literal=key=planted-secret"]);
    target(80);
    stage.wait("target/one", "ResolvedRefs", "True ResolvedRefs");
    stage.wait("target/one", "Healthy", "True Healthy");

    // Its next value cannot be had. The one before serves, and edits of the Target are in force with it.
    stage.grant(&["list", "watch"]);
    stage.namespace.patch("secret/key", &json!({"stringData": {"key": "planted-next"}}));
    let message = stage.wait("target/one", "ResolvedRefs", "False RefNotPermitted");
    for part in ["spec.credentials", "`key`", "forbidden", "grant", "stays in force"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    target(8080);
    for (condition, wanted) in [("Accepted", "True Accepted"), ("Programmed", IN_USE), ("Healthy", "True Healthy")] {
        stage.wait("target/one", condition, wanted);
    }

    // A controller that starts knows no value. It leaves the Target to the proxies, and holds up nothing else.
    drop(controller);
    let _controller = stage.controller();
    stage.wait("target/one", "Accepted", "False RefNotPermitted");
    stage.wait("target/one", "ResolvedRefs", "False RefNotPermitted");
    stage.namespace.apply(&object("Rule", "other", "targets: [{url: \"http://other.test\"}]"));
    stage.wait("rule/other", "Programmed", IN_USE);

    stage.grant(&["get", "list", "watch"]);
    stage.wait("target/one", "ResolvedRefs", "True ResolvedRefs");
    stage.wait("target/one", "Accepted", "True Accepted");
    let seen = [stage.namespace.get("target/one").to_string(), format!("{:?}", stage.namespace.events("target/one"))];
    assert!(seen.iter().all(|text| !text.contains("planted")), "{seen:?}");
}

#[test]
fn an_invalid_regular_expression() {
    let (stage, _controller) = stage(Cluster::shared());
    let spec = |value: &str| json!({"spec": {"matches": [{"path": {"type": "RegularExpression", "value": value}}]}});
    stage.namespace.patch("rule/api", &spec("/a(b"));
    let object = stage.namespace.wait_for_condition("rule/api", "Accepted", "False");
    let accepted = sluicegate_tests::kubernetes::condition(&object, "Accepted");
    let message = accepted["message"].as_str().unwrap();
    assert!(message.contains("spec.matches[0].path.value") && message.contains("stays in force"), "{message}");
    let message = stage.wait("rule/api", "Programmed", "False Invalid");
    assert_eq!(message, "this generation is refused; the last valid version stays in force");
    stage.wait("upstream/web", "Programmed", IN_USE);
    stage.namespace.patch("rule/api", &spec("/a(b)"));
    stage.wait("rule/api", "Accepted", "True Accepted");
    stage.wait("rule/api", "Programmed", IN_USE);
}

#[test]
fn weights_of_95() {
    let (stage, _controller) = stage(Cluster::shared());
    let weights = |one: u8| format!("targets: [{{name: one, weight: {one}}}, {{name: two, weight: 5}}]");
    stage.namespace.apply(&object("Target", "two", "host: two.test, port: 80"));
    stage.namespace.apply(&object("Upstream", "web", &weights(90)));
    let message = stage.wait("upstream/web", "PartiallyInvalid", "True WeightsNotHundred");
    assert!(message.starts_with("Fall Back") && message.contains("95"), "{message}");
    stage.wait("upstream/web", "Accepted", "True Accepted");
    stage.wait("upstream/web", "Programmed", IN_USE);
    stage.namespace.apply(&object("Upstream", "web", &weights(95)));
    stage.namespace.wait("upstream/web", "nothing is wrong any more", |upstream| {
        let of = |condition_type: &str| sluicegate_tests::kubernetes::condition(upstream, condition_type);
        of("Accepted")["observedGeneration"] == upstream["metadata"]["generation"] && of("PartiallyInvalid").is_null()
    });
}

#[test]
fn a_proxy_that_refuses_an_entry() {
    let (stage, _controller) = stage(Cluster::shared());
    let id = EntryId { kind: EntryKind::Route, key: ObjectKey::new(stage.namespace.name(), "api") };
    let refusal = Refusal { id, reason: "unknown field `cache`".to_owned() };
    stage.follows("proxy-b", move |report| report.refused = vec![refusal.clone()]);
    let message = stage.wait("rule/api", "Programmed", "False RefusedByProxy");
    assert_eq!(message, "1/2 proxies; refused: unknown field `cache`");
    stage.wait("rule/api", "Accepted", "True Accepted");
    stage.wait("upstream/web", "Programmed", IN_USE);
    stage.follows("proxy-b", |_| {});
    stage.wait("rule/api", "Programmed", IN_USE);
    until("it is told of", || {
        reasons(&stage, "rule/api").iter().any(|reason| reason == "RefusedByProxy").then_some(())
    });
}

#[test]
fn a_proxy_that_is_gone() {
    let (stage, _controller) = stage(Cluster::shared());
    stage.is_cut_off("proxy-b");
    stage.namespace.patch("rule/api", &json!({"spec": {"hostnames": ["api.example.com"]}}));
    assert_eq!(stage.wait("rule/api", "Programmed", "False Pending"), "1/2 proxies");
    // What it had before it was cut off, it has.
    assert_eq!(stage.shown("upstream/web", "Programmed"), IN_USE);
    stage.ready(&["proxy-a"]);
    stage.wait("rule/api", "Programmed", IN_USE);
    // Back, with everything.
    stage.follows("proxy-b", |_| {});
    stage.ready(&["proxy-a", "proxy-b"]);
    stage.namespace.patch("rule/api", &json!({"spec": {"hostnames": ["api.example.org"]}}));
    stage.wait("rule/api", "Programmed", IN_USE);
}

#[test]
fn others_conditions_stay() {
    let (stage, _controller) = stage(Cluster::shared());
    let mut conditions = stage.namespace.get("rule/api")["status"]["conditions"].clone();
    let audited = json!({
        "type": "Audited", "status": "True", "reason": "Audited", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    conditions.as_array_mut().unwrap().insert(0, audited.clone());
    stage.namespace.patch_status("rule/api", &json!({"status": {"conditions": conditions}}));
    stage.namespace.patch("rule/api", &json!({"spec": {"hostnames": ["api.example.com"]}}));
    stage.wait("rule/api", "Programmed", IN_USE);
    let after = stage.namespace.get("rule/api")["status"]["conditions"].clone();
    assert_eq!(after[0], audited);
    // Nothing but generations has changed: no transition, so no new date.
    for (before, after) in conditions.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        assert_eq!(before["lastTransitionTime"], after["lastTransitionTime"], "{after}");
    }
}
