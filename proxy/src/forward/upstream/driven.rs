//! The tasks that drive a worker's connections to targets, upgraded ones included: found by their link, so that they can be
//! cut.
//!
//! A task is cut by aborting it. What reads from its connection then sees an error, never an end, and a request pays
//! nothing for it: tasks are entered when a connection is opened and looked through at a tick.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use smallvec::SmallVec;
use tokio::task::AbortHandle;

use super::link::{Link, LinkId};
use crate::forward::clock::Millis;

/// The tasks that drive a worker's connections to targets.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    links: RefCell<HashMap<LinkId, OfLink>>,
}

/// The tasks over one link; never empty.
#[derive(Debug)]
struct OfLink {
    link: Arc<Link>,
    tasks: Slab<Handles>,
    /// When a tick first saw that the endpoint leaves.
    leaving_since: Option<Millis>,
}

/// An HTTP/2 connection has a task of its own beside the one that hands it requests.
type Handles = SmallVec<[AbortHandle; 2]>;

impl Driven {
    /// Runs `task` until it ends or is cut. `beneath` is cut with it.
    pub(crate) fn drive(
        self: &Rc<Self>,
        link: &Arc<Link>,
        beneath: Option<AbortHandle>,
        task: impl Future<Output = ()> + 'static,
    ) {
        let entry = Entry { driven: Rc::clone(self), link: link.id(), key: Cell::new(None) };
        let entry = Rc::new(entry);
        let held = Rc::clone(&entry);
        let handle = tokio::task::spawn_local(async move {
            // Dropped with the task, whether it ends or is cut.
            let _held = held;
            task.await;
        });
        let mut links = self.links.borrow_mut();
        let of_link = links.entry(link.id()).or_insert_with(|| OfLink::new(link));
        let handles = std::iter::once(handle.abort_handle()).chain(beneath).collect();
        entry.key.set(Some(of_link.tasks.insert(handles)));
    }

    /// Cuts what still goes on over links whose endpoints began to leave longer than `after` ago.
    pub(crate) fn cut(&self, now: Millis, after: Duration) {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        for of_link in self.links.borrow_mut().values_mut() {
            if !of_link.link.is_leaving() {
                of_link.leaving_since = None;
                continue;
            }
            let since = *of_link.leaving_since.get_or_insert(now);
            if now.saturating_sub(since) >= after {
                of_link.cut();
            }
        }
    }

    fn forget(&self, link: LinkId, key: usize) {
        let mut links = self.links.borrow_mut();
        let Some(of_link) = links.get_mut(&link) else { return };
        of_link.tasks.try_remove(key);
        if of_link.tasks.is_empty() {
            links.remove(&link);
        }
    }
}

impl OfLink {
    fn new(link: &Arc<Link>) -> Self {
        Self { link: Arc::clone(link), tasks: Slab::new(), leaving_since: None }
    }

    fn cut(&self) {
        let (host, connections) = (self.link.host(), self.tasks.len());
        tracing::info!(host, connections, "a target that leaves was not done within shutdown.drainTimeout; it is cut");
        // Before anybody can see it.
        self.link.set_cut();
        for (_, handles) in &self.tasks {
            handles.iter().for_each(AbortHandle::abort);
        }
    }
}

/// A task's entry; forgotten when the task is dropped.
#[derive(Debug)]
struct Entry {
    driven: Rc<Driven>,
    link: LinkId,
    /// `None` until it is entered.
    key: Cell<Option<usize>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.key.get() {
            self.driven.forget(self.link, key);
        }
    }
}

#[cfg(test)]
#[path = "driven_tests.rs"]
mod tests;
