//! When the next of many may happen: a burst after a quiet time, else one in so long.

use std::time::Duration;

use tokio::time::Instant;

/// An even pace that a quiet time lets off.
#[derive(Debug)]
pub(super) struct Pace {
    /// The time that each one takes up.
    each: Duration,
    /// The most at once after a quiet time, less one.
    burst: u32,
    /// When all that were let through would have been, one every `each`.
    even: Instant,
}

impl Pace {
    pub(super) fn new(each: Duration, burst: u32, now: Instant) -> Self {
        Self { each, burst, even: now }
    }

    /// When the next one may be. It counts as one that is.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let at = self.peek(now);
        self.even = self.even.max(now) + self.each;
        at
    }

    /// When the next one might be.
    pub(super) fn peek(&self, now: Instant) -> Instant {
        self.even.checked_sub(self.each * self.burst).map_or(now, |at| at.max(now))
    }

    /// Whether a whole burst may be.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.even <= now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    const EACH: Duration = Duration::from_millis(100);
    const BURST: u32 = 32;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_an_even_pace() {
        let start = Instant::now();
        let mut pace = Pace::new(EACH, BURST, start);
        let mut now = start;
        let mut burst = 0;
        for _ in 0..200 {
            let at = pace.next(now);
            burst += u32::from(at == start);
            now = now.max(at);
        }
        assert_eq!(burst, BURST + 1);
        assert_eq!(now - start, EACH * (200 - BURST - 1));
        assert!(!pace.is_rested(now));
        // A quiet time earns another burst.
        now += EACH * 100;
        assert!(pace.is_rested(now));
        assert_eq!(pace.next(now), now);
    }
}
