//! Durations: 0 is refused wherever it could be read both as "at once" and as "never".

use std::time::Duration;

use super::faults::{Checked, Fault};

/// A duration that is not 0.
pub(super) fn above_zero(duration: Duration) -> Checked<Duration> {
    if duration.is_zero() {
        return Err(Fault::invalid("a duration of 0 has no meaning here").hint("leave it out for the default"));
    }
    Ok(duration)
}

/// A duration that a cookie's `Max-Age` can carry: whole seconds, at least one.
pub(super) fn whole_seconds(duration: Duration) -> Checked<Duration> {
    if duration.is_zero() || duration.subsec_nanos() != 0 {
        return Err(Fault::invalid("a cookie's lifetime is a whole number of seconds, at least 1")
            .hint("leave it out for a cookie that ends with the browser's session"));
    }
    Ok(duration)
}

/// A time limit.
pub(super) fn limit(duration: Duration) -> Checked<Duration> {
    if duration.is_zero() {
        return Err(Fault::invalid("a limit of 0 would fail every request").hint("leave it out for no limit"));
    }
    Ok(duration)
}
