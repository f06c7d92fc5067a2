//! Metrics: shards per worker, summed when scraped.
//!
//! A worker writes to shards that no other thread writes to, so that counting a request is a few plain loads and stores:
//! no lock, no allocation, no locked instruction and no cache line that two workers fight over. The types hold workers to
//! that: [`WorkerMetrics`] and the shards it hands out cannot leave the thread that made them. A scrape reads the shards
//! with relaxed loads; it may miss requests that end while it runs, and never counts one twice.

mod attempts;
mod exposition;
mod gauges;
mod health;
mod health_exposition;
mod listeners;
mod process;
mod requests;
mod series;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use sluicegate_table::ObjectKey;

use super::access_log::AccessLog;
use crate::answer::Reason;

pub use attempts::{AttemptOutcome, FallbackKind, RetryDecision};
pub use exposition::Format;
pub use gauges::{
    BreakerGauges, ConnectionCounts, Gauges, LevelGauges, MemberGauges, TargetGauges, UpstreamTargetGauges,
};
pub(crate) use health::EndpointCounts;
pub use listeners::{ConnectionGuard, ListenerShard};
pub use requests::{PickShard, RouteShard};

use health::Endpoints;
use listeners::Listeners;
use requests::{AnswerShard, Answers, PickCounts, RouteCounts};
use series::AllSeries;

/// The `route` and `upstream` labels of requests that no route took. No object can have this name.
pub const UNMATCHED: &str = "-";

/// All metrics of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: AtomicU64,
    routes: AllSeries<RouteCounts>,
    picks: AllSeries<PickCounts>,
    answers: Answers,
    listeners: Listeners,
    endpoints: Endpoints,
    configuration: Configuration,
    access_log: OnceLock<AccessLog>,
}

/// What the last reading of the configuration came to.
#[derive(Debug, Default)]
struct Configuration {
    errors: AtomicU64,
    warnings: AtomicU64,
    readings: AtomicU64,
    restart_needed: AtomicU64,
}

impl Metrics {
    /// Metrics with nothing counted yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The metrics of a worker thread, to be called on that thread.
    pub fn worker(self: &Arc<Self>) -> WorkerMetrics {
        let worker = WorkerId(self.workers.fetch_add(1, Ordering::Relaxed));
        WorkerMetrics { metrics: Arc::clone(self), worker, answers: self.answers.shard() }
    }

    /// Where what happens to the health of an endpoint is counted, from 0 on and for as long as that is kept.
    pub(crate) fn endpoint(&self, target: &ObjectKey, address: Option<SocketAddr>) -> Arc<EndpointCounts> {
        self.endpoints.counts(target, address)
    }

    /// Shows the entries that `access_log` dropped, too. Only the first log given counts.
    pub fn watch_access_log(&self, access_log: &AccessLog) {
        self.access_log.get_or_init(|| access_log.clone());
    }

    /// Takes in what a reading of the configuration came to: how many objects are refused and how many warnings
    /// there are now.
    pub fn configuration_read(&self, errors: usize, warnings: usize) {
        self.configuration.errors.store(errors as u64, Ordering::Relaxed);
        self.configuration.warnings.store(warnings as u64, Ordering::Relaxed);
        self.configuration.readings.fetch_add(1, Ordering::Relaxed);
    }

    /// Says whether the process's settings on disk are others than those in force.
    pub fn restart_needed(&self, needed: bool) {
        self.configuration.restart_needed.store(u64::from(needed), Ordering::Relaxed);
    }
}

/// Tells the workers' shards apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct WorkerId(u64);

/// The metrics of one worker thread. Stays on the thread that made it.
#[derive(Debug)]
pub struct WorkerMetrics {
    metrics: Arc<Metrics>,
    worker: WorkerId,
    answers: AnswerShard,
}

impl WorkerMetrics {
    /// Where this worker counts the requests that `route` sends to `upstream` (the Upstream's key; the Rule's own for
    /// targets written in place). Takes a lock: call it once per route and keep the shard as long as the route lives.
    /// Asking again gives the same counters.
    pub fn route(&self, route: &ObjectKey, upstream: &str) -> RouteShard {
        self.requests(route.to_string(), upstream.to_owned())
    }

    /// Where this worker counts the requests that no route takes, those answered before matching included.
    pub fn unmatched(&self) -> RouteShard {
        self.requests(UNMATCHED.to_owned(), UNMATCHED.to_owned())
    }

    fn requests(&self, route: String, upstream: String) -> RouteShard {
        RouteShard::new(self.metrics.routes.shard(self.worker, (route, upstream)))
    }

    /// Where this worker counts how often it picks `target` for `upstream` (the Rule's key for targets written in place).
    /// Takes a lock: call it once per member and keep the shard as long as the pool lives.
    pub fn picks(&self, upstream: &ObjectKey, target: &ObjectKey) -> PickShard {
        PickShard::new(self.metrics.picks.shard(self.worker, (upstream.to_string(), target.to_string())))
    }

    /// Where this worker counts the connections of the listener at `address`. Takes a lock: call it once per listener.
    pub fn listener(&self, address: &str) -> ListenerShard {
        self.metrics.listeners.shard(address)
    }

    /// Counts an answer that Sluicegate made itself, by its reason.
    pub fn answered(&self, reason: Reason) {
        self.answers.count(reason);
    }
}
