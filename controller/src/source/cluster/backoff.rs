//! How long to wait before the next try.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
/// Short enough that an API server that is back is heard soon; a few small requests in this time burden no one.
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double from try to try, spread so that those who failed together do not come back together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It works: the next wait is the first again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full * one_of(50..101) / 100
    }
}

/// One of these numbers, another one for each caller. Nothing depends on nobody's guessing it.
pub(super) fn one_of(range: Range<u32>) -> u32 {
    range.start + (RandomState::new().hash_one(()) as u32) % range.len().max(1) as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, FIRST, LONGEST};

    #[test]
    fn waits_double_up_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        let mut full = FIRST;
        for _ in 0..40 {
            let wait = backoff.next();
            assert!(wait >= full / 2 && wait <= full, "{wait:?} of {full:?}");
            full = (full * 2).min(LONGEST);
        }
        let waits: std::collections::BTreeSet<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits.len() > 1, "{waits:?}");
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
