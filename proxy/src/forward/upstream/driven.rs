//! A worker's open connections to targets, upgraded ones included: found by their link, so that they can be cut.
//!
//! A connection that a task drives is cut by aborting the task, one that its exchange polls by shutting its socket down.
//! What reads from it then sees an error, never an end, and a request pays nothing for it: connections are entered when
//! they are opened and looked through at a tick.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use smallvec::SmallVec;
use tokio::task::AbortHandle;

use super::link::{Link, LinkId};
use crate::forward::clock::Millis;
use crate::forward::late_writes::Cutter;

/// A worker's open connections to targets.
#[derive(Debug, Default)]
pub(crate) struct Driven {
    links: RefCell<HashMap<LinkId, OfLink>>,
}

/// The connections over one link; never empty.
#[derive(Debug)]
struct OfLink {
    link: Arc<Link>,
    open: Slab<Handle>,
    /// When a tick first saw that the endpoint leaves.
    leaving_since: Option<Millis>,
    /// It was said that they are cut: some last until their clients have seen it.
    told: bool,
}

/// What a connection is cut by.
#[derive(Debug)]
enum Handle {
    /// The tasks that drive it: an HTTP/2 connection has one of its own beside the one that hands it requests.
    Tasks(SmallVec<[AbortHandle; 2]>),
    /// Its socket.
    Socket(Cutter),
}

impl Handle {
    fn cut(&self) {
        match self {
            Self::Tasks(tasks) => tasks.iter().for_each(AbortHandle::abort),
            Self::Socket(cutter) => cutter.cut(),
        }
    }
}

impl Driven {
    /// Runs `task` until it ends or is cut. `beneath` is cut with it.
    pub(crate) fn drive(
        self: &Rc<Self>,
        link: &Arc<Link>,
        beneath: Option<AbortHandle>,
        task: impl Future<Output = ()> + 'static,
    ) {
        let entered = Rc::new(OnceCell::<Entry>::new());
        let held = Rc::clone(&entered);
        let handle = tokio::task::spawn_local(async move {
            // Dropped with the task, whether it ends or is cut.
            let _held = held;
            task.await;
        });
        let tasks = std::iter::once(handle.abort_handle()).chain(beneath).collect();
        entered.get_or_init(|| self.enter(link, Handle::Tasks(tasks)));
    }

    /// Knows of a connection that its exchanges poll, until its entry is dropped.
    pub(super) fn polled(self: &Rc<Self>, link: &Arc<Link>, cutter: Cutter) -> Entry {
        self.enter(link, Handle::Socket(cutter))
    }

    fn enter(self: &Rc<Self>, link: &Arc<Link>, handle: Handle) -> Entry {
        let mut links = self.links.borrow_mut();
        let of_link = links.entry(link.id()).or_insert_with(|| OfLink::new(link));
        Entry { driven: Rc::clone(self), link: link.id(), key: of_link.open.insert(handle) }
    }

    /// Cuts what still goes on over links whose endpoints began to leave longer than `after` ago.
    pub(crate) fn cut(&self, now: Millis, after: Duration) {
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        for of_link in self.links.borrow_mut().values_mut() {
            if !of_link.link.is_leaving() {
                (of_link.leaving_since, of_link.told) = (None, false);
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
        of_link.open.try_remove(key);
        if of_link.open.is_empty() {
            links.remove(&link);
        }
    }
}

impl OfLink {
    fn new(link: &Arc<Link>) -> Self {
        Self { link: Arc::clone(link), open: Slab::new(), leaving_since: None, told: false }
    }

    fn cut(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            let (host, connections) = (self.link.host(), self.open.len());
            tracing::info!(
                host,
                connections,
                "a target that leaves was not done within shutdown.drainTimeout; it is cut"
            );
        }
        // Before anybody can see it.
        self.link.set_cut();
        for (_, handle) in &self.open {
            handle.cut();
        }
    }
}

/// A connection's entry; forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    driven: Rc<Driven>,
    link: LinkId,
    key: usize,
}

impl Entry {
    /// Cuts the connection.
    pub(super) fn cut(&self) {
        if let Some(handle) = self.driven.links.borrow().get(&self.link).and_then(|of_link| of_link.open.get(self.key))
        {
            handle.cut();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.driven.forget(self.link, self.key);
    }
}

#[cfg(test)]
#[path = "driven_tests.rs"]
mod tests;
