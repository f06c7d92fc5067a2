//! `sluicegate check --live`: files beside what a cluster holds.

use std::process::Output;

use sluicegate_tests::kubernetes::{Cluster, Namespace};
use tempfile::TempDir;

const SECRET: &str = "planted-live-secret";

/// What `check --live` says of these manifests in that namespace; without any, of what is there.
fn check(namespace: &Namespace<'_>, manifests: &[&str]) -> (bool, String) {
    let cluster = namespace.cluster();
    let folder = TempDir::new().unwrap();
    let mut command = cluster.program(cluster.kubeconfig());
    command.args(["check", "--live"]);
    if !manifests.is_empty() {
        let text = manifests.join("---\n").replace("NAMESPACE", namespace.name());
        std::fs::write(folder.path().join("all.yaml"), text).unwrap();
        command.arg(folder.path());
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.success(), said)
}

const TARGET: &str = "apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {name: model, namespace: NAMESPACE}
spec:
  service: {name: llama, port: 8000}
  credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: keys, key: key}}}
";
const UPSTREAM: &str = "apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {name: chat, namespace: NAMESPACE}
spec: {targets: [{name: model}]}
";

#[test]
fn files_are_checked_beside_what_the_cluster_holds() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    let (well, said) = check(&namespace, &[TARGET]);
    assert!(!said.contains("a folder has no Services"), "{said}");
    assert!(said.contains("llama") && said.contains("keys"), "neither is there: {said}");
    assert!(well, "what a reference lacks is a warning: {said}");

    // Nothing of the cluster refers to them yet.
    namespace
        .apply(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: keys}}, stringData: {{key: {SECRET}}}}}"));
    namespace.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: llama}, spec: {ports: [{port: 8000}], selector: {a: b}}}",
    );
    let (well, said) = check(&namespace, &[TARGET]);
    assert!(well && said.contains("0 errors, 0 warnings"), "{said}");

    // An Upstream of the files, over a Target of the cluster.
    namespace.apply(&TARGET.replace("NAMESPACE", namespace.name()));
    let (well, said) = check(&namespace, &[UPSTREAM]);
    assert!(well && said.contains("2 objects: 0 errors, 0 warnings"), "{said}");
    let (_, said) = check(&namespace, &[&UPSTREAM.replace("model", "modle")]);
    assert!(said.contains("modle") && said.contains("did you mean") && said.contains("all.yaml"), "{said}");

    // Without files, what is there.
    let (well, said) = check(&namespace, &[]);
    assert!(well && said.contains("1 object: 0 errors, 0 warnings"), "{said}");
    namespace.delete("service/llama");
    let (_, said) = check(&namespace, &[]);
    assert!(said.contains("Target") && said.contains("llama"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
}
