//! A real API server takes what the charts render: by Helm, by kubectl alone, and under the pod security standard
//! `restricted`.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};
use sluicegate_tests::kubernetes::{Cluster, Namespace};
use sluicegate_tests::tools::both;

use super::helm::{RELEASE, cases, chart, parse, release_template, values};

/// Kinds of the Prometheus operator, which no API server knows by itself.
const NOT_KUBERNETES: [&str; 3] = ["PodMonitor", "ServiceMonitor", "PrometheusRule"];

/// A namespace that refuses pods that ask for more than they need.
fn restricted() -> Namespace<'static> {
    let namespace = Cluster::shared().namespace();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    namespace.cluster().kubectl(&["label", "namespace", namespace.name(), label]);
    // What the test pod runs as; a controller makes it where there is one.
    namespace.service_account("default");
    namespace
}

/// What the chart renders for a release in this namespace, as the API server may know it.
fn rendered(namespace: &Namespace<'_>, values: &str) -> Vec<Value> {
    let text = release_template(RELEASE, namespace.name(), values).unwrap();
    let mut objects = parse(&text);
    objects.retain(|object| !NOT_KUBERNETES.iter().any(|kind| object["kind"] == *kind));
    objects
}

fn stream(objects: &[Value]) -> String {
    objects.iter().fold(String::new(), |mut text, object| {
        writeln!(text, "---\n{object}").unwrap();
        text
    })
}

/// Applies the objects, each to its own namespace.
fn apply(objects: &[Value]) {
    Cluster::shared().kubectl_with(&["apply", "--server-side", "-f", "-"], &stream(objects)).unwrap();
}

/// Removes them: what belongs to no namespace does not go with one.
fn remove(objects: &[Value]) {
    Cluster::shared().kubectl_with(&["delete", "--wait=false", "-f", "-"], &stream(objects)).unwrap();
}

fn is_a_test(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/hook"] == "test"
}

/// The pods that a Deployment would make, or the pod itself.
fn pod(object: &Value) -> Option<Value> {
    if object["kind"] == "Pod" {
        return Some(object.clone());
    }
    let template = object["spec"]["template"].as_object().filter(|_| object["kind"] == "Deployment")?;
    let mut pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["name"] = object["metadata"]["name"].clone();
    pod["metadata"]["namespace"] = object["metadata"]["namespace"].clone();
    Some(pod)
}

#[test]
fn kubectl_applies_every_set_of_values_and_its_pods_are_restricted() {
    let (one, two) = (restricted(), restricted());
    for case in cases() {
        let namespace = restricted();
        let values = values(&case).replace("team-a", one.name()).replace("team-b", two.name());
        let mut objects = rendered(&namespace, &values);
        let pods: Vec<Value> = objects.iter().filter_map(pod).collect();
        objects.retain(|object| !is_a_test(object));
        apply(&objects);

        let dry_run = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
        assert_eq!(pods.len(), 3, "controller, proxy and test");
        for mut pod in pods {
            namespace
                .try_kubectl(&dry_run, &pod.to_string())
                .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            pod["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
            let refusal = namespace.try_kubectl(&dry_run, &pod.to_string()).unwrap_err();
            assert!(refusal.contains("violates PodSecurity \"restricted"), "{refusal}");
        }
        remove(&objects);
    }
}

/// A second apply of the same changes nothing, as a tool that applies again and again needs.
#[test]
fn applying_again_changes_nothing() {
    let namespace = restricted();
    let mut objects = rendered(&namespace, "{}");
    objects.retain(|object| !is_a_test(object));
    let versions = || -> Vec<Value> {
        let kinds =
            "deployments,services,configmaps,serviceaccounts,roles,rolebindings,poddisruptionbudgets,networkpolicies";
        namespace.list(kinds).iter().map(|object| object["metadata"]["resourceVersion"].clone()).collect()
    };
    apply(&objects);
    let before = versions();
    apply(&objects);
    assert_eq!(versions(), before);
    remove(&objects);
}

/// What RBAC makes of the roles and bindings, asked of the API server.
#[test]
fn the_controller_may_do_what_it_needs_and_no_more() {
    let (own, watched, other) = (restricted(), restricted(), restricted());
    let mut objects = rendered(&own, &format!("watchNamespaces: [{}]", watched.name()));
    objects.retain(|object| !is_a_test(object));
    apply(&objects);
    let controller = format!("--as=system:serviceaccount:{}:edge-controller", own.name());
    let proxy = format!("--as=system:serviceaccount:{}:edge-proxy", own.name());
    for (account, namespace, verb, resource, expected) in [
        (&controller, &own, "create", "tokenreviews.authentication.k8s.io", true),
        (&controller, &watched, "watch", "rules.sluicegate.dev", true),
        (&controller, &watched, "update", "rules.sluicegate.dev/status", true),
        (&controller, &watched, "update", "rules.sluicegate.dev", false),
        (&controller, &watched, "get", "secrets/any", true),
        (&controller, &watched, "update", "secrets/any", false),
        (&controller, &other, "get", "secrets/any", false),
        (&controller, &other, "list", "rules.sluicegate.dev", false),
        (&controller, &own, "get", "secrets/any", false),
        (&controller, &own, "list", "secrets", false),
        (&controller, &own, "update", "secrets/edge-channel", true),
        (&controller, &own, "update", "leases.coordination.k8s.io/edge-controller", true),
        (&controller, &own, "update", "leases.coordination.k8s.io/another", false),
        (&controller, &own, "list", "pods", false),
        (&proxy, &own, "get", "secrets/edge-channel", false),
        (&proxy, &own, "get", "configmaps/edge-channel-ca", false),
        (&proxy, &watched, "get", "rules.sluicegate.dev", false),
    ] {
        let (resource, subresource) = match resource.split_once("/status") {
            Some((resource, _)) => (resource, "--subresource=status"),
            None => (resource, "--subresource="),
        };
        let answer = namespace.try_kubectl(&["auth", "can-i", account, verb, resource, subresource], "");
        // kubectl fails where the answer is no.
        assert_eq!(answer.is_ok(), expected, "{account} {verb} {resource} in {}: {answer:?}", namespace.name());
    }
    remove(&objects);
}

fn helm(cluster: &Cluster, arguments: &[&str]) -> String {
    let mut command: Command = cluster.command("helm");
    let output = command.args(arguments).output().expect("helm can be started");
    assert!(output.status.success(), "helm {arguments:?}: {}", both(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn ours(object: &Value) -> bool {
    object["metadata"]["name"].as_str().unwrap().starts_with(RELEASE)
}

/// Both charts, as the documents have it, but without pods: those are another test's.
#[test]
fn helm_installs_upgrades_and_removes_and_what_people_wrote_stays() {
    let cluster = Cluster::bare();
    let namespace = Namespace::existing(&cluster, "gate");
    let gate = chart();
    let (kinds, gate) = (gate.with_file_name("sluicegate-crds"), gate);
    let (kinds, gate) = (kinds.to_str().unwrap(), gate.to_str().unwrap());
    let upstream =
        "{apiVersion: sluicegate.dev/v1alpha1, kind: Upstream, metadata: {name: web}, spec: {targets: [{name: one}]}}";

    helm(&cluster, &["install", "kinds", kinds, "--namespace", "gate", "--create-namespace"]);
    cluster.wait_until_established("crd/upstreams.sluicegate.dev");
    let notes = helm(&cluster, &["install", RELEASE, gate, "--namespace", "gate"]);
    assert!(notes.contains("http://edge-proxy.gate.svc:80/"), "{notes}");
    assert!(!notes.contains("does not know the kinds"), "{notes}");
    namespace.apply(upstream);
    let wrote = namespace.get("upstream/web")["metadata"]["uid"].clone();

    // As the controller keeps its state there.
    let data = json!({"data": {"tls.key": "c2VjcmV0"}});
    namespace.patch("secret/edge-channel", &data);
    namespace.patch("lease/edge-controller", &json!({"spec": {"holderIdentity": "one"}}));

    // A definition that someone changed is brought up to date by an upgrade; so is the rest.
    cluster.kubectl(&[
        "patch",
        "crd/upstreams.sluicegate.dev",
        "--type=json",
        "--patch",
        r#"[{"op": "replace", "path": "/spec/names/shortNames", "value": ["old"]}]"#,
    ]);
    helm(&cluster, &["upgrade", "kinds", kinds, "--namespace", "gate"]);
    assert_eq!(cluster.get("crd/upstreams.sluicegate.dev")["spec"]["names"]["shortNames"], json!(["ups"]));
    helm(&cluster, &["upgrade", RELEASE, gate, "--namespace", "gate", "--set", "proxy.replicas=3"]);
    assert_eq!(namespace.get("deployment/edge-proxy")["spec"]["replicas"], 3);

    assert_eq!(namespace.get("secret/edge-channel")["data"], data["data"], "an upgrade leaves it alone");
    assert_eq!(namespace.get("lease/edge-controller")["spec"]["holderIdentity"], "one");

    helm(&cluster, &["uninstall", RELEASE, "--namespace", "gate"]);
    helm(&cluster, &["uninstall", "kinds", "--namespace", "gate"]);
    for kind in ["deployments", "secrets", "configmaps", "leases"] {
        let left: Vec<Value> = namespace.list(kind).into_iter().filter(ours).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    assert_eq!(cluster.kubectl(&["get", "clusterroles,clusterrolebindings", "-l", "helm.sh/chart", "-o", "name"]), "");
    assert_eq!(namespace.get("upstream/web")["metadata"]["uid"], wrote);

    // The definitions that stayed are taken over again.
    helm(&cluster, &["install", "kinds", kinds, "--namespace", "gate"]);
    assert_eq!(namespace.get("upstream/web")["metadata"]["uid"], wrote);
}

/// Without the kinds nothing can work, and the notes say so.
#[test]
fn the_notes_miss_the_kinds() {
    let cluster = Cluster::bare();
    let gate = chart();
    let notes =
        helm(&cluster, &["install", RELEASE, gate.to_str().unwrap(), "--namespace", "gate", "--create-namespace"]);
    assert!(notes.contains("does not know the kinds Upstream, Target and Rule yet"), "{notes}");
}
