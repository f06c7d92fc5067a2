//! Settings for the tests of health.

use std::time::Duration;

use sluicegate_table::{CircuitBreaker, PassiveCheck};

/// Ejects after so many failures in a row, for so many seconds.
pub(crate) fn passive(threshold: u32, interval: u64) -> PassiveCheck {
    PassiveCheck {
        threshold,
        interval: Duration::from_secs(interval),
        max_ejected_percent: 100,
        recovery: Duration::from_secs(10),
        ..PassiveCheck::default()
    }
}

/// Opens after 5 failures in a row for 60 s, lets 3 probes through of which 2 must succeed, and closes after 3 successes. Its
/// window, where a test sets a share, is as long.
pub(crate) fn breaker() -> CircuitBreaker {
    CircuitBreaker { window: Duration::from_mins(1), ..CircuitBreaker::default() }
}
