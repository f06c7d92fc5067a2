//! How many of a route's requests may be tried again at a time.
//!
//! A share of the requests in flight, so that retries never multiply an outage: where all targets fail, the load on them
//! grows by that share and no more. All workers count together, and versions of a route hand the counts on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sluicegate_table::Retry;

/// Counts a route's requests and how many of them are being retried.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Budget {
    in_flight: AtomicU32,
    retrying: AtomicU32,
}

/// A request's part of the budget: from the decision to try it again, the wait included, until the outcome.
#[derive(Debug)]
pub struct Permit(Arc<Budget>);

impl Budget {
    /// Counts a request in flight; [`Self::leave`] must follow.
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has ended.
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// A part of the budget, which is `percent` of the requests in flight and never less than [`Retry::FLOOR`].
    pub(crate) fn retry(self: &Arc<Self>, percent: u8) -> Option<Permit> {
        let share = u64::from(self.in_flight.load(Ordering::Relaxed)) * u64::from(percent) / 100;
        let most = u32::try_from(share).unwrap_or(u32::MAX).max(Retry::FLOOR);
        let one_more = |retrying: u32| (retrying < most).then(|| retrying + 1);
        let taken = self.retrying.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Permit(Arc::clone(self)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(in_flight: u32) -> Arc<Budget> {
        let budget = Arc::new(Budget::default());
        (0..in_flight).for_each(|_| budget.enter());
        budget
    }

    fn granted(budget: &Arc<Budget>, percent: u8) -> Vec<Permit> {
        std::iter::from_fn(|| budget.retry(percent)).collect()
    }

    #[test]
    fn a_share_of_the_requests_in_flight_may_be_retried() {
        let budget = budget(100);
        let held = granted(&budget, 20);
        assert_eq!(held.len(), 20);
        drop(held);
        assert_eq!(granted(&budget, 20).len(), 20, "given back");
        (0..50).for_each(|_| budget.leave());
        assert_eq!(granted(&budget, 20).len(), 10);
    }

    #[test]
    fn a_few_may_always_be() {
        assert_eq!(granted(&budget(1), 20).len(), Retry::FLOOR as usize);
        assert_eq!(granted(&budget(100), 0).len(), Retry::FLOOR as usize);
    }

    #[test]
    fn threads_together_get_no_more_than_the_share() {
        let budget = budget(1_000);
        let count = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| granted(&budget, 10))).collect();
            let held: Vec<_> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
            held.iter().map(Vec::len).sum::<usize>()
        });
        assert_eq!(count, 100);
    }
}
