//! The snapshot in force, shared by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use sluicegate_table::Table;
use sluicegate_table::watch::Refusal;

use super::edit::{Edited, edited};
use super::snapshot::Snapshot;
use crate::health::Findings;

/// The snapshot in force. Workers compare [`Current::generation`] once per request and load the snapshot only when it
/// has grown.
#[derive(Debug)]
pub struct Current {
    snapshot: ArcSwap<Snapshot>,
    generation: AtomicU64,
    applying: tokio::sync::Notify,
    findings: Findings,
}

impl Default for Current {
    fn default() -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            generation: AtomicU64::new(0),
            applying: tokio::sync::Notify::new(),
            findings: Findings::default(),
        }
    }
}

impl Current {
    /// Builds the snapshot of `table` and puts it in force. Only one caller at a time may apply. Gives the entries that
    /// cannot be used (a regular expression over the limits, say): what was in force under their names stays in force.
    #[must_use = "what is refused must be reported"]
    pub fn apply(&self, table: Arc<Table>) -> Vec<Refusal> {
        let Edited { snapshot, refused, gone, anew } = edited(&self.snapshot.load(), table);
        self.snapshot.store(Arc::new(snapshot));
        self.generation.fetch_add(1, Ordering::Release);
        // Only now: a worker that has not taken the snapshot yet may open connections over them.
        for link in gone {
            link.set_leaving(true);
            link.retire();
        }
        // After those that are gone: what only came to be on other terms does not leave.
        for pool in anew {
            pool.mark_leaving();
        }
        self.applying.notify_waiters();
        refused
    }

    /// The snapshot in force.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How often a snapshot was put in force; 0: never, so nothing can be served.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What was found out about the endpoints in force.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Done when a snapshot was put in force after the call, or after `enable` was called on it.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.applying.notified()
    }
}
