//! Counting what happens to the health of endpoints. Cold: checks and changes, not requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{EndpointState, UnhealthyReason};

use crate::health::checks::CheckResult;

/// The counts of all endpoints in force. An endpoint's are shown for as long as somebody has it checked or watched.
#[derive(Debug, Default)]
pub(super) struct Endpoints(Mutex<Vec<Weak<EndpointCounts>>>);

/// What has happened to one endpoint's health.
#[derive(Debug)]
pub(crate) struct EndpointCounts {
    target: ObjectKey,
    address: Option<SocketAddr>,
    /// By [`CheckResult`].
    checks: [AtomicU64; CheckResult::ALL.len()],
    changes: Mutex<BTreeMap<Change, u64>>,
}

/// A change of an endpoint's state: from, to, and why.
pub(super) type Change = (EndpointState, EndpointState, Option<UnhealthyReason>);

/// The sums of one endpoint.
#[derive(Debug)]
pub(super) struct EndpointTotals {
    pub(super) target: String,
    /// Empty where the Target has one endpoint.
    pub(super) address: String,
    pub(super) checks: Vec<(CheckResult, u64)>,
    pub(super) changes: Vec<(Change, u64)>,
}

impl EndpointCounts {
    /// Counts a check.
    pub(crate) fn checked(&self, result: CheckResult) {
        if let Some(count) = self.checks.get(result as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a change of its state.
    pub(crate) fn changed(&self, from: EndpointState, to: EndpointState, reason: Option<UnhealthyReason>) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        *changes.entry((from, to, reason)).or_default() += 1;
    }

    fn totals(&self) -> EndpointTotals {
        let count = |result: &CheckResult| Some((*result, self.checks.get(*result as usize)?.load(Ordering::Relaxed)));
        let checks: Vec<_> = CheckResult::ALL.iter().filter_map(count).collect();
        let is_checked = checks.iter().any(|(_, count)| *count > 0);
        EndpointTotals {
            target: self.target.to_string(),
            address: self.address.map_or_else(String::new, |address| address.to_string()),
            checks: if is_checked { checks } else { Vec::new() },
            changes: {
                let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
                changes.iter().map(|(change, count)| (*change, *count)).collect()
            },
        }
    }
}

impl Endpoints {
    /// New counts for an endpoint. Those that it had before are shown no more.
    pub(super) fn counts(&self, target: &ObjectKey, address: Option<SocketAddr>) -> Arc<EndpointCounts> {
        let counts = Arc::new(EndpointCounts {
            target: target.clone(),
            address,
            checks: Default::default(),
            changes: Mutex::default(),
        });
        let mut all = self.lock();
        if all.len() == all.capacity() {
            all.retain(|counts| counts.strong_count() > 0);
        }
        all.push(Arc::downgrade(&counts));
        counts
    }

    /// The sums of all endpoints that are still there.
    pub(super) fn totals(&self) -> Vec<EndpointTotals> {
        let mut all = self.lock();
        all.retain(|counts| counts.strong_count() > 0);
        // A check that is being stopped may hold old ones for a moment; the newest are the endpoint's.
        let newest: BTreeMap<_, _> = all
            .iter()
            .filter_map(Weak::upgrade)
            .map(|counts| ((counts.target.clone(), counts.address), counts))
            .collect();
        newest.values().map(|counts| counts.totals()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<EndpointCounts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn an_endpoint_is_shown_once_and_while_it_is_there() {
        let endpoints = Endpoints::default();
        let key = ObjectKey::new("default", "one");
        let first = endpoints.counts(&key, None);
        first.checked(CheckResult::Passed);
        let second = endpoints.counts(&key, None);
        second.checked(CheckResult::TimedOut);
        second.checked(CheckResult::TimedOut);
        let totals = endpoints.totals();
        assert_eq!(totals.len(), 1);
        assert_eq!(totals[0].checks.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [0, 0, 2, 0, 0]);
        drop((first, second));
        assert!(endpoints.totals().is_empty());
        for _ in 0..1000 {
            endpoints.counts(&key, None);
        }
        assert!(endpoints.lock().len() < 10);
    }
}
