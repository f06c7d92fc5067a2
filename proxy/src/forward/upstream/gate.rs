//! The gate of a link: how many connections may be open in the whole process, and who waits for one.
//!
//! The counts are atomics; the queue's lock is taken only while somebody waits. A connection that ends, and one that
//! falls idle, goes to the first waiter by priority, then by arrival.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluicegate_table::Priority;
use tokio::sync::oneshot;

use crate::forward::error::ForwardError;
use crate::worker::WorkerId;

/// Holds a link's connections to their number.
#[derive(Debug)]
pub(super) struct Gate {
    max: u32,
    max_pending: u32,
    open: AtomicU32,
    pending: AtomicU32,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Ticket, Waiter>,
    arrivals: u64,
}

/// A place in the queue: priority first, then arrival.
pub(super) type Ticket = (Priority, u64);

#[derive(Debug)]
struct Waiter {
    worker: WorkerId,
    grant: oneshot::Sender<Grant>,
}

/// What a waiter gets.
#[derive(Debug)]
pub(super) enum Grant {
    /// It may open a connection.
    Open(Permit),
    /// A connection of its own worker waits for it under its ticket.
    Reserved,
}

/// The right to one open connection; dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Gate>);

/// A request's place in the queue; dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    gate: Arc<Gate>,
    pub(super) ticket: Ticket,
    pub(super) grant: oneshot::Receiver<Grant>,
}

/// The answer to a request for a connection.
#[derive(Debug)]
pub(super) enum Admission {
    /// A connection may be opened at once.
    Open(Permit),
    /// All are in use: wait for a grant.
    Wait(Waiting),
}

impl Gate {
    pub(super) fn new(max: Option<u32>, max_pending: u32) -> Arc<Self> {
        Arc::new(Self {
            max: max.unwrap_or(u32::MAX),
            max_pending,
            open: AtomicU32::new(0),
            pending: AtomicU32::new(0),
            queue: Mutex::default(),
        })
    }

    /// Connections that are open or being opened.
    pub(super) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Requests that wait for a connection.
    pub(super) fn pending(&self) -> u32 {
        self.pending.load(Ordering::SeqCst)
    }

    /// Asks for a connection. `idle`: how many are open and unused, at other workers: their sweeps close one for each
    /// request that waits, so that waiting for those ends within a tick and counts for nothing.
    pub(super) fn enter(
        self: &Arc<Self>,
        worker: WorkerId,
        priority: Priority,
        idle: u32,
    ) -> Result<Admission, ForwardError> {
        if let Some(permit) = self.try_open() {
            return Ok(Admission::Open(permit));
        }
        let mut queue = self.queue();
        // Announced before the second try, so that a permit given back meanwhile is either seen here or passed on.
        if self.pending.fetch_add(1, Ordering::SeqCst) >= self.max_pending.saturating_add(idle) {
            self.pending.fetch_sub(1, Ordering::SeqCst);
            return Err(ForwardError::Overloaded);
        }
        if let Some(permit) = self.try_open() {
            self.pending.fetch_sub(1, Ordering::SeqCst);
            return Ok(Admission::Open(permit));
        }
        let (sender, grant) = oneshot::channel();
        queue.arrivals += 1;
        let ticket = (priority, queue.arrivals);
        queue.waiting.insert(ticket, Waiter { worker, grant: sender });
        Ok(Admission::Wait(Waiting { gate: Arc::clone(self), ticket, grant }))
    }

    /// A permit beyond the number, for the one connection that a worker may always have where requests share it.
    pub(super) fn beyond(gate: &Arc<Self>) -> Permit {
        gate.open.fetch_add(1, Ordering::SeqCst);
        Permit(Arc::clone(gate))
    }

    /// Whether the first waiter is a request of this worker; then it leaves the queue and `give` is told its ticket.
    /// `false` says that the connection should be closed, so that another worker's waiter gets its permit.
    pub(super) fn pass_idle(&self, worker: WorkerId, give: impl FnOnce(Ticket)) -> bool {
        let mut queue = self.queue();
        let Some(first) = queue.waiting.first_entry() else {
            return false;
        };
        if first.get().worker != worker {
            return false;
        }
        let (ticket, waiter) = first.remove_entry();
        self.pending.fetch_sub(1, Ordering::SeqCst);
        give(ticket);
        // A waiter that has just gone finds its reserved connection in its own clean-up.
        let _ = waiter.grant.send(Grant::Reserved);
        true
    }

    fn try_open(self: &Arc<Self>) -> Option<Permit> {
        let free = |open: u32| (open < self.max).then(|| open + 1);
        self.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free).ok().map(|_| Permit(Arc::clone(self)))
    }

    fn give_back(self: &Arc<Self>) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        while self.pending() > 0 {
            let mut queue = self.queue();
            let Some(first) = queue.waiting.first_entry() else { return };
            let Some(permit) = self.try_open() else { return };
            let waiter = first.remove();
            self.pending.fetch_sub(1, Ordering::SeqCst);
            drop(queue);
            // A waiter that has just gone hands the permit back; the next one gets it. Forgetting it keeps its drop from
            // coming back in here.
            let Err(Grant::Open(permit)) = waiter.grant.send(Grant::Open(permit)) else { return };
            std::mem::forget(permit);
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queue = self.gate.queue();
        if queue.waiting.remove(&self.ticket).is_some() {
            self.gate.pending.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
