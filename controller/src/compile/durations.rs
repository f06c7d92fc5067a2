//! Durations: none is 0 (their type sees to that), but a cookie's lifetime has whole seconds, and some must not be longer
//! than others.

use std::time::Duration;

use sluicegate_table::scalars::format_duration;

use super::faults::{Checked, Fault};

/// A duration that a cookie's `Max-Age` can carry.
pub(super) fn whole_seconds(duration: Duration) -> Checked<Duration> {
    if duration.subsec_nanos() != 0 {
        return Err(Fault::invalid("a cookie's lifetime is a whole number of seconds"));
    }
    Ok(duration)
}

/// A duration that must not be longer than another field's, which messages call `name`.
pub(super) fn at_most(duration: Duration, name: &str, limit: Duration) -> Checked<Duration> {
    if duration > limit {
        let [written, limit] = [duration, limit].map(format_duration);
        let fault = Fault::invalid(format!("{written} is above {name}, which is {limit}"));
        return Err(fault.hint(format!("write at most {limit}, or a longer {name}")));
    }
    Ok(duration)
}
