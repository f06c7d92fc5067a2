//! `healthChecks`, which Upstreams and Targets share: how proxies find out whether a target can take requests.
//!
//! `{}` switches a check on with its defaults. What depends on another field (a timeout that may not be above a shorter
//! interval, the path of a check that is no HTTP check) has no default in the schema, where an API server would write it
//! down as if the user had: compile knows it.

// The derive repeats each struct inside a function, where its `pub` reaches nobody. Doc comments here are read with
// `kubectl explain`, where words such as gRPC are plain words.
#![allow(unreachable_pub, clippy::doc_markdown)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalars::{Duration, Statuses};
use crate::shapes;

/// How the health of targets is found out.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.active) || has(self.passive)").message("write active, passive or both"))]
#[serde(rename_all = "camelCase")]
pub struct HealthChecks {
    /// Checks that each proxy makes by itself, at an interval. A target gets no requests before its first success, unless
    /// no other is left. `{}` checks with the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveCheck>,
    /// What the answers to requests tell. A target that fails too often is ejected: it gets no requests for a while, then a
    /// growing share. `{}` checks with the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveCheck>,
}

/// What an active check asks.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckType {
    /// An HTTP request, over the target's own protocol.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// Whether a TCP connection comes about.
    #[serde(rename = "TCP")]
    Tcp,
    /// The gRPC health service.
    #[serde(rename = "GRPC")]
    Grpc,
}

/// A check that each proxy makes at an interval.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new(
    "!has(self.timeout) || duration(self.timeout) <= duration(self.interval)"
    ).message("timeout is above interval: a check must end before the next one begins").field_path(".timeout"))]
#[x_kube(validation = Rule::new(
    "self.type == 'HTTP' || !(has(self.path) || has(self.method) || has(self.host) || has(self.headers) || \
     has(self.expectedStatuses) || has(self.expectedBody))"
    ).message("path, method, host, headers, expectedStatuses and expectedBody belong to type HTTP").field_path(".type"))]
#[x_kube(validation = Rule::new("!has(self.service) || self.type == 'GRPC'")
    .message("service belongs to type GRPC").field_path(".service"))]
#[x_kube(validation = Rule::new("!(has(self.expectedBody) && has(self.method) && self.method == 'HEAD')")
    .message("an answer to HEAD has no body: write method GET, or leave expectedBody out").field_path(".expectedBody"))]
#[serde(rename_all = "camelCase")]
pub struct ActiveCheck {
    /// What is asked. `HTTP`: a request, over the target's own protocol. `TCP`: whether a connection comes about. `GRPC`:
    /// grpc.health.v1.Health/Check, which must answer SERVING.
    #[serde(default, rename = "type")]
    pub type_: CheckType,
    /// The path of the request, with its query if need be; type HTTP only. Left out: `/`.
    #[schemars(schema_with = "shapes::request_target")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The method of the request; type HTTP only. Left out: GET.
    #[schemars(schema_with = "shapes::method")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The `Host` of the request; type HTTP only. Left out: the target's own.
    #[schemars(schema_with = "shapes::authority")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Headers of the request; type HTTP only.
    #[schemars(schema_with = "shapes::added_headers")]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The statuses that mean health, each a status or a range such as "200-299"; type HTTP only. Left out: 200-299.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_statuses: Option<Vec<Statuses>>,
    /// A text that the first 64 KiB of the answer's body must hold; type HTTP and a method other than HEAD only. Left out: any
    /// body will do.
    #[schemars(length(min = 1, max = 1024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_body: Option<String>,
    /// The service that is asked about; type GRPC only. Left out: the server as a whole.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!-~]+$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The time between two checks of one proxy. Each proxy shortens it by a random part, so that they are not in step.
    #[serde(default = "default_active_interval")]
    pub interval: Duration,
    /// How long an answer may take; at most `interval`. Left out: 5s, or `interval` where that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Successes in a row after which an unhealthy target is healthy.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "default_healthy_threshold")]
    pub healthy_threshold: u32,
    /// Failures in a row after which a healthy target is unhealthy.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "default_unhealthy_threshold")]
    pub unhealthy_threshold: u32,
}

/// What the answers to requests must be like for a target not to be ejected.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PassiveCheck {
    /// Failures in a row, none older than `interval`, after which a target is ejected.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "default_passive_threshold")]
    pub threshold: u32,
    /// How long the first ejection lasts. The second in a row lasts twice as long, and so on up to ten times.
    #[serde(default = "default_passive_interval")]
    pub interval: Duration,
    /// The statuses that are failures, each a status or a range such as "500-599"; `[]` for none. Failed connections, resets
    /// and timeouts always are. After one of these with `Retry-After`, the target rests for that long.
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[serde(default = "default_passive_statuses")]
    pub statuses: Vec<Statuses>,
    /// The most of a priority level that may be ejected at a time, in percent, while no lower level has a usable target.
    #[schemars(range(max = 100))]
    #[serde(default = "default_max_ejected_percent")]
    pub max_ejected_percent: u8,
    /// How long a target that returns takes to get its whole share again, whatever kept it away: an ejection, a circuit
    /// breaker, or active checks. Without passive checks that is the Upstream's `slowStart`, or 30s.
    #[serde(default = "default_recovery")]
    pub recovery: Duration,
}

fn default_active_interval() -> Duration {
    Duration::from_secs(15)
}

fn default_healthy_threshold() -> u32 {
    2
}

fn default_unhealthy_threshold() -> u32 {
    3
}

fn default_passive_threshold() -> u32 {
    3
}

fn default_passive_interval() -> Duration {
    Duration::from_secs(60)
}

fn default_passive_statuses() -> Vec<Statuses> {
    vec![Statuses::SERVER_ERRORS, Statuses::TOO_MANY_REQUESTS]
}

fn default_max_ejected_percent() -> u8 {
    50
}

fn default_recovery() -> Duration {
    Duration::from_secs(30)
}
