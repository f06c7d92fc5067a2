//! Waiting before the next try, longer each time and never in step with other proxies.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// The waits between tries: each between half of its length and all of it, at random.
#[derive(Debug)]
pub(super) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, next: shortest }
    }

    /// Something worked: the next wait is the shortest again.
    pub(super) fn reset(&mut self) {
        self.next = self.shortest;
    }

    pub(super) async fn wait(&mut self) {
        let wait = self.step();
        tokio::time::sleep(wait).await;
    }

    fn step(&mut self) -> Duration {
        // The standard library's own source of random numbers: a new state each time.
        let random = RandomState::new().build_hasher().finish();
        let share = 0.5 + (random >> 11) as f64 / (1_u64 << 54) as f64;
        let wait = self.next.mul_f64(share);
        self.next = (self.next * 2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Backoff;

    #[test]
    fn waits_grow_to_the_longest_and_start_over() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        for length in [50, 100, 200, 400, 800, 1000, 1000] {
            let (wait, length) = (backoff.step(), Duration::from_millis(length));
            assert!(length / 2 <= wait && wait <= length, "{wait:?} of {length:?}");
        }
        backoff.reset();
        assert!(backoff.step() <= Duration::from_millis(50));
    }
}
