//! How proxies find out whether an endpoint can take requests, and what they do while it can't.
//!
//! All of it is optional: what is not set costs nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ObjectKey;

/// Health checks of a pool's endpoints, or those of a Target, which go before its pools'.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecks {
    /// Questions that proxies ask by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveCheck>,
    /// What real answers tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveCheck>,
}

impl HealthChecks {
    /// Whether nothing is checked.
    pub fn is_none(&self) -> bool {
        self.active.is_none() && self.passive.is_none()
    }
}

/// A check that proxies make at an interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveCheck {
    /// What is asked.
    pub probe: Probe,
    /// The time between two checks; each proxy shortens it by a random part.
    pub interval: Duration,
    /// How long an answer may take; at most `interval`.
    pub timeout: Duration,
    /// Successes in a row after which an unhealthy endpoint is healthy; above 0.
    pub healthy_threshold: u32,
    /// Failures in a row after which a healthy endpoint is unhealthy; above 0.
    pub unhealthy_threshold: u32,
}

/// What an active check asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Probe {
    /// An HTTP request, over the Target's own protocol.
    #[serde(rename = "HTTP")]
    Http(HttpProbe),
    /// Whether a TCP connection comes about.
    #[serde(rename = "TCP")]
    Tcp,
    /// `grpc.health.v1.Health/Check`.
    #[serde(rename = "GRPC")]
    Grpc {
        /// The service asked about; empty: the server as a whole.
        service: String,
    },
}

/// An HTTP request and the answers that mean health.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// The method.
    pub method: String,
    /// Path and query; begins with `/`.
    pub path: String,
    /// The `Host`; `None`: the Target's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Headers: valid names in lower case, valid values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The statuses that mean health; never empty.
    pub expected_statuses: Vec<StatusRange>,
    /// A text that the first 64 KiB of the answer's body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_body: Option<String>,
}

/// Statuses from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct StatusRange {
    /// The first.
    pub from: u16,
    /// The last.
    pub to: u16,
}

impl StatusRange {
    /// Whether `status` is one of them.
    pub fn contains(self, status: u16) -> bool {
        (self.from..=self.to).contains(&status)
    }
}

/// What real answers must be like for an endpoint not to be ejected.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassiveCheck {
    /// Failures in a row, none older than `interval`, that eject; above 0.
    pub threshold: u32,
    /// How long the first ejection lasts; the nth in a row lasts n times as long, at most [`Self::LONGEST`] times.
    pub interval: Duration,
    /// The statuses that are failures. Failed connections, resets and timeouts always are.
    pub statuses: Vec<StatusRange>,
    /// The most of a level that may be ejected, in percent, while no lower level has a usable endpoint.
    pub max_ejected_percent: u8,
    /// How long an endpoint that returns takes to get its whole share.
    pub recovery: Duration,
}

impl PassiveCheck {
    /// The most intervals that an ejection lasts.
    pub const LONGEST: u32 = 10;

    /// How long an endpoint that returns takes to get its whole share, where nothing is said.
    pub const RECOVERY: Duration = Duration::from_secs(30);
}

impl Default for PassiveCheck {
    /// The defaults of `healthChecks.passive`, field by field.
    fn default() -> Self {
        Self {
            threshold: 3,
            interval: Duration::from_mins(1),
            statuses: vec![StatusRange { from: 500, to: 599 }, StatusRange { from: 429, to: 429 }],
            max_ejected_percent: 50,
            recovery: Self::RECOVERY,
        }
    }
}

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CircuitBreaker {
    /// Failures in a row that open it; above 0.
    pub failure_threshold: u32,
    /// It opens, too, when less than this share of a window's attempts succeeded, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_success_percent: Option<u8>,
    /// The window's length.
    pub window: Duration,
    /// Attempts that a window needs before it is judged; above 0.
    pub minimum_requests: u32,
    /// Successes, over all rounds, that close it; above 0.
    pub success_threshold: u32,
    /// An attempt without an answer's head for so long is a failure.
    pub timeout: Duration,
    /// How long it stays open before a round of probes.
    pub open_duration: Duration,
    /// Requests let through in a round; above 0.
    pub probes: u32,
    /// Successes that a round needs; 1 to `probes`.
    pub successes: u32,
    /// What it guards.
    pub scope: BreakerScope,
    /// What callers get while nothing else is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

impl Default for CircuitBreaker {
    /// The defaults of `circuitBreaker`, field by field.
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            minimum_success_percent: None,
            window: Duration::from_secs(10),
            minimum_requests: 20,
            success_threshold: 3,
            timeout: Duration::from_secs(30),
            open_duration: Duration::from_mins(1),
            probes: 3,
            successes: 2,
            scope: BreakerScope::Endpoint,
            fallback: None,
        }
    }
}

/// What a circuit breaker guards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum BreakerScope {
    /// Each endpoint has one.
    #[default]
    Endpoint,
    /// The Upstream has one for all its endpoints.
    Upstream,
}

/// What callers get while circuit breakers leave no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fallback {
    /// Another pool answers. No chain of these leads back.
    Pool(ObjectKey),
    /// A fixed answer.
    Response {
        /// Its status.
        status: u16,
        /// Its body.
        body: String,
        /// Its `Content-Type`.
        content_type: String,
    },
    /// The last good answer to the same request.
    Cache,
}

/// When and how a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Retries after the first send; above 0.
    pub attempts: u32,
    /// The waits between them.
    pub backoff: Backoff,
    /// The statuses that are tried again.
    pub statuses: Vec<StatusRange>,
    /// Whether failed and reset connections are.
    pub connection_errors: bool,
    /// Whether attempts that took longer than `timeouts.perTry` are.
    pub timeouts: bool,
    /// The methods that are not; `None`: those that are not idempotent (RFC 9110, 9.2.2), but for requests with an
    /// `Idempotency-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_methods: Option<Vec<String>>,
    /// The paths that are not, as [`crate::PathMatch::Glob`] has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_paths: Vec<String>,
    /// The most retries, in percent of the route's active requests: those in flight, or those of the last second where they are
    /// more; never less than [`Self::FLOOR`] and [`Self::FLOOR_A_SECOND`].
    pub budget_percent: u8,
}

impl Retry {
    /// Retries at a time that the budget always allows.
    pub const FLOOR: u32 = 3;
    /// Retries a second that it always allows (as Gateway API's `RetryConstraint` does).
    pub const FLOOR_A_SECOND: u32 = 10;
}

/// The waits between retries.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Backoff {
    /// Each wait is a multiple of the one before.
    #[serde(rename_all = "camelCase")]
    Exponential {
        /// The first.
        base: Duration,
        /// The longest.
        max: Duration,
        /// The multiple, in thousandths; at least 1000.
        multiplier_thousandths: u32,
        /// Whether each is a random part of itself.
        jitter: bool,
    },
    /// All are alike.
    #[serde(rename_all = "camelCase")]
    Linear {
        /// Each.
        interval: Duration,
        /// Whether each is a random part of itself.
        jitter: bool,
    },
}
