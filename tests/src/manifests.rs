//! Manifests as text, short enough to read in a test.

/// An object of this kind and name; `spec` is YAML.
pub fn object(kind: &str, name: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("---\napiVersion: sluicegate.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}

/// A Rule.
pub fn rule(name: &str, spec: &str) -> String {
    object("Rule", name, spec)
}

/// A Rule that sends everything to this port of the loopback address; `more` holds further keys of its spec.
pub fn all_to(port: u16, more: &str) -> String {
    rule("all", &format!("targets: [{{url: \"http://127.0.0.1:{port}\"}}]\n{more}"))
}

/// A Rule that sends this path and what is below it to an Upstream.
pub fn prefix(path: &str, upstream: &str) -> String {
    rule(upstream, &format!("matches: [{{path: {{value: {path}}}}}]\nupstream: {upstream}"))
}

/// A Target in clear text; `more` holds further keys of its spec.
pub fn target(name: &str, port: u16, more: &str) -> String {
    object("Target", name, &format!("host: 127.0.0.1\nport: {port}\n{more}"))
}

/// An Upstream of these members, each `name` or `name, weight: 10`; `more` holds further keys of its spec.
pub fn upstream(name: &str, members: &[&str], more: &str) -> String {
    let members: String = members.iter().map(|member| format!("- {{name: {member}}}\n")).collect();
    object("Upstream", name, &format!("targets:\n{members}{more}"))
}

/// A ConfigMap with certificates under `ca.crt`.
pub fn authorities(name: &str, pem: &str) -> String {
    let pem: String = pem.lines().map(|line| format!("    {line}\n")).collect();
    format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n{pem}")
}
