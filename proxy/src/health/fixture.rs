//! Settings for the tests of health.

use std::time::Duration;

use sluicegate_table::{BreakerScope, CircuitBreaker, PassiveCheck, StatusRange};

/// Ejects after so many failures in a row, for so many seconds.
pub(crate) fn passive(threshold: u32, interval: u64) -> PassiveCheck {
    PassiveCheck {
        threshold,
        interval: Duration::from_secs(interval),
        statuses: vec![StatusRange { from: 500, to: 599 }, StatusRange { from: 429, to: 429 }],
        max_ejected_percent: 100,
        recovery: Duration::from_secs(10),
    }
}

/// Opens after 5 failures in a row for 60 s, lets 3 probes through of which 2 must succeed, and closes after 3 successes.
pub(crate) fn breaker() -> CircuitBreaker {
    CircuitBreaker {
        failure_threshold: 5,
        minimum_success_percent: None,
        window: Duration::from_mins(1),
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
