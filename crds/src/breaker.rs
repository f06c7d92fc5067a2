//! `circuitBreaker` of an Upstream: what keeps requests from a target that fails, and what callers get meanwhile.

// The derive repeats each struct inside a function, where its `pub` reaches nobody. Doc comments here are read with
// `kubectl explain`.
#![allow(unreachable_pub, clippy::doc_markdown)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalars::Duration;
use crate::shapes;

/// What keeps requests from a target that fails. `{}` has the defaults.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.minimumSuccessPercent) || !(has(self.window) || has(self.minimumRequests))")
    .message("window and minimumRequests have a meaning with minimumSuccessPercent only")
    .field_path(".minimumSuccessPercent"))]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Failures in a row that open the breaker: failed connections, resets, timeouts, statuses from 500 on.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "default_failure_threshold")]
    pub failure_threshold: u32,
    /// The breaker opens, too, when less than this share of a window's requests succeeded, in percent. Left out: the share
    /// does not count.
    #[schemars(range(min = 1, max = 100))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_success_percent: Option<u8>,
    /// How long a window is; with `minimumSuccessPercent` only. Left out: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// Requests that a window needs before its share counts; with `minimumSuccessPercent` only. Left out: 20.
    #[schemars(range(min = 1, max = 1_000_000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_requests: Option<u32>,
    /// Successes, over all rounds of probes, that close the breaker.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "default_success_threshold")]
    pub success_threshold: u32,
    /// A request that has no answer's head after this time is a failure, even if one comes later. The time runs while the
    /// target has all that the client has sent so far.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// How long the breaker stays open before it lets a round of probes through.
    #[serde(default = "default_open_duration")]
    pub open_duration: Duration,
    /// The rounds of probes that decide whether it closes. Left out: 3 probes, of which 2 must succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_open: Option<HalfOpen>,
    /// What a breaker guards. `Endpoint`: each address of a target has one. `Upstream`: the pool has one for all of its
    /// targets.
    #[serde(default)]
    pub scope: BreakerScope,
    /// What callers get while open breakers leave no target. Left out: 503 with the reason `circuit-open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

/// A round of probes: requests that an open breaker lets through to see whether the target is back.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.successes) || self.successes <= self.probes")
    .message("successes is above probes: no round could pass").field_path(".successes"))]
#[serde(rename_all = "camelCase")]
pub struct HalfOpen {
    /// Requests that are let through in a round.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default = "default_probes")]
    pub probes: u32,
    /// Successes that a round needs, or else the breaker is open again; at most `probes`. Left out: 2, or `probes` where that
    /// is less.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes: Option<u32>,
}

/// What a circuit breaker guards.
#[derive(JsonSchema, Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerScope {
    /// Each address of a target has a breaker.
    #[default]
    Endpoint,
    /// The pool has one breaker for all of its targets.
    Upstream,
}

/// Exactly one thing that callers get while open breakers leave no target.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new(
    "[has(self.upstream), has(self.response), has(self.cache)].exists_one(chosen, chosen)"
    ).message("write exactly one of upstream, response and cache"))]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// The name of another Upstream in this namespace, which gets the requests.
    #[schemars(schema_with = "shapes::object_name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// A fixed answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<FallbackResponse>,
    /// `true`: the last good answer to the same request, where a proxy still has it, marked with its `Age`.
    #[x_kube(validation = Rule::new("self").message("write cache: true, or leave cache out"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
}

/// A fixed answer.
#[derive(KubeSchema, Deserialize, Serialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!(self.status in [204, 205, 304]) || !has(self.body) || self.body.size() == 0")
    .message("answers with this status have no body: leave body out").field_path(".body"))]
#[x_kube(validation = Rule::new("!has(self.contentType) || (has(self.body) && self.body.size() > 0)")
    .message("contentType belongs to a body").field_path(".contentType"))]
#[serde(rename_all = "camelCase")]
pub struct FallbackResponse {
    /// The answer's status.
    #[schemars(range(min = 200, max = 599))]
    #[serde(default = "default_status")]
    pub status: u16,
    /// The answer's body. Left out: none.
    #[schemars(length(max = 65536))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body's `Content-Type`. Left out: `text/plain; charset=utf-8`.
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!-~]([\t -~]*[!-~])?$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

fn default_failure_threshold() -> u32 {
    5
}

fn default_success_threshold() -> u32 {
    3
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_open_duration() -> Duration {
    Duration::from_secs(60)
}

fn default_probes() -> u32 {
    3
}

fn default_status() -> u16 {
    503
}
