//! The waits between retries.

use std::time::Duration;

use sluicegate_table::Backoff;

/// The longest that a target may ask to be waited for where the backoff names no longest wait.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// The wait before a retry; the first has number 0. With jitter it is a random part of itself, which `random` (any bits)
/// decides: the callers of a target that has failed must not come back in step.
pub(crate) fn wait(backoff: &Backoff, number: u32, random: u64) -> Duration {
    match *backoff {
        Backoff::Linear { interval, jitter } => part(interval, jitter, random),
        Backoff::Exponential { base, max, multiplier_thousandths, jitter } => {
            let mut wait = base;
            for _ in 0..number {
                let longer = wait.saturating_mul(multiplier_thousandths) / 1000;
                if longer <= wait || longer >= max {
                    wait = if longer <= wait { wait } else { max };
                    break;
                }
                wait = longer;
            }
            part(wait.min(max), jitter, random)
        }
    }
}

/// The longest rest that a target may ask for and still be waited for.
pub(crate) fn longest_rest(backoff: &Backoff) -> Duration {
    match *backoff {
        Backoff::Exponential { max, .. } => max,
        Backoff::Linear { interval, .. } => interval.max(LONGEST_REST),
    }
}

fn part(wait: Duration, jitter: bool, random: u64) -> Duration {
    if !jitter {
        return wait;
    }
    let nanoseconds = wait.as_nanos().saturating_mul(u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exponential(jitter: bool) -> Backoff {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(5));
        Backoff::Exponential { base, max, multiplier_thousandths: 2000, jitter }
    }

    #[test]
    fn exponential_waits_grow_up_to_the_longest() {
        let waits: Vec<u128> = (0..8).map(|number| wait(&exponential(false), number, 0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(wait(&exponential(false), u32::MAX, 0), Duration::from_secs(5));
    }

    #[test]
    fn waits_that_do_not_grow_stay_as_they_are() {
        let base = Duration::from_millis(100);
        let flat = Backoff::Exponential { base, max: base * 10, multiplier_thousandths: 1000, jitter: false };
        assert_eq!(wait(&flat, u32::MAX, 0), base);
    }

    #[test]
    fn linear_waits_are_alike() {
        let linear = Backoff::Linear { interval: Duration::from_millis(500), jitter: false };
        assert!((0..5).all(|number| wait(&linear, number, 7) == Duration::from_millis(500)));
    }

    #[test]
    fn jitter_takes_any_part_of_a_wait() {
        assert_eq!(wait(&exponential(true), 1, 0), Duration::ZERO);
        assert_eq!(wait(&exponential(true), 1, 1 << 63), Duration::from_millis(100));
        assert_eq!(wait(&exponential(true), 1, u64::MAX).as_millis(), 199);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(
            base in 1..10_000_u64, max in 1..100_000_u64, multiplier in 1000..10_000_u32, number: u32, random: u64,
        ) {
            let (base, max) = (Duration::from_millis(base), Duration::from_millis(max));
            let backoff = Backoff::Exponential { base, max, multiplier_thousandths: multiplier, jitter: true };
            prop_assert!(wait(&backoff, number % 1_000, random) <= max);
        }
    }
}
