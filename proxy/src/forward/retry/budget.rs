//! How many of a route's requests may be tried again.
//!
//! A share of the active requests, so that retries never multiply an outage: where all targets fail, the load on them grows
//! by that share and no more. Active are the requests in flight, or those of the last second where they are more: all that
//! are on their way to a target fail at once when it is killed, which is little beside what a busy route has in a second.
//! Retries are counted alike: those under way, and those of the last second. All workers count together, and versions of a
//! route hand the counts on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use sluicegate_table::Retry;

/// Counts a route's requests and how many of them are being retried.
#[derive(Debug)]
#[repr(align(128))]
pub struct Budget {
    start: Instant,
    in_flight: AtomicU32,
    retrying: AtomicU32,
    requests: LastSecond,
    retries: LastSecond,
}

/// A request's part of the budget: from the decision to try it again, the wait included, until the outcome.
#[derive(Debug)]
pub struct Permit(Arc<Budget>);

/// Counts what happened within a second: a slot for each of two seconds, the older of which counts for the part of it that is
/// less than a second ago. The number of the second in the upper half of a slot tells whether its count is of that second.
#[derive(Debug, Default)]
struct LastSecond([AtomicU64; 2]);

impl LastSecond {
    /// Counts one unless as many as `most` happened in the second before `millis`; whether it was counted.
    fn count_below(&self, millis: u64, most: u32) -> bool {
        let (second, part) = (millis / 1000, millis % 1000);
        let [even, odd] = &self.0;
        let (this, last) = if second.is_multiple_of(2) { (even, odd) } else { (odd, even) };
        let last = count_of(last.load(Ordering::Relaxed), second.wrapping_sub(1));
        // Rounded up: the share is never exceeded.
        let before = (last * (1000 - part)).div_ceil(1000);
        let one_more = |slot: u64| {
            let count = count_of(slot, second);
            (before + count < u64::from(most)).then_some((second & 0xffff_ffff) << 32 | (count + 1))
        };
        this.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// How many happened in the second before `millis`.
    fn count(&self, millis: u64) -> u64 {
        let (second, part) = (millis / 1000, millis % 1000);
        let of = |second: u64| self.0.iter().map(|slot| count_of(slot.load(Ordering::Relaxed), second)).sum::<u64>();
        of(second) + of(second.wrapping_sub(1)) * (1000 - part) / 1000
    }
}

/// The count of a slot, where it is of that second.
fn count_of(slot: u64, second: u64) -> u64 {
    if slot >> 32 == second & 0xffff_ffff { slot & 0xffff_ffff } else { 0 }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            in_flight: AtomicU32::new(0),
            retrying: AtomicU32::new(0),
            requests: LastSecond::default(),
            retries: LastSecond::default(),
        }
    }
}

impl Budget {
    /// Counts a request that came `now`; [`Self::leave`] must follow.
    pub(crate) fn enter(&self, now: Instant) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.count_below(self.millis(now), u32::MAX);
    }

    /// A request has ended.
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// One retry's part of the budget, which is `percent` of the active requests and never less than [`Retry::FLOOR`] at a
    /// time and [`Retry::FLOOR_A_SECOND`]. A request that is retried again brings the permit of its last retry.
    pub(crate) fn retry(self: &Arc<Self>, percent: u8, now: Instant, held: Option<Permit>) -> Option<Permit> {
        let millis = self.millis(now);
        let active = u64::from(self.in_flight.load(Ordering::Relaxed)).max(self.requests.count(millis));
        let share = u32::try_from(active * u64::from(percent) / 100).unwrap_or(u32::MAX);
        let permit = if let Some(permit) = held {
            permit
        } else {
            let one_more = |retrying: u32| (retrying < share.max(Retry::FLOOR)).then(|| retrying + 1);
            self.retrying.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
            Permit(Arc::clone(self))
        };
        self.retries.count_below(millis, share.max(Retry::FLOOR_A_SECOND)).then_some(permit)
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn granted(budget: &Arc<Budget>, percent: u8, now: Instant) -> Vec<Permit> {
        std::iter::from_fn(|| budget.retry(percent, now, None)).collect()
    }

    fn busy(requests: u32) -> (Arc<Budget>, Instant) {
        let budget = Arc::new(Budget::default());
        let now = budget.start;
        (0..requests).for_each(|_| budget.enter(now));
        (budget, now)
    }

    #[test]
    fn a_share_of_the_requests_in_flight_may_be_retried_however_old_they_are() {
        let (budget, began) = busy(100);
        let now = began + 30 * SECOND;
        let held = granted(&budget, 20, now);
        assert_eq!(held.len(), 20);
        drop(held);
        assert_eq!(granted(&budget, 20, now).len(), 0, "they count for a second, though they have ended");
        assert_eq!(granted(&budget, 20, now + 2 * SECOND).len(), 20);
        (0..50).for_each(|_| budget.leave());
        assert_eq!(granted(&budget, 20, now + 4 * SECOND).len(), 10);
    }

    #[test]
    fn each_retry_of_a_request_counts() {
        let (budget, now) = busy(100);
        let mut held = None;
        for retry in 0..20 {
            held = budget.retry(20, now, held);
            assert!(held.is_some(), "retry {retry}");
        }
        assert!(budget.retry(20, now, held).is_none());
    }

    #[test]
    fn a_share_of_the_last_seconds_requests_may_be_retried_however_few_are_in_flight() {
        let (budget, began) = busy(1_000);
        (0..990).for_each(|_| budget.leave());
        let now = began + SECOND / 2;
        assert_eq!(granted(&budget, 20, now).len(), 200);
        assert_eq!(granted(&budget, 20, now + 3 * SECOND).len(), Retry::FLOOR as usize, "that second is long ago");
    }

    #[test]
    fn a_second_slides() {
        let count = LastSecond::default();
        (0..100).for_each(|_| assert!(count.count_below(5_000, u32::MAX)));
        assert_eq!([5_999, 6_000, 6_250, 6_999, 7_000].map(|millis| count.count(millis)), [100, 100, 75, 0, 0]);
        assert!(!count.count_below(6_250, 75));
        assert!(count.count_below(6_250, 76));
    }

    #[test]
    fn a_few_may_always_be() {
        for (requests, percent) in [(1, 20), (100, 0)] {
            let (budget, now) = busy(requests);
            assert_eq!(granted(&budget, percent, now).len(), Retry::FLOOR as usize);
        }
    }

    #[test]
    fn threads_together_get_no_more_than_the_share() {
        let (budget, now) = busy(1_000);
        let count = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| granted(&budget, 10, now))).collect();
            let held: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
            held.iter().map(Vec::len).sum::<usize>()
        });
        assert_eq!(count, 100);
    }
}
