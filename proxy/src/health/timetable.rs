//! What is due when: the ends of ejections, rests and open circuit breakers, and the steps of ramps.
//!
//! One task performs them, so that no request looks at the clock for it and nothing runs while nothing is due.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{EndpointHealth, Shared};

/// The longest that anything lasts: further ahead than a process lives, and near enough for every clock.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

/// The moment so long after another.
pub(super) fn after(moment: Instant, wait: Duration) -> Instant {
    moment + wait.min(LONGEST)
}

/// What is due when.
#[derive(Debug, Default)]
pub(super) struct Timetable {
    entries: Mutex<BinaryHeap<Reverse<Entry>>>,
    /// Something is due earlier than all before.
    earlier: Notify,
}

#[derive(Debug)]
struct Entry {
    due: Instant,
    whose: Weak<EndpointHealth>,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Entry {}

impl Timetable {
    /// Enters that something is due.
    pub(super) fn enter(&self, due: Instant, whose: Weak<EndpointHealth>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = entries.peek().is_none_or(|Reverse(first)| due < first.due);
        entries.push(Reverse(Entry { due, whose }));
        drop(entries);
        if earlier {
            self.earlier.notify_one();
        }
    }

    /// Takes out what is due by `now`.
    fn take(&self, now: Instant) -> Option<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.peek().filter(|Reverse(first)| first.due <= now)?;
        entries.pop().map(|Reverse(entry)| entry)
    }

    /// When the next is due.
    fn next(&self) -> Option<Instant> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.peek().map(|Reverse(first)| first.due)
    }

    /// Performs what is due, forever.
    async fn keep(&self) {
        loop {
            while let Some(entry) = self.take(Instant::now()) {
                if let Some(health) = entry.whose.upgrade() {
                    health.tick(Instant::now());
                }
            }
            match self.next() {
                None => self.earlier.notified().await,
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.earlier.notified() => {}
                },
            }
        }
    }
}

/// The task that performs what is due. Dropped, it ends.
#[derive(Debug)]
pub struct Timekeeper(JoinHandle<()>);

impl Timekeeper {
    /// Starts it on this runtime, for the endpoints that have `shared` in common.
    pub fn start(runtime: &Handle, shared: Arc<Shared>) -> Self {
        Self(runtime.spawn(async move { shared.timetable().keep().await }))
    }
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}
