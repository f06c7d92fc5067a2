//! The definitions as an API server holds them and as kubectl shows them.

use serde_json::{Value, json};
use sluicegate_tests::kubernetes::Cluster;
use sluicegate_tests::until;

/// Each kind: its plural and its short name.
const KINDS: [(&str, &str); 3] = [("upstreams", "ups"), ("targets", "tgt"), ("rules", "sgr")];

const UPSTREAM: &str = "
apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {name: web}
spec: {algorithm: LeastConnections, targets: [{name: a}, {name: b}]}";
const TARGET: &str = "
apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {name: a}
spec: {host: a.example.com, port: 443, protocol: HTTPS}";
const RULE: &str = "
apiVersion: sluicegate.dev/v1alpha1
kind: Rule
metadata: {name: api}
spec: {hostnames: [api.example.com], upstream: web}";

fn status(conditions: &[(&str, &str)]) -> Value {
    let condition = |(condition_type, status): &(&str, &str)| {
        json!({
            "type": condition_type, "status": status, "reason": "Tested", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    json!({"conditions": conditions.iter().map(condition).collect::<Vec<_>>()})
}

/// A table of `kubectl get` by rows, each cut into its cells.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[test]
fn an_api_server_finds_nothing_to_warn_of() {
    let cluster = Cluster::bare();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");
    let output = cluster.command("kubectl").args(["apply", "--server-side", "-f", folder]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "warnings");
    // Client-side apply keeps the whole object in an annotation, which has to fit, and takes over what Helm made.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/sluicegate-crds/templates");
    cluster.kubectl(&["apply", "-f", folder]);
    for (plural, _) in KINDS {
        let name = format!("crd/{plural}.sluicegate.dev");
        cluster.wait_until_established(&name);
        let definition = cluster.get(&name);
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        let is_true =
            |wanted: &str| conditions.iter().any(|found| found["type"] == wanted && found["status"] == "True");
        assert!(is_true("Established") && is_true("NamesAccepted"), "{conditions:?}");
        // Structural, or there would be this condition.
        assert!(!is_true("NonStructuralSchema"), "{conditions:?}");
        let annotation = &definition["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
        let size = annotation.as_str().unwrap().len();
        assert!(size < 262_144 / 4, "{plural}: {size} bytes of annotation leave little room to grow");
    }
}

#[test]
fn kinds_have_short_names_and_a_category() {
    let namespace = Cluster::shared().namespace();
    for manifest in [UPSTREAM, TARGET, RULE] {
        namespace.apply(manifest);
    }
    for (plural, short) in KINDS {
        let names = |resource| namespace.kubectl(&["get", resource, "-o", "name"]);
        assert_eq!(names(short), names(plural));
    }
    let all = namespace.kubectl(&["get", "sluicegate", "-o", "name"]);
    let mut all: Vec<&str> = all.lines().collect();
    all.sort_unstable();
    assert_eq!(all, ["rule.sluicegate.dev/api", "target.sluicegate.dev/a", "upstream.sluicegate.dev/web"]);
}

#[test]
fn columns_tell_what_matters() {
    let namespace = Cluster::shared().namespace();
    for manifest in [UPSTREAM, TARGET, RULE] {
        namespace.apply(manifest);
    }
    // Before a controller has looked, nothing is claimed.
    let table = namespace.kubectl(&["get", "upstreams"]);
    assert_eq!(rows(&table)[0], ["NAME", "ALGORITHM", "HEALTHY", "ACCEPTED", "PROGRAMMED", "AGE"]);
    assert_eq!(rows(&table)[1][..2], ["web", "LeastConnections"]);

    let mut upstream = status(&[("Accepted", "True"), ("Programmed", "False")]);
    upstream["targetsHealthy"] = json!("1/2");
    namespace.patch_status("upstream/web", &json!({"status": upstream}));
    let mut target = status(&[("Accepted", "True"), ("Programmed", "True"), ("Healthy", "False")]);
    target["state"] = json!("Unhealthy");
    namespace.patch_status("target/a", &json!({"status": target}));
    namespace.patch_status("rule/api", &json!({"status": status(&[("Accepted", "False"), ("Programmed", "True")])}));

    let table = namespace.kubectl(&["get", "upstreams"]);
    assert_eq!(rows(&table)[1][..5], ["web", "LeastConnections", "1/2", "True", "False"]);
    let table = namespace.kubectl(&["get", "targets"]);
    assert_eq!(
        rows(&table)[0],
        ["NAME", "HOST", "PORT", "SERVICE", "PROTOCOL", "STATE", "REASON", "ACCEPTED", "PROGRAMMED", "AGE"]
    );
    assert_eq!(
        rows(&table)[1][..8],
        ["a", "a.example.com", "443", "HTTPS", "Unhealthy", "Tested", "True", "True"],
        "{table}"
    );
    let table = namespace.kubectl(&["get", "rules"]);
    assert_eq!(rows(&table)[0], ["NAME", "HOSTS", "UPSTREAM", "ACTIVE", "ACCEPTED", "PROGRAMMED", "AGE"]);
    assert_eq!(rows(&table)[1][..6], ["api", r#"["api.example.com"]"#, "web", "true", "False", "True"]);
}

#[test]
fn every_field_is_explained() {
    fn walk(path: &str, schema: &Value, fields: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let below = if property["items"].is_object() { &property["items"] } else { property };
            walk(&path, below, fields);
            fields.push(path);
        }
    }
    let cluster = Cluster::shared();
    for (plural, _) in KINDS {
        // What is explained is published a little after what is served.
        let spec = format!("{plural}.spec");
        let explained =
            until("kubectl explains the kind", || cluster.kubectl_with(&["explain", "--recursive", &spec], "").ok());
        let definition = cluster.get(&format!("crd/{plural}.sluicegate.dev"));
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut fields = Vec::new();
        walk("", schema, &mut fields);
        for field in &fields {
            let name = field.rsplit('.').next().unwrap();
            assert!(explained.lines().any(|line| line.trim_start().starts_with(name)), "{plural}{field}");
        }
    }
    let explained = cluster.kubectl(&["explain", "upstream.spec.targets.weight"]);
    assert!(explained.contains("The target's share of the requests of its priority level"), "{explained}");
}

/// Those who write one entry of a list each are in nobody's way.
#[test]
fn managers_own_entries_of_a_pool() {
    let namespace = Cluster::shared().namespace();
    let pool = |name: &str, weight: u8| {
        format!(
            "{{apiVersion: sluicegate.dev/v1alpha1, kind: Upstream, metadata: {{name: web}}, \
             spec: {{targets: [{{name: {name}, weight: {weight}}}]}}}}"
        )
    };
    let members = || {
        let upstream = namespace.get("upstream/web");
        let targets = upstream["spec"]["targets"].as_array().unwrap().clone();
        targets.iter().map(|target| format!("{}: {}", target["name"], target["weight"])).collect::<Vec<_>>()
    };
    namespace.try_apply_as("blue", &pool("blue", 90)).unwrap();
    namespace.try_apply_as("green", &pool("green", 10)).unwrap();
    assert_eq!(members(), [r#""blue": 90"#, r#""green": 10"#]);
    namespace.try_apply_as("green", &pool("green", 50)).unwrap();
    assert_eq!(members(), [r#""blue": 90"#, r#""green": 50"#]);
    let conflict = namespace.try_apply_as("green", &pool("blue", 50)).unwrap_err();
    assert!(conflict.contains("conflict with \"blue\": .spec.targets[name=\"blue\"].weight"), "{conflict}");
}

/// Conditions are a list by type, so that other controllers may add theirs.
#[test]
fn conditions_are_a_list_by_type() {
    let namespace = Cluster::shared().namespace();
    namespace.apply(RULE);
    let twice = status(&[("Accepted", "True"), ("Accepted", "False")]);
    let patch = json!({"status": twice}).to_string();
    let refused = namespace
        .try_kubectl(&["patch", "rule/api", "--subresource=status", "--type=merge", "--patch", &patch], "")
        .unwrap_err();
    assert!(refused.contains("status.conditions[1]: Duplicate value"), "{refused}");
    // A status is written apart from what people write.
    namespace.patch("rule/api", &json!({"status": status(&[("Accepted", "True")])}));
    assert_eq!(namespace.get("rule/api")["status"], Value::Null);
}
