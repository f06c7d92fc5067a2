//! The endpoints in force: who uses them, how they are checked, and what was last told of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{BreakerState, EndpointReport, EndpointState, UnhealthyReason};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::pools::Pools;
use super::{Finding, Findings};
use crate::endpoint::Endpoint;
use crate::health::checks::{CheckResult, CheckThread, Dialer, Subject, keep_checking};
use crate::health::member::{breaker_of, is_closed, of_members, state_of};
use crate::health::{CheckState, CheckStatus};
use crate::observe::metrics::{EndpointCounts, Metrics};
use crate::receive::{PoolId, PoolRuntime, Snapshot};

/// A Target and an address.
type EndpointId = (ObjectKey, Option<SocketAddr>);

/// All endpoints that a pool in force has as a member.
pub(super) struct Watched {
    dialer: Dialer,
    thread: CheckThread,
    metrics: Arc<Metrics>,
    endpoints: BTreeMap<EndpointId, Entry>,
    pools: Pools,
    unwell: BTreeMap<EndpointId, Finding>,
    /// Whether there are others than were last told.
    news: bool,
}

/// An endpoint.
struct Entry {
    counts: Arc<EndpointCounts>,
    /// By pool, since pools may check it in different ways.
    uses: BTreeMap<PoolId, Use>,
    checks: Vec<Running>,
    /// What was last told; `None`: nothing yet.
    told: Option<Told>,
}

/// An endpoint as a member of a pool.
struct Use {
    pool: Arc<PoolRuntime>,
    endpoint: Arc<Endpoint>,
    check: Option<Arc<CheckState>>,
}

/// What is told of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    state: EndpointState,
    reason: Option<UnhealthyReason>,
    breaker: Option<BreakerState>,
}

/// A check that goes on. Dropped, it stops.
struct Running {
    state: Arc<CheckState>,
    subject: Subject,
    /// Why the last one that failed did.
    failure: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watched {
    pub(super) fn new(dialer: Dialer, metrics: Arc<Metrics>) -> Self {
        Self {
            dialer,
            thread: CheckThread::default(),
            metrics,
            endpoints: BTreeMap::new(),
            pools: Pools::default(),
            unwell: BTreeMap::new(),
            news: false,
        }
    }

    /// Takes in what differs between two versions of the table.
    pub(super) fn follow(&mut self, before: &Snapshot, now: &Snapshot) {
        let mut touched = BTreeSet::new();
        for (id, before, now) in now.changed_pools(before) {
            for endpoint in before.into_iter().flat_map(|pool| endpoints(pool)) {
                let endpoint = (endpoint.key.clone(), endpoint.address);
                if let Some(entry) = self.endpoints.get_mut(&endpoint) {
                    entry.uses.remove(&id);
                }
                touched.insert(endpoint);
            }
            for (endpoint, new) in now.into_iter().flat_map(uses) {
                let entry = self.endpoints.entry(endpoint.clone()).or_insert_with(|| {
                    let counts = self.metrics.endpoint(&endpoint.0, endpoint.1);
                    Entry { counts, uses: BTreeMap::new(), checks: Vec::new(), told: None }
                });
                entry.uses.insert(id.clone(), new);
                touched.insert(endpoint);
            }
            self.news |= self.pools.set(id, now);
        }
        for id in touched {
            let Some(entry) = self.endpoints.get_mut(&id) else { continue };
            if entry.uses.is_empty() {
                self.endpoints.remove(&id);
                self.news |= self.unwell.remove(&id).is_some();
                continue;
            }
            // Before its first check ends, so that a change is told as one.
            self.news |= entry.tell(&id, &mut self.unwell);
            entry.check(&self.dialer, &mut self.thread);
        }
    }

    /// Looks at all endpoints for what has changed.
    pub(super) fn look(&mut self) {
        for (id, entry) in &mut self.endpoints {
            self.news |= entry.tell(id, &mut self.unwell);
        }
        self.news |= self.pools.look();
    }

    /// Tells of the endpoints that are not healthy and the Upstreams whose breakers are not closed, where there are others than
    /// were last told.
    pub(super) fn publish(&mut self, findings: &Findings) {
        if std::mem::take(&mut self.news) {
            findings.publish(self.unwell.values().cloned().collect(), self.pools.broken());
        }
    }
}

fn endpoints(pool: &PoolRuntime) -> impl Iterator<Item = &Arc<Endpoint>> {
    pool.members().iter().filter_map(|member| member.reach.as_ref()).map(|reach| &reach.endpoint)
}

fn uses(pool: &Arc<PoolRuntime>) -> impl Iterator<Item = (EndpointId, Use)> {
    of_members(pool).map(|member| {
        let (endpoint, check) = (Arc::clone(member.endpoint), member.check.cloned());
        ((endpoint.key.clone(), endpoint.address), Use { pool: Arc::clone(pool), endpoint, check })
    })
}

impl Entry {
    /// Starts and stops checks as its uses want them. What goes on as it was is left alone.
    fn check(&mut self, dialer: &Dialer, thread: &mut CheckThread) {
        let mut before = std::mem::take(&mut self.checks);
        for wanted in self.uses.values() {
            let Some(state) = &wanted.check else { continue };
            let subject = Subject::new(&wanted.endpoint, state.settings(), state.egress_proxy());
            let goes_on = |running: &Running| Arc::ptr_eq(&running.state, state) && running.subject.is_same(&subject);
            if self.checks.iter().any(goes_on) {
                continue;
            }
            let running = match before.iter().position(goes_on) {
                Some(at) => before.swap_remove(at),
                None => Running::start(state, subject, dialer, &self.counts, thread),
            };
            self.checks.push(running);
        }
    }

    /// Tells of what has changed since the last time; `false`: nothing has.
    fn tell(&mut self, id: &EndpointId, unwell: &mut BTreeMap<EndpointId, Finding>) -> bool {
        let Some(now) = self.now() else { return false };
        if self.told == Some(now) {
            return false;
        }
        let before = self.told.replace(now);
        if let Some(before) = before {
            self.log(id, before, now);
            if (before.state, before.reason) != (now.state, now.reason) {
                self.counts.changed(before.state, now.state, now.reason);
            }
        }
        let Told { state, reason, breaker } = now;
        if state == EndpointState::Healthy {
            return unwell.remove(id).is_some();
        }
        let report = EndpointReport { target: id.0.clone(), address: id.1, state, reason, breaker };
        unwell.insert(id.clone(), Finding { report, since: SystemTime::now() });
        true
    }

    fn now(&self) -> Option<Told> {
        let endpoint = &self.uses.values().next()?.endpoint;
        let view = endpoint.load.health().view();
        // The worst that is found: some requests do not get there.
        let found = self.uses.values().filter_map(|used| used.check.as_ref()).map(|check| check.status());
        let check = found.max_by_key(|status| match status {
            CheckStatus::Passing => 0,
            CheckStatus::Unchecked => 1,
            CheckStatus::Failing => 2,
        });
        // One pool that has broken its circuit says nothing about what others send there.
        let pools_closed = self.uses.values().any(|used| is_closed(&used.pool));
        let (state, reason) = state_of(&endpoint.target, &view, check, pools_closed);
        let breaker = self.uses.values().any(|used| breaker_of(&used.pool).is_some()).then_some(view.breaker);
        Some(Told { state, reason, breaker })
    }

    fn log(&self, (target, address): &EndpointId, before: Told, now: Told) {
        let address = address.map(tracing::field::display);
        let (from, to) = (before.state, now.state);
        match now {
            Told { reason: Some(UnhealthyReason::FailedChecks), .. } => {
                let failure = self.checks.iter().map(Running::failure).find(|failure| !failure.is_empty());
                let check = failure.unwrap_or_default();
                tracing::warn!(%target, address, ?from, ?to, reason = "FailedChecks", check, "an endpoint's health changed");
            }
            Told { state: EndpointState::Unhealthy, reason: Some(reason), breaker } => {
                tracing::warn!(%target, address, ?from, ?to, ?reason, ?breaker, "an endpoint's health changed");
            }
            Told { breaker, .. } => {
                let was = before.reason;
                tracing::info!(%target, address, ?from, ?to, ?was, ?breaker, "an endpoint's health changed");
            }
        }
    }
}

impl Running {
    fn start(
        state: &Arc<CheckState>,
        subject: Subject,
        dialer: &Dialer,
        counts: &Arc<EndpointCounts>,
        thread: &mut CheckThread,
    ) -> Self {
        let failure = Arc::<Mutex<String>>::default();
        let (asked, counts, told) = (Arc::clone(state), Arc::clone(counts), Arc::clone(&failure));
        let checking = keep_checking(subject.clone(), dialer.clone(), move |check| {
            counts.checked(CheckResult::of(&check));
            if let Err(error) = &check {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
            }
            asked.set(check.is_ok(), Instant::now());
        });
        let task = thread.spawn(async move { match checking.await {} });
        Self { state: Arc::clone(state), subject, failure, task }
    }

    fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
