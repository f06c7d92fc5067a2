//! Counting requests: the shards that workers write on the hot path.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};

use super::attempts::{AttemptCounts, AttemptOutcome, AttemptTotals, FallbackKind, RetryDecision};
use super::series::Counts;
use crate::answer::Reason;

/// Upper bounds of the histogram's buckets, in nanoseconds. From half a millisecond (a fast local target) to a minute (a
/// long generated answer); what took longer counts in `+Inf` only.
pub(super) const BOUNDS: [u64; 16] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Combinations of method and status that a shard counts without a lock. More than any route sees in practice.
const SLOTS: usize = 24;

/// The methods that have a name of their own in labels. Clients can invent methods, so all others count as `OTHER`: the
/// number of series stays bounded.
const METHODS: [&str; 10] = ["OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// A method and a status in one number that is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome(u32);

impl Outcome {
    fn new(method: &Method, status: StatusCode) -> Self {
        let method: u32 = match *method {
            Method::GET => 1,
            Method::HEAD => 2,
            Method::POST => 3,
            Method::PUT => 4,
            Method::DELETE => 5,
            Method::CONNECT => 6,
            Method::OPTIONS => 7,
            Method::TRACE => 8,
            Method::PATCH => 9,
            _ => 0,
        };
        Self(method << 16 | u32::from(status.as_u16()))
    }

    /// The `method` label.
    pub(super) fn method(self) -> &'static str {
        METHODS.get((self.0 >> 16) as usize).copied().unwrap_or("OTHER")
    }

    /// The `status_code` label.
    pub(super) fn status(self) -> u32 {
        self.0 & 0xffff
    }
}

/// One route's requests through one worker. Cheap to clone; stays on the worker's thread, which is the only one that
/// writes it.
#[derive(Clone, Debug)]
pub struct RouteShard {
    counts: Arc<RouteCounts>,
    /// Not `Send`: a second writer would lose counts.
    _one_thread: PhantomData<Rc<()>>,
}

impl RouteShard {
    pub(super) fn new(counts: Arc<RouteCounts>) -> Self {
        Self { counts, _one_thread: PhantomData }
    }

    /// Counts one finished request: its method, the status that the client got, and the time from the request's head
    /// until the end of the answer's body.
    pub fn record(&self, method: &Method, status: StatusCode, took: Duration) {
        self.counts.record(Outcome::new(method, status), took);
    }

    /// Counts an answer to a head that was refused before its method was known.
    pub fn record_unread(&self, status: StatusCode) {
        self.counts.record(Outcome(u32::from(status.as_u16())), Duration::ZERO);
    }

    /// Counts an attempt to have a target of the upstream answer.
    pub fn attempted(&self, outcome: AttemptOutcome) {
        self.counts.attempts.ended(outcome);
    }

    /// Counts what was decided about an attempt that failed.
    pub fn decided(&self, decision: RetryDecision) {
        self.counts.attempts.decided(decision);
    }

    /// Counts an answer in place of the upstream's.
    pub fn fell_back(&self, kind: FallbackKind) {
        self.counts.attempts.fell_back(kind);
    }
}

/// The counters behind a [`RouteShard`]. On cache lines of its own, so that workers do not disturb one another.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct RouteCounts {
    /// Filled from the front; a key of 0 ends the list.
    slots: [Slot; SLOTS],
    /// What found all slots taken.
    overflow: Mutex<BTreeMap<Outcome, u64>>,
    /// Not cumulative; the last one counts what was over every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
    attempts: AttemptCounts,
}

#[derive(Debug, Default)]
struct Slot {
    outcome: AtomicU32,
    count: AtomicU64,
}

impl RouteCounts {
    fn record(&self, outcome: Outcome, took: Duration) {
        self.count(outcome);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            add(bucket, 1);
        }
        add(&self.nanoseconds, nanoseconds);
    }

    fn count(&self, outcome: Outcome) {
        for slot in &self.slots {
            match slot.outcome.load(Ordering::Relaxed) {
                key if key == outcome.0 => return add(&slot.count, 1),
                0 => {
                    slot.count.store(1, Ordering::Relaxed);
                    // A scrape that sees the key sees the count.
                    return slot.outcome.store(outcome.0, Ordering::Release);
                }
                _ => {}
            }
        }
        *self.overflow.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }
}

impl Counts for RouteCounts {
    type Totals = RouteTotals;

    fn add_to(&self, totals: &mut RouteTotals) {
        for slot in &self.slots {
            let key = slot.outcome.load(Ordering::Acquire);
            if key == 0 {
                break;
            }
            *totals.outcomes.entry(Outcome(key)).or_default() += slot.count.load(Ordering::Relaxed);
        }
        for (outcome, count) in self.overflow.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            *totals.outcomes.entry(*outcome).or_default() += count;
        }
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Ordering::Relaxed);
        }
        totals.nanoseconds += u128::from(self.nanoseconds.load(Ordering::Relaxed));
        self.attempts.add_to(&mut totals.attempts);
    }
}

/// Sums over shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RouteTotals {
    /// Requests by method and status.
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    /// Requests by bucket, not cumulative.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    /// The durations' sum.
    pub(super) nanoseconds: u128,
    /// What the attempts came to.
    pub(super) attempts: AttemptTotals,
}

/// How often one worker picked one target for one upstream. Stays on the worker's thread.
#[derive(Clone, Debug)]
pub struct PickShard {
    counts: Arc<PickCounts>,
    _one_thread: PhantomData<Rc<()>>,
}

impl PickShard {
    pub(super) fn new(counts: Arc<PickCounts>) -> Self {
        Self { counts, _one_thread: PhantomData }
    }

    /// Counts one pick.
    pub fn picked(&self) {
        add(&self.counts.0, 1);
    }
}

/// The counter behind a [`PickShard`].
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct PickCounts(AtomicU64);

impl Counts for PickCounts {
    type Totals = u64;

    fn add_to(&self, totals: &mut u64) {
        *totals += self.0.load(Ordering::Relaxed);
    }
}

/// Adds to a counter that only this thread writes: a load and a store, no locked instruction.
pub(super) fn add(counter: &AtomicU64, number: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
}

/// Answers that Sluicegate made itself, of all workers. Workers live as long as the process.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Vec<Arc<AnswerCounts>>>);

impl Answers {
    pub(super) fn shard(&self) -> AnswerShard {
        let counts = Arc::new(AnswerCounts::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counts));
        AnswerShard { counts, _one_thread: PhantomData }
    }

    /// Answers by reason; every reason is there, so that its first answer shows as an increase.
    pub(super) fn totals(&self) -> Vec<(Reason, u64)> {
        let shards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |reason: Reason| {
            shards.iter().filter_map(|counts| counts.of(reason)).map(|count| count.load(Ordering::Relaxed)).sum()
        };
        Reason::ALL.iter().map(|reason| (*reason, sum(*reason))).collect()
    }
}

/// One worker's answers by reason. Stays on the worker's thread.
#[derive(Debug)]
pub(super) struct AnswerShard {
    counts: Arc<AnswerCounts>,
    _one_thread: PhantomData<Rc<()>>,
}

/// By the reason's number.
#[derive(Debug, Default)]
#[repr(align(128))]
struct AnswerCounts([AtomicU64; Reason::ALL.len()]);

impl AnswerCounts {
    fn of(&self, reason: Reason) -> Option<&AtomicU64> {
        self.0.get(reason as usize)
    }
}

impl AnswerShard {
    pub(super) fn count(&self, reason: Reason) {
        if let Some(count) = self.counts.of(reason) {
            add(count, 1);
        }
    }
}
