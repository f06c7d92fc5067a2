//! A target at run time: its entry of the table and what all workers share about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sluicegate_table::{ObjectKey, Target};

use crate::pick::least_latency::PeakEwma;

/// A target at run time. A new version of the entry makes a new `Endpoint` that shares the old one's [`Load`].
#[derive(Debug)]
pub struct Endpoint {
    /// The Target's key.
    pub key: ObjectKey,
    /// The entry it was made from.
    pub target: Arc<Target>,
    /// Counters that outlive a change of the entry.
    pub load: Arc<Load>,
}

impl Endpoint {
    /// The endpoint of `last` where the entry is the same, else a new one that takes over its counters.
    pub(crate) fn shared_or_new(key: &ObjectKey, target: &Arc<Target>, last: Option<&Arc<Self>>) -> Arc<Self> {
        match last {
            Some(last) if last.target == *target => Arc::clone(last),
            _ => {
                let load = last.map_or_else(|| Arc::new(Load::default()), |last| Arc::clone(&last.load));
                Arc::new(Self { key: key.clone(), target: Arc::clone(target), load })
            }
        }
    }
}

/// What all workers share about a target: atomics only. Each has cache lines of its own (two, as processors fetch them
/// in pairs), so that requests to one target do not slow down those to another.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Load {
    in_flight: AtomicU32,
    picked: AtomicBool,
    /// The time to the answer's head.
    pub(crate) latency: PeakEwma,
}

impl Load {
    /// Requests in flight: from the pick until the end of the answer's body.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it was ever picked.
    pub fn was_picked(&self) -> bool {
        self.picked.load(Ordering::Relaxed)
    }
}

/// Counts a request in flight until it is dropped, which must be at the end of the answer's body.
#[derive(Debug)]
pub struct InFlight(Arc<Load>);

impl InFlight {
    /// Counts one request in flight, from its pick on.
    pub fn begin(load: &Arc<Load>) -> Self {
        if !load.was_picked() {
            load.picked.store(true, Ordering::Relaxed);
        }
        load.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }

    /// Records the time from sending until the answer's head. Of use only where the pool
    /// [`compares latency`](crate::pick::Balancer::compares_latency).
    pub fn answered_after(&self, time: Duration) {
        self.0.latency.observe(time, Instant::now());
    }

    /// Records that the attempt ended without an answer's head: a failed connection, a reset, a timeout. Not for clients
    /// that went away, which says nothing about the target.
    pub fn unanswered(&self) {
        self.0.latency.observe_failure(Instant::now());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
