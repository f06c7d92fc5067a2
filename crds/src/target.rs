//! The kind `Target`: one place that requests can be sent to.
//!
//! A Target knows how to talk to its place; it does not know which pools use it, nor with which weight.

// The derive repeats each struct inside a function, where its `pub` reaches nobody. Doc comments here are read with
// `kubectl explain`, where kinds such as ConfigMap are plain words. Clippy takes two printer columns for one attribute.
#![allow(unreachable_pub, clippy::doc_markdown, clippy::duplicated_attributes)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::health::HealthChecks;
use crate::shapes;
use crate::status::State;

/// One place that requests can be sent to: a host and port, or the pods behind a Service, and how to talk to it.
#[derive(CustomResource, KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[kube(
    group = "sluicegate.dev",
    version = "v1alpha1",
    kind = "Target",
    namespaced,
    doc = "A Target is one place that requests can be sent to: a host and port, or the pods behind a Service, and how to talk to it. Upstreams list Targets.",
    status = "TargetStatus",
    shortname = "tgt",
    category = "sluicegate",
    printcolumn(name = "Host", type_ = "string", json_path = ".spec.host"),
    printcolumn(name = "Port", type_ = "integer", json_path = ".spec.port"),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.service.name"),
    printcolumn(name = "Protocol", type_ = "string", json_path = ".spec.protocol"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Healthy\")].reason"),
    printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status"),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("has(self.host) != has(self.service)")
    .message("write exactly one of host and service"))]
#[x_kube(validation = Rule::new("!has(self.host) || has(self.port)")
    .message("host needs a port beside it").field_path(".host"))]
#[x_kube(validation = Rule::new("!has(self.port) || has(self.host)")
    .message("port belongs to host: a Service's port is written in service.port").field_path(".port"))]
#[x_kube(validation = Rule::new("!has(self.tls) || (has(self.protocol) && self.protocol == 'HTTPS')")
    .message("tls has a meaning with protocol HTTPS only").field_path(".tls"))]
#[x_kube(validation = Rule::new(
    "!has(self.credentials) || !has(self.headers) || \
     !self.headers.exists(name, name.lowerAscii() == self.credentials.header.lowerAscii())"
    ).message("the credentials' header stands in headers too: write it once").field_path(".credentials"))]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// The host name or IP address (IPv6 without brackets). Names are resolved again as their DNS records expire. Exactly
    /// one of `host` and `service`.
    #[schemars(schema_with = "shapes::host")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The TCP port; with `host` only.
    #[schemars(range(min = 1, max = 65535))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// A Service in this namespace: requests go straight to the pods behind it that are ready, as they come and go. Exactly
    /// one of `host` and `service`. On a cluster only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,
    /// The protocol to speak. `HTTP`: HTTP/1.1 in clear text. `HTTPS`: HTTP/2 or HTTP/1.1, as the target chooses, over TLS.
    /// `H2C`: HTTP/2 in clear text, with prior knowledge.
    #[serde(default)]
    pub protocol: Protocol,
    /// A path that is put in front of the path of each request to this target.
    #[schemars(schema_with = "shapes::path_prefix")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wanted of this target. `Enabled`: it gets requests. `Draining`: it finishes what is in flight and gets
    /// nothing new. `Disabled`: it gets nothing.
    #[serde(default)]
    pub state: TargetState,
    /// Headers that each request to this target gets, in place of any of the same name. A `host` takes the place of the
    /// target's own.
    #[schemars(schema_with = "shapes::set_headers")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A header that authenticates requests to this target; its value comes from a Secret. While the Secret or its key is
    /// missing, the target gets no requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// How TLS is spoken; with protocol HTTPS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TargetTls>,
    /// How the health of this target is found out, active and passive each in place of those of the Upstreams that list it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_checks: Option<HealthChecks>,
    /// The region that the target is in, such as us-east-1; a label of its metrics.
    #[schemars(schema_with = "shapes::topology_label")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The zone that the target is in, such as us-east-1a; a label of its metrics. The pods behind a Service say their own.
    #[schemars(schema_with = "shapes::topology_label")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A port of a Service in this namespace.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// The Service's name.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The number of one of the Service's own ports; the pods may listen on another one.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
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
    /// The header's name, such as Authorization.
    #[schemars(schema_with = "shapes::written_header_name")]
    pub header: String,
    /// Where the header's value comes from.
    pub value_from: CredentialsSource,
}

/// Where a credential's value is.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSource {
    /// A key of a Secret in this namespace.
    pub secret_key_ref: SecretKeyRef,
    /// Text that is put in front of the Secret's value, such as "Bearer " with its final space.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[!-~][\t -~]*$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A key of a Secret in this namespace.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The key within the Secret.
    #[schemars(schema_with = "shapes::data_key")]
    pub key: String,
}

/// TLS to a target.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TargetTls {
    /// The name that the target's certificate must have, also sent as SNI. Left out: `host`; of a Service, its
    /// name in the cluster, `NAME.NAMESPACE.svc`.
    #[schemars(schema_with = "shapes::server_name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The certificate authorities to trust. Left out: the system's.
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
    #[schemars(schema_with = "shapes::object_name")]
    pub name: String,
    /// The key within the ConfigMap.
    #[schemars(schema_with = "shapes::data_key")]
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
    /// `Accepted`: the object is valid and in force. `ResolvedRefs`: its Service, Secret and ConfigMap exist. `Programmed`:
    /// every ready proxy has it in use. `Healthy`: it gets requests.
    #[schemars(schema_with = "shapes::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// `Healthy`: it gets requests. `Unhealthy`: it gets none, although it should. `Draining`: it finishes what is in flight
    /// and gets nothing new. `Disabled`: it gets nothing.
    // Of an optional enum the derive would keep the enum's description only.
    #[schemars(with = "State")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}
