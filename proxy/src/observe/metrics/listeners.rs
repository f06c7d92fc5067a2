//! Counting connections from clients, per listener and worker.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::requests::add;

/// The shards of all listeners. Listeners live as long as the process, so nothing is ever taken out.
#[derive(Debug, Default)]
pub(super) struct Listeners(Mutex<BTreeMap<String, Vec<Arc<Counts>>>>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    opened: AtomicU64,
    closed: AtomicU64,
}

/// One listener's connections through one worker. Stays on the worker's thread.
#[derive(Clone, Debug)]
pub struct ListenerShard {
    counts: Arc<Counts>,
    _one_thread: PhantomData<Rc<()>>,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub struct ConnectionGuard(ListenerShard);

impl ListenerShard {
    /// Counts an accepted connection.
    pub fn opened(&self) -> ConnectionGuard {
        add(&self.counts.opened, 1);
        ConnectionGuard(self.clone())
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        add(&self.0.counts.closed, 1);
    }
}

/// Sums over one listener's shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ListenerTotals {
    /// Connections accepted since the start.
    pub(super) accepted: u64,
    /// Connections open now.
    pub(super) open: u64,
}

impl Listeners {
    pub(super) fn shard(&self, address: &str) -> ListenerShard {
        let counts = Arc::new(Counts::default());
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.entry(address.to_owned()).or_default().push(Arc::clone(&counts));
        ListenerShard { counts, _one_thread: PhantomData }
    }

    /// The sums by listener's address.
    pub(super) fn totals(&self) -> BTreeMap<String, ListenerTotals> {
        let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |shards: &Vec<Arc<Counts>>| {
            let mut totals = ListenerTotals::default();
            for counts in shards {
                let closed = counts.closed.load(Ordering::Relaxed);
                let opened = counts.opened.load(Ordering::Relaxed);
                totals.accepted += opened;
                // A connection that comes and goes while this runs may show in one of the two only.
                totals.open += opened.saturating_sub(closed);
            }
            totals
        };
        listeners.iter().map(|(address, shards)| (address.clone(), sum(shards))).collect()
    }
}
