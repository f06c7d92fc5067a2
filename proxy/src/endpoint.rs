//! A target at run time: its entry of the table and what all workers share about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use sluicegate_table::{ObjectKey, Target};

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

/// What all workers share about a target: atomics only.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
    picks: AtomicU64,
    /// Peak EWMA of the time to the answer's head: bits of an `f64` of seconds, and when it was written (see
    /// `pick/least_latency.rs`, which owns the meaning of both).
    pub(crate) latency_seconds: AtomicU64,
    /// Nanoseconds since the process's start at which `latency_seconds` was written; 0: never.
    pub(crate) latency_written: AtomicU64,
}

impl Load {
    /// Requests in flight: from the pick until the end of the answer's body.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How often it was picked since the process started.
    pub fn picks(&self) -> u64 {
        self.picks.load(Ordering::Relaxed)
    }
}

/// Counts a request in flight until it is dropped, which must be at the end of the answer's body.
#[derive(Debug)]
pub struct InFlight(Arc<Load>);

impl InFlight {
    /// Counts one pick and one request in flight.
    pub fn begin(load: &Arc<Load>) -> Self {
        load.picks.fetch_add(1, Ordering::Relaxed);
        load.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }

    /// Records the time from sending until the answer's head.
    pub fn answered_after(&self, time: Duration) {
        crate::pick::least_latency::observe(&self.0, time);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
