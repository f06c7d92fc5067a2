//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: far more than it needs on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Tries until there is a value. Panics after [`PATIENCE`], naming `what` did not happen.
pub fn until<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    until_for(PATIENCE, what, attempt)
}

/// The same with a patience of its own.
pub fn until_for<T>(patience: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + patience;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < give_up, "waited {patience:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
