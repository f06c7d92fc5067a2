//! Edits arrive, at those whom they concern and nobody else.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicegate_controller::config::Config as ControllerConfig;
use sluicegate_controller::objects::{Candidate, Kind, Objects};
use sluicegate_table::ObjectKey;
use sluicegate_tests::kubernetes::{Cluster, Namespace};
use sluicegate_tests::until;

use super::{Following, controller_account, rule, upstream_of, watching};

#[test]
fn with_the_least_rights_edits_arrive_and_status_changes_nothing() {
    let namespace = Cluster::shared().namespace();
    namespace.apply(&rule("before", "web"));
    let account = controller_account(&namespace);
    let following = Following::start(&account.kubeconfig, namespace.name(), watching(&[&namespace]));
    assert_eq!(upstream_of(&following.told().objects, &namespace, "before").as_deref(), Some("web"));

    namespace.apply(&rule("api", "web"));
    following.until("the Rule is there", |objects| upstream_of(objects, &namespace, "api").is_some());
    namespace.patch("rule/api", &json!({"spec": {"upstream": "other"}}));
    following.until("the edit is there", |objects| upstream_of(objects, &namespace, "api").as_deref() == Some("other"));

    let changes = following.told().changes;
    let condition = json!({
        "type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 2,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    namespace.patch_status("rule/api", &json!({"status": {"conditions": [condition]}}));
    let live = until("the status is seen", || {
        following.live(&namespace, Kind::Rule, "api").filter(|live| !live["status"].is_null())
    });
    let object = namespace.get("rule/api");
    let metadata = &object["metadata"];
    assert_eq!(
        live,
        json!({"uid": metadata["uid"], "generation": 2, "resourceVersion": metadata["resourceVersion"], "status": object["status"]})
    );
    assert_eq!(following.told().changes, changes, "a status is no edit");

    namespace.delete("rule/api");
    following.until("the Rule is gone", |objects| upstream_of(objects, &namespace, "api").is_none());
    assert_eq!(following.live(&namespace, Kind::Rule, "api"), None);
    assert!(following.source.troubles().current().is_empty(), "the rights are enough");
}

#[test]
fn a_secrets_change_arrives() {
    let namespace = Cluster::shared().namespace();
    let from = "{secretKeyRef: {name: openai, key: key}, prefix: 'Bearer '}";
    namespace.apply(&format!(
        "{{apiVersion: sluicegate.dev/v1alpha1, kind: Target, metadata: {{name: openai}}, spec: \
         {{host: api.example.com, port: 443, protocol: HTTPS, credentials: {{header: Authorization, valueFrom: {from}}}, \
         tls: {{caRef: {{configMap: {{name: authorities}}}}}}}}}}"
    ));
    let following = Following::start(Cluster::shared().kubeconfig(), namespace.name(), watching(&[&namespace]));
    let text = |objects: &Objects| {
        let data = objects.secrets.get(&ObjectKey::new(namespace.name(), "openai"))?;
        Some(String::from_utf8(data.0.get("key")?.clone()).unwrap())
    };
    assert!(text(&following.told().objects).is_none());
    namespace.kubectl(&["create", "secret", "generic", "another", "--from-literal=key=unused"]);
    namespace.kubectl(&["create", "secret", "generic", "openai", "--from-literal=key=first"]);
    following.until("the Secret is there", |objects| text(objects).as_deref() == Some("first"));
    for value in ["second", "third", "fourth"] {
        namespace.patch("secret/openai", &json!({"stringData": {"key": value}}));
        following.until("the Secret is new", |objects| text(objects).as_deref() == Some(value));
    }
    namespace.kubectl(&["create", "configmap", "authorities", "--from-literal=ca.crt=text"]);
    following.until("the ConfigMap is there", |objects| !objects.config_maps.is_empty());
    namespace.delete("secret/openai");
    following.until("the Secret is gone", |objects| text(objects).is_none());
    assert_eq!(following.told().objects.secrets.len(), 0, "nobody refers to the other");
    namespace.delete("target/openai");
    following.until("nobody refers to the ConfigMap", |objects| objects.config_maps.is_empty());
}

#[test]
fn pods_behind_a_service_come_and_go() {
    let namespace = Cluster::shared().namespace();
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
               "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
    };
    let slice = |service: &str, addresses: &[(&str, &str)]| {
        let endpoint = |(pod, address): &(&str, &str)| {
            json!({"addresses": [address], "conditions": {"ready": true}, "zone": "z1",
                   "targetRef": {"kind": "Pod", "name": pod, "uid": format!("uid-{pod}"), "namespace": namespace.name()}})
        };
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
               "metadata": {"name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
               "endpoints": addresses.iter().map(endpoint).collect::<Vec<Value>>(),
               "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]})
    };
    namespace.apply(&service("web").to_string());
    namespace.apply(&slice("web", &[("a", "10.1.0.1")]).to_string());
    namespace.apply(&slice("sluicegate-proxy", &[("p", "10.1.0.9")]).to_string());
    let following = Following::start(Cluster::shared().kubeconfig(), namespace.name(), watching(&[&namespace]));
    let ready = until("the proxies are known", || following.proxies());
    assert_eq!(ready, BTreeMap::from([("uid-p".to_owned(), "p".to_owned())]));
    assert!(following.told().objects.services.is_empty(), "no Target refers to one");

    let addresses = |objects: &Objects| {
        let service = objects.services.get(&ObjectKey::new(namespace.name(), "web"))?;
        Some(service.endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect::<Vec<_>>())
    };
    namespace.apply(
        "{apiVersion: sluicegate.dev/v1alpha1, kind: Target, metadata: {name: web}, spec: {service: {name: web, port: 80}}}",
    );
    following.until("the Service is there", |objects| addresses(objects).is_some_and(|found| found == ["10.1.0.1"]));
    namespace.apply(&slice("web", &[("a", "10.1.0.1"), ("b", "10.1.0.2")]).to_string());
    following.until("the pod is there", |objects| addresses(objects).is_some_and(|found| found.len() == 2));
    namespace.apply(&slice("sluicegate-proxy", &[]).to_string());
    until("the proxy is gone", || following.proxies().filter(BTreeMap::is_empty));
    namespace.delete("endpointslice/web-1");
    following.until("no pod is there", |objects| addresses(objects).is_some_and(|found| found.is_empty()));
}

#[test]
fn two_installations_never_see_the_same_object() {
    let cluster = Cluster::own();
    let (ours, theirs) = (cluster.namespace(), cluster.namespace());
    let labelled = |namespace: &Namespace<'_>, name: &str, installation: &str| {
        namespace.apply(&rule(name, "web"));
        namespace.kubectl(&["label", "--overwrite", &format!("rule/{name}"), &format!("installation={installation}")]);
    };
    for namespace in [&ours, &theirs] {
        labelled(namespace, "red", "red");
        labelled(namespace, "blue", "blue");
        namespace.apply(&rule("plain", "web"));
    }
    let names = |following: &Following| {
        let told = following.told();
        told.objects.rules.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    let selecting = |selector: &str, namespaces: &[&Namespace<'_>]| {
        let config = ControllerConfig { object_selector: selector.to_owned(), ..watching(namespaces) };
        Following::start(cluster.kubeconfig(), ours.name(), config)
    };
    let red = selecting("installation=red", &[]);
    let rest = selecting("installation!=red", &[]);
    let one = selecting("installation in (red, blue)", &[&ours]);
    assert_eq!(names(&red), [format!("{}/red", ours.name()), format!("{}/red", theirs.name())]);
    assert_eq!(names(&rest).len(), 4);
    assert_eq!(names(&one), [format!("{}/blue", ours.name()), format!("{}/red", ours.name())]);
    // An object that changes hands leaves the one and comes to the other.
    ours.kubectl(&["label", "--overwrite", "rule/red", "installation=blue"]);
    until("it left", || (names(&red) == [format!("{}/red", theirs.name())]).then_some(()));
    until("it came", || (names(&rest).len() == 5).then_some(()));
    assert!(names(&red).iter().all(|name| !names(&rest).contains(name)));
}

#[test]
fn what_a_newer_release_wrote_is_refused_by_itself() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    let definition = cluster.get("crd/rules.sluicegate.dev");
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let priorities = definition.pointer(&format!("{spec}/priority/enum")).unwrap().as_array().unwrap().len();
    let patch = json!([
        {"op": "add", "path": format!("{spec}/mirror"), "value": {"type": "string"}},
        {"op": "add", "path": format!("{spec}/priority/enum/{priorities}"), "value": "Sometimes"},
    ]);
    cluster.kubectl(&["patch", "crd/rules.sluicegate.dev", "--type=json", "--patch", &patch.to_string()]);
    let newer = |name: &str, field: &str| {
        let rule = rule(name, &format!("web, {field}"));
        until("the API server knows the new definition", || namespace.try_apply(&rule).ok());
    };
    newer("field", "mirror: other");
    newer("value", "priority: Sometimes");
    namespace.apply(&rule("good", "web"));
    let following = Following::start(cluster.kubeconfig(), namespace.name(), ControllerConfig::default());
    let refusal = |name: &str| match &following.told().objects.rules[&ObjectKey::new(namespace.name(), name)] {
        Candidate::Refused(problems) => Some(problems.problems[0].to_string()),
        Candidate::Valid(_) => None,
    };
    assert_eq!(refusal("good"), None);
    for (name, field) in [("field", "spec.mirror: unknown field"), ("value", "spec.priority: must be one of")] {
        let said = refusal(name).unwrap();
        assert!(said.starts_with(field) && said.contains("upgrade the controller"), "{said}");
    }
    namespace.patch("rule/field", &json!({"spec": {"mirror": null}}));
    following.until("it is mended", |objects| upstream_of(objects, &namespace, "field").is_some());
}
