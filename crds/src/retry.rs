//! `retry` of a Rule: when and how a request is tried again.

// The derive repeats each struct inside a function, where its `pub` reaches nobody. Doc comments here are read with
// `kubectl explain`.
#![allow(unreachable_pub, clippy::doc_markdown)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalars::{Duration, Multiplier, Statuses};
use crate::shapes;

/// When and how a request is tried again, on another target where there is one. `{}` has the defaults. Nothing is tried
/// again once the answer has begun, nor with a body larger than `bufferSize`.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// The most retries after the first send. Left out: 3, with a Linear backoff 2.
    #[schemars(range(min = 1, max = 10))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u8>,
    /// The waits between attempts. A target that answers with `Retry-After` is left alone for that long; another one need not
    /// wait for that. Left out: as `{type: Exponential}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// What is tried again. Left out: 502, 503, 504, failed connections and timeouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<RetryWhen>,
    /// What is not tried again once it may have reached a target. Left out: methods that are not idempotent, such as POST,
    /// but for requests with an `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<RetryExclude>,
    /// The most retries, in percent of the Rule's active requests: those in flight, or those of the last second where they are
    /// more. Three at a time and ten a second are always allowed.
    #[schemars(range(max = 100))]
    #[serde(default = "default_budget_percent")]
    pub budget_percent: u8,
}

/// How waits go on.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackoffType {
    /// Each wait is a multiple of the one before.
    #[default]
    Exponential,
    /// All waits are alike.
    Linear,
}

/// The waits between attempts.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new(
    "self.type == 'Exponential' || !(has(self.base) || has(self.max) || has(self.multiplier))"
    ).message("base, max and multiplier belong to type Exponential: write interval").field_path(".type"))]
#[x_kube(validation = Rule::new("self.type == 'Linear' || !has(self.interval)")
    .message("interval belongs to type Linear: write base").field_path(".interval"))]
#[x_kube(validation = Rule::new(
    "!has(self.base) || !has(self.max) || duration(self.base) <= duration(self.max)"
    ).message("base is above max").field_path(".base"))]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// How waits go on. `Exponential`: each is a multiple of the one before. `Linear`: all are alike.
    #[serde(default, rename = "type")]
    pub type_: BackoffType,
    /// The first wait; type Exponential only. Left out: 100ms, or `max` where that is shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Duration>,
    /// The longest wait; type Exponential only. Left out: 5s, or `base` where that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
    /// By how much each wait is longer than the one before, from 1 to 10; type Exponential only. Left out: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<Multiplier>,
    /// Each wait; type Linear only. Left out: 500ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Whether only a random part of each wait is waited, so that many callers do not come back at once. Left out: `true`
    /// with type Exponential, `false` with type Linear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<bool>,
}

/// What is tried again.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.statuses.size() > 0 || self.connectionErrors || self.timeouts")
    .message("nothing would be tried again: write statuses, connectionErrors or timeouts, or leave retry out"))]
#[serde(rename_all = "camelCase")]
pub struct RetryWhen {
    /// Answers with these statuses, each a status or a range such as "502-504"; `[]` for none.
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[serde(default = "default_statuses")]
    pub statuses: Vec<Statuses>,
    /// Connections that broke after the request was sent. What was never sent is always tried elsewhere.
    #[serde(default = "yes")]
    pub connection_errors: bool,
    /// Attempts that took longer than `timeouts.perTry`.
    #[serde(default = "yes")]
    pub timeouts: bool,
}

/// What is not tried again.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RetryExclude {
    /// The methods that are not tried again, in place of those that are not idempotent; `[]` for none, which is right only
    /// where each request may be done twice.
    #[schemars(schema_with = "shapes::methods")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// The paths that are not tried again, as globs: a `*` stands for any text within a path element, a `*` at the end for
    /// any text at all.
    #[schemars(schema_with = "shapes::path_globs")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

fn default_budget_percent() -> u8 {
    20
}

fn default_statuses() -> Vec<Statuses> {
    vec![Statuses::BAD_GATEWAY, Statuses::SERVICE_UNAVAILABLE, Statuses::GATEWAY_TIMEOUT]
}

fn yes() -> bool {
    true
}
