//! Workers: one thread each with a current-thread runtime, its own listeners and its own connections to targets.
//!
//! Workers share the snapshot in force and atomics, nothing else, so that a request never waits for another core.

mod local_snapshot;
mod run;
mod settings;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::sync::Notify;

use local_snapshot::LocalRoutes;
pub(crate) use local_snapshot::LocalSnapshot;
pub(crate) use run::{Socket, WorkerStart};
pub(crate) use settings::Settings;

use crate::answer::Reason;
use crate::forward::client::{ConnectionState, Date, Patience, Sweeper};
use crate::forward::clock::Clock;
use crate::forward::last_good::LastGood;
use crate::forward::upstream::{Connections, Dialer, Link, LinkId};
use crate::observe::access_log::{Entry, WorkerLog};
use crate::observe::metrics::{RouteShard, WorkerMetrics};
use crate::receive::Current;

/// Tells workers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WorkerId(pub(crate) usize);

/// One worker. Stays on its thread.
#[derive(Debug)]
pub(crate) struct Worker {
    id: WorkerId,
    settings: Arc<Settings>,
    current: Arc<Current>,
    generation: Cell<u64>,
    local: RefCell<Rc<LocalSnapshot>>,
    routes: Rc<LocalRoutes>,
    links: RefCell<HashMap<LinkId, Rc<Connections>>>,
    dialer: Dialer,
    clock: Rc<Clock>,
    date: Date,
    sweeper: RefCell<Sweeper>,
    metrics: WorkerMetrics,
    unmatched: RouteShard,
    access_log: WorkerLog,
    last_good: Arc<LastGood>,
    alive: Cell<usize>,
    quiet: Notify,
}

/// Runs hyper's HTTP/2 tasks on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

impl Worker {
    fn new(
        id: WorkerId,
        settings: Arc<Settings>,
        current: Arc<Current>,
        dialer: Dialer,
        metrics: WorkerMetrics,
        access_log: WorkerLog,
        last_good: Arc<LastGood>,
    ) -> Rc<Self> {
        let (routes, clock) = (Rc::default(), Clock::new());
        let worker = Rc::new(Self {
            id,
            settings,
            generation: Cell::new(0),
            local: RefCell::new(LocalSnapshot::new(current.load(), &routes)),
            routes,
            current,
            links: RefCell::default(),
            dialer,
            date: Date::new(&clock),
            clock,
            sweeper: RefCell::default(),
            unmatched: metrics.unmatched(),
            metrics,
            access_log,
            last_good,
            alive: Cell::new(0),
            quiet: Notify::new(),
        });
        worker.refresh();
        worker
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn clock(&self) -> &Rc<Clock> {
        &self.clock
    }

    /// The date of answers.
    pub(crate) fn date(&self) -> &Date {
        &self.date
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(crate) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    pub(crate) fn access_log(&self) -> &WorkerLog {
        &self.access_log
    }

    /// The last good answers, which all workers share.
    pub(crate) fn last_good(&self) -> &Arc<LastGood> {
        &self.last_good
    }

    /// Counts a request that no route took.
    pub(crate) fn record_unmatched(&self, method: &Method, status: StatusCode, took: Duration) {
        self.unmatched.record(method, status, took);
    }

    /// Tells of a request whose head was refused before anything in it was known.
    pub(crate) fn record_unread(&self, reason: Reason, peer: IpAddr) {
        self.unmatched.record_unread(reason.status());
        self.metrics.answered(reason);
        if self.access_log.wants() {
            self.access_log.write(Entry::unread(reason, peer));
        }
    }

    /// The snapshot in force, for one request to keep to its end.
    pub(crate) fn snapshot(&self) -> Rc<LocalSnapshot> {
        if self.generation.get() != self.current.generation() {
            self.refresh();
        }
        Rc::clone(&self.local.borrow())
    }

    /// Takes the snapshot in force.
    #[cold]
    fn refresh(&self) {
        let generation = self.current.generation();
        *self.local.borrow_mut() = LocalSnapshot::new(self.current.load(), &self.routes);
        self.generation.set(generation);
    }

    /// This worker's connections over a link.
    fn connections(&self, link: &Arc<Link>) -> Rc<Connections> {
        let mut links = self.links.borrow_mut();
        Rc::clone(links.entry(link.id()).or_insert_with(|| Connections::new(link, self.id)))
    }

    /// Puts a client connection under the sweep.
    pub(crate) fn watch(&self, state: &Rc<ConnectionState>) -> usize {
        self.sweeper.borrow_mut().insert(state, self.clock.now())
    }

    /// Takes a client connection out of the sweep.
    pub(crate) fn unwatch(&self, key: usize) {
        self.sweeper.borrow_mut().remove(key);
    }

    /// Counts something that shutting down waits for, until it is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Alive {
        self.alive.set(self.alive.get() + 1);
        Alive(Rc::clone(self))
    }

    /// One tick: moves the clock on and judges everything that may stand still.
    fn tick(&self) {
        self.clock.tick();
        let now = self.clock.now();
        let limits = &self.settings.limits;
        let patience = Patience { header: limits.header_timeout, idle: limits.idle_timeout };
        self.sweeper.borrow_mut().sweep(now, patience);
        if self.generation.get() != self.current.generation() {
            self.refresh();
        }
        self.links.borrow_mut().retain(|_, connections| connections.tick(now));
        self.dialer.driven().cut(now, self.settings.drain_timeout);
    }

    /// Asks every client connection to finish.
    fn drain(&self) {
        self.sweeper.borrow_mut().drain();
    }

    /// Returns when no client connection is left.
    async fn until_quiet(&self) {
        while self.alive.get() > 0 {
            self.quiet.notified().await;
        }
    }
}

/// Something that shutting down waits for.
#[derive(Debug)]
pub(crate) struct Alive(Rc<Worker>);

impl Drop for Alive {
    fn drop(&mut self) {
        let left = self.0.alive.get().saturating_sub(1);
        self.0.alive.set(left);
        if left == 0 {
            self.0.quiet.notify_one();
        }
    }
}
