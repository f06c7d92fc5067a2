//! The objects that scenarios make.

use serde_json::{Value, json};
use sluicegate_crds::{Rule, Target, Upstream};
use std::net::SocketAddr;

/// An object from JSON that is valid by construction.
fn object<T: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> anyhow::Result<T> {
    let object = json!({
        "apiVersion": "sluicegate.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    });
    Ok(serde_json::from_value(object)?)
}

/// The host name of a Rule.
pub(super) fn host(name: &str) -> String {
    format!("{name}.example.com")
}

/// A Rule with a host name of its own and a target in place.
pub(super) fn inline_rule(name: &str, target: SocketAddr) -> anyhow::Result<Rule> {
    let spec = json!({"hostnames": [host(name)], "targets": [{"url": format!("http://{target}")}]});
    object("Rule", name, &spec)
}

/// That many of them.
pub(super) fn inline_rules(prefix: &str, count: usize, target: SocketAddr) -> anyhow::Result<Vec<Rule>> {
    (0..count).map(|number| inline_rule(&format!("{prefix}-{number}"), target)).collect()
}

/// A Rule that uses an Upstream.
pub(super) fn rule(name: &str, upstream: &str) -> anyhow::Result<Rule> {
    let matches = json!([
        {"path": {"type": "Prefix", "value": format!("/v1/{name}")}, "methods": ["GET", "POST"]},
        {"path": {"type": "Exact", "value": format!("/{name}")}, "headers": [{"name": "X-Plan", "value": "pro"}]},
    ]);
    object("Rule", name, &json!({"hostnames": [host(name)], "matches": matches, "upstream": upstream}))
}

/// An Upstream of these Targets.
pub(super) fn upstream(name: &str, targets: &[String]) -> anyhow::Result<Upstream> {
    let targets: Vec<Value> = targets.iter().map(|name| json!({"name": name})).collect();
    object("Upstream", name, &json!({"targets": targets}))
}

/// A Target there.
pub(super) fn target(name: &str, address: SocketAddr) -> anyhow::Result<Target> {
    object("Target", name, &json!({"host": address.ip().to_string(), "port": address.port()}))
}
