//! The series of routes: which shards there are, and what became of those of routes that are gone.
//!
//! A counter must not fall while its series is shown, so the counts of a shard that its worker let go of are added to the
//! series' own. A series without any shard is shown for a while (the last requests of a removed route must reach a
//! scrape), then forgotten; if the route comes back later, it starts from 0, which scrapers take for a restart. Memory is
//! thus bounded by the routes in force and those removed lately.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::WorkerId;
use super::requests::{RouteCounts, RouteShard, RouteTotals};

/// How long a series without shards is shown.
const KEPT: Duration = Duration::from_mins(15);

/// How many series without shards are kept at most.
const MOST_KEPT: usize = 10_000;

/// All series of routes.
#[derive(Debug, Default)]
pub(super) struct RouteSeries(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    series: HashMap<SeriesKey, Series>,
    /// The next `shard` call that finds this many series sweeps first.
    sweep_at: usize,
}

/// The labels that all of a series' lines share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    /// The route's key.
    pub(super) route: String,
    /// The Upstream's key.
    pub(super) upstream: String,
}

#[derive(Debug, Default)]
struct Series {
    shards: Vec<(WorkerId, Arc<RouteCounts>)>,
    /// Counts of shards that are gone.
    settled: RouteTotals,
    /// Since when there is no shard.
    unused_since: Option<Instant>,
}

impl Series {
    /// Settles the shards that no worker holds any more.
    fn settle(&mut self, now: Instant) {
        let settled = &mut self.settled;
        self.shards.retain_mut(|(_, counts)| {
            // `get_mut` rather than a look at the count: it also orders our reads after the worker's last writes.
            let Some(counts) = Arc::get_mut(counts) else { return true };
            counts.add_to(settled);
            false
        });
        if !self.shards.is_empty() {
            self.unused_since = None;
        } else if self.unused_since.is_none() {
            self.unused_since = Some(now);
        }
    }
}

impl RouteSeries {
    /// The worker's shard of a series.
    pub(super) fn shard(&self, worker: WorkerId, route: &str, upstream: &str) -> RouteShard {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.series.len() >= inner.sweep_at {
            inner.sweep(Instant::now());
        }
        let key = SeriesKey { route: route.to_owned(), upstream: upstream.to_owned() };
        let series = inner.series.entry(key).or_default();
        if let Some((_, counts)) = series.shards.iter().find(|(of, _)| *of == worker) {
            return RouteShard::new(Arc::clone(counts));
        }
        let counts = Arc::new(RouteCounts::default());
        series.shards.push((worker, Arc::clone(&counts)));
        RouteShard::new(counts)
    }

    /// The sums of all series at `now`, in the order of their keys.
    pub(super) fn totals(&self, now: Instant) -> Vec<(SeriesKey, RouteTotals)> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sweep(now);
        let mut totals: Vec<_> = inner
            .series
            .iter()
            .map(|(key, series)| {
                let mut totals = RouteTotals::default();
                totals.add(&series.settled);
                for (_, counts) in &series.shards {
                    counts.add_to(&mut totals);
                }
                (key.clone(), totals)
            })
            .collect();
        totals.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        totals
    }
}

impl Inner {
    /// Settles shards that are gone and forgets series that were unused for too long, the longest unused first where
    /// there are too many.
    fn sweep(&mut self, now: Instant) {
        for series in self.series.values_mut() {
            series.settle(now);
        }
        self.series.retain(|_, series| series.unused_since.is_none_or(|since| now.duration_since(since) < KEPT));
        let mut unused: Vec<(Instant, SeriesKey)> =
            self.series.iter().filter_map(|(key, series)| Some((series.unused_since?, key.clone()))).collect();
        if let Some(too_many) = unused.len().checked_sub(MOST_KEPT) {
            unused.sort_unstable();
            for (_, key) in unused.iter().take(too_many) {
                self.series.remove(key);
            }
        }
        self.sweep_at = (self.series.len() * 2).max(256);
    }
}

#[cfg(test)]
#[path = "series_tests.rs"]
mod tests;
