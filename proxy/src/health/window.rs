//! The attempts of a circuit breaker's window.
//!
//! It slides in slots of a tenth of its length. Successes are counted on the hot path, without a clock, so nobody knows
//! when each was: those since the last failure are spread evenly over the time since. That is as exact as it needs to be,
//! since with failures far apart nothing opens.

use std::time::Duration;

use sluicegate_table::CircuitBreaker;
use tokio::time::Instant;

const SLOTS: usize = 10;

/// The attempts of a circuit breaker's window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    length: Duration,
    /// When the newest slot began.
    began: Instant,
    /// Newest first.
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    succeeded: u64,
    failed: u64,
}

impl Window {
    /// A window without attempts; its length is that of the settings that ask first.
    pub(super) fn new(now: Instant) -> Self {
        Self { length: Duration::ZERO, began: now, slots: [Slot::default(); SLOTS] }
    }

    /// Takes in a failure and the successes since the last one; whether too few of the window's attempts succeeded.
    pub(super) fn fail(&mut self, now: Instant, settings: &CircuitBreaker, succeeded: u64) -> bool {
        let Some(minimum) = settings.minimum_success_percent else { return false };
        if self.length != settings.window {
            let began = if self.length.is_zero() { self.began } else { now };
            *self = Self { length: settings.window, ..Self::new(began) };
        }
        self.slide(now, succeeded);
        if let Some(newest) = self.slots.first_mut() {
            newest.failed += 1;
        }
        let succeeded: u64 = self.slots.iter().map(|slot| slot.succeeded).sum();
        let attempts = succeeded + self.slots.iter().map(|slot| slot.failed).sum::<u64>();
        attempts >= u64::from(settings.minimum_requests) && succeeded * 100 < attempts * u64::from(minimum)
    }

    /// Moves on to the slot of `now`, and spreads successes over the slots since the newest.
    fn slide(&mut self, now: Instant, succeeded: u64) {
        let slot = (self.length / SLOTS as u32).max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(self.began).as_nanos() / slot.as_nanos().max(1);
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let new = (passed as usize).min(SLOTS);
        self.slots.rotate_right(new % SLOTS);
        self.slots.iter_mut().take(new).for_each(|slot| *slot = Slot::default());
        let each = succeeded / (u64::from(passed) + 1);
        let rest = succeeded % (u64::from(passed) + 1);
        for (number, slot) in (0..).zip(self.slots.iter_mut().take(new + 1)) {
            slot.succeeded += each + u64::from(number < rest);
        }
        self.began += slot * passed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::fixture::breaker;

    fn settings() -> CircuitBreaker {
        CircuitBreaker { minimum_success_percent: Some(90), minimum_requests: 20, ..breaker() }
    }

    #[test]
    fn it_takes_a_minimum_of_attempts_and_too_small_a_share() {
        let start = Instant::now();
        let mut window = Window::new(start);
        assert!(!window.fail(start, &settings(), 17));
        // 2 of 19, then 2 of 20, are more than a tenth and a tenth; 3 of 21 are more again.
        assert!(!window.fail(start, &settings(), 0));
        assert!(window.fail(start, &settings(), 1));
        let mut window = Window::new(start);
        assert!(!window.fail(start, &settings(), 9));
        assert!(!window.fail(start, &settings(), 9));
        assert!(window.fail(start, &settings(), 0));
        assert!(!Window::new(start).fail(start, &breaker(), 0), "where no share is asked for, none is too small");
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(start);
        for second in 0..15 {
            assert!(!window.fail(after(second), &settings(), 0));
        }
        // Those of the first seconds have left the window, those of the last are 49 seconds old.
        assert!(!window.fail(after(62), &settings(), 0));
        for _ in 0..16 {
            assert!(!window.fail(after(130), &settings(), 0));
        }
        for _ in 0..3 {
            assert!(!window.fail(after(140), &settings(), 0));
        }
        assert!(window.fail(after(140), &settings(), 0));
    }

    #[test]
    fn successes_are_spread_over_the_time_in_which_they_were() {
        let start = Instant::now();
        let mut window = Window::new(start);
        // An hour at one a second: a window of 60 seconds holds 60 of them.
        window.slide(start, 0);
        window.length = Duration::from_mins(1);
        window.slide(start + Duration::from_hours(1), 3600);
        let succeeded: u64 = window.slots.iter().map(|slot| slot.succeeded).sum();
        assert!((50..=66).contains(&succeeded), "{succeeded}");
    }
}
