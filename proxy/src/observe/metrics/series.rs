//! Series of counters that come and go with the table: which shards there are, and what became of those that are gone.
//!
//! A counter must not fall while its series is shown, so the counts of a shard that its worker let go of are added to the
//! series' own. A series without any shard is shown for a while (the last requests of a removed route must reach a
//! scrape), then forgotten; if it comes back later, it starts from 0, which scrapers take for a restart. Memory is
//! thus bounded by what is in force and what was removed lately.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::WorkerId;

/// How long a series without shards is shown.
const KEPT: Duration = Duration::from_mins(15);

/// How many series without shards are kept at most.
const MOST_KEPT: usize = 10_000;

/// What one worker counts of one series.
pub(super) trait Counts: Default {
    /// Sums over shards.
    type Totals: Clone + Debug + Default;

    /// Adds what was counted here to `totals`.
    fn add_to(&self, totals: &mut Self::Totals);
}

/// All series of one kind.
#[derive(Debug)]
pub(super) struct AllSeries<C: Counts>(Mutex<Inner<C>>);

#[derive(Debug)]
struct Inner<C: Counts> {
    series: HashMap<SeriesKey, Series<C>>,
    /// The next `shard` call that finds this many series sweeps first.
    sweep_at: usize,
}

/// The two labels that tell a kind's series apart: route and upstream, or upstream and target.
pub(super) type SeriesKey = (String, String);

#[derive(Debug)]
struct Series<C: Counts> {
    shards: Vec<(WorkerId, Arc<C>)>,
    /// Counts of shards that are gone.
    settled: C::Totals,
    /// Since when there is no shard.
    unused_since: Option<Instant>,
}

impl<C: Counts> Default for AllSeries<C> {
    fn default() -> Self {
        Self(Mutex::new(Inner { series: HashMap::new(), sweep_at: 0 }))
    }
}

impl<C: Counts> Default for Series<C> {
    fn default() -> Self {
        Self { shards: Vec::new(), settled: C::Totals::default(), unused_since: None }
    }
}

impl<C: Counts> Series<C> {
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

impl<C: Counts> AllSeries<C> {
    /// The worker's counts of a series.
    pub(super) fn shard(&self, worker: WorkerId, key: SeriesKey) -> Arc<C> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.series.len() >= inner.sweep_at {
            inner.sweep(Instant::now());
        }
        let series = inner.series.entry(key).or_default();
        if let Some((_, counts)) = series.shards.iter().find(|(of, _)| *of == worker) {
            return Arc::clone(counts);
        }
        let counts = Arc::new(C::default());
        series.shards.push((worker, Arc::clone(&counts)));
        counts
    }

    /// The sums of all series at `now`, in the order of their keys.
    pub(super) fn totals(&self, now: Instant) -> Vec<(SeriesKey, C::Totals)> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sweep(now);
        let mut totals: Vec<_> = inner
            .series
            .iter()
            .map(|(key, series)| {
                let mut totals = series.settled.clone();
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

impl<C: Counts> Inner<C> {
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
