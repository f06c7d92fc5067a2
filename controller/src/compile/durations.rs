//! Durations: none is 0 (their type sees to that), but a cookie's lifetime has whole seconds.

use std::time::Duration;

use super::faults::{Checked, Fault};

/// A duration that a cookie's `Max-Age` can carry.
pub(super) fn whole_seconds(duration: Duration) -> Checked<Duration> {
    if duration.subsec_nanos() != 0 {
        return Err(Fault::invalid("a cookie's lifetime is a whole number of seconds"));
    }
    Ok(duration)
}
