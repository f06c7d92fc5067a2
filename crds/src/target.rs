//! The kind `Target`: one place that requests can be sent to.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One place that requests can be sent to: a host and port, and how to talk to it.
#[derive(CustomResource, KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[kube(
    group = "sluicegate.dev",
    version = "v1alpha1",
    kind = "Target",
    namespaced,
    status = "TargetStatus",
    shortname = "tgt",
    category = "sluicegate"
)]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Protocol to speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// A path put in front of the request's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Enabled, Draining (finishes what is in flight, gets nothing new) or Disabled (gets nothing).
    #[serde(default)]
    pub state: TargetState,
    /// Headers set on each request to this target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A header whose value comes from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// TLS settings; only with protocol HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TargetTls>,
}

/// The protocols spoken to a target.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 in clear text.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP over TLS; HTTP/2 or HTTP/1.1 by ALPN.
    #[serde(rename = "HTTPS")]
    Https,
    /// HTTP/2 in clear text, with prior knowledge.
    #[serde(rename = "H2C")]
    H2c,
}

/// What a person wants of a target.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetState {
    /// Gets requests.
    #[default]
    Enabled,
    /// Finishes what is in flight, gets nothing new.
    Draining,
    /// Gets nothing.
    Disabled,
}

/// A header whose value comes from a Secret.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The header's name.
    pub header: String,
    /// Where its value is.
    pub value_from: CredentialsSource,
}

/// Where a credential's value is.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSource {
    /// A key of a Secret in this namespace.
    pub secret_key_ref: SecretKeyRef,
    /// Text put in front of the Secret's value, such as `Bearer `.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A key of a Secret in this namespace.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    pub name: String,
    /// The key within the Secret.
    pub key: String,
}

/// TLS to a target.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetTls {
    /// The name the certificate must have, also sent as SNI; left out: the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Certificate authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_ref: Option<CaRef>,
}

/// Where certificate authorities are.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CaRef {
    /// A key of a ConfigMap in this namespace that holds PEM certificates.
    pub config_map: ConfigMapKeyRef,
}

/// A key of a ConfigMap in this namespace.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// The ConfigMap's name.
    pub name: String,
    /// The key within it.
    #[serde(default = "default_ca_key")]
    pub key: String,
}

fn default_ca_key() -> String {
    "ca.crt".to_owned()
}

/// What the controller observed.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// `Accepted`, `ResolvedRefs`, `Programmed`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
