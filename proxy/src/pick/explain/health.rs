//! The health of a member, explained.

use std::fmt;

use serde::Serialize;
use sluicegate_table::watch::{BreakerState, UnhealthyReason};
use tokio::time::Instant;

use crate::health::View;
use crate::pick::candidates::Candidate;

/// What is known of a member's health, where that is not simply good.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedHealth {
    /// Why it gets no requests while others do; absent: it is healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<UnhealthyReason>,
    /// How its circuit breaker stands.
    pub breaker: BreakerState,
    /// Seconds until its circuit breaker lets probes through, where that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_seconds: Option<u64>,
    /// Seconds until its rest is over, where it rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resting_seconds: Option<u64>,
    /// Seconds until its ejection is over, where it is ejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ejected_seconds: Option<u64>,
    /// How much of its share of the requests it gets, in percent: less than 100 while that grows.
    pub share_percent: u32,
}

impl ExplainedHealth {
    /// That of a candidate; `None`: there is nothing to tell.
    pub(super) fn of(candidate: &Candidate) -> Option<Self> {
        if candidate.health.word().is_plain() && candidate.checked() {
            return None;
        }
        let view = candidate.health.view();
        let now = Instant::now();
        let seconds = |until: Instant| until.saturating_duration_since(now).as_millis().div_ceil(1000) as u64;
        Some(Self {
            reason: view.reason_with(candidate.check.as_ref().map(|check| check.status())),
            breaker: view.breaker,
            open_seconds: view.open_until.map(seconds),
            resting_seconds: view.resting_until.map(seconds),
            ejected_seconds: view.ejected_until.map(seconds),
            share_percent: view.share.saturating_mul(100) / View::WHOLE,
        })
    }
}

impl fmt::Display for ExplainedHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(reason) = self.reason else { return write!(f, "at {} % of its share", self.share_percent) };
        match reason {
            UnhealthyReason::CircuitOpen => match self.open_seconds {
                Some(seconds) => write!(f, "unhealthy, circuit breaker open for {seconds} s"),
                None => f.write_str("unhealthy, circuit breaker half-open"),
            },
            UnhealthyReason::Resting => write!(f, "unhealthy, resting for {} s", self.resting_seconds.unwrap_or(0)),
            UnhealthyReason::Ejected => write!(f, "unhealthy, ejected for {} s", self.ejected_seconds.unwrap_or(0)),
            UnhealthyReason::FailedChecks => f.write_str("unhealthy, its active checks fail"),
            UnhealthyReason::NotChecked => f.write_str("unhealthy, no active check has succeeded yet"),
        }
    }
}
