//! A snapshot as one worker uses it: with the worker's own counters and connections, each looked up once.
//!
//! What was looked up stays when another snapshot comes, for all routes that are the same in both: an edit of one route
//! costs the others nothing.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use sluicegate_table::ObjectKey;

use super::Worker;
use crate::forward::upstream::Connections;
use crate::matching::{Matcher, RouteIndex};
use crate::observe::metrics::{AttemptOutcome, PickShard, RouteShard};
use crate::pick::MemberIndex;
use crate::receive::{PoolRuntime, Reach, RouteRuntime, Snapshot};

/// A snapshot as one worker uses it.
#[derive(Debug)]
pub(crate) struct LocalSnapshot {
    shared: Arc<Snapshot>,
    routes: Rc<LocalRoutes>,
}

/// What a worker has looked up, by the routes' numbers.
#[derive(Debug, Default)]
pub(super) struct LocalRoutes(RefCell<Vec<LocalRoute>>);

#[derive(Debug, Default)]
struct LocalRoute {
    /// [`RouteRuntime::id`] of the version that it was looked up for.
    id: u64,
    shard: OnceCell<RouteShard>,
    members: OnceCell<Box<[OnceCell<LocalMember>]>>,
}

#[derive(Debug)]
struct LocalMember {
    connections: Rc<Connections>,
    picks: PickShard,
}

impl LocalRoutes {
    /// Gives what was looked up for a route. A request that is still on an earlier version of it looks up for itself.
    fn with<T>(&self, index: RouteIndex, route: &RouteRuntime, give: impl FnOnce(&LocalRoute) -> T) -> T {
        let mut routes = self.0.borrow_mut();
        let number = index.0 as usize;
        if number >= routes.len() {
            routes.resize_with(number + 1, LocalRoute::default);
        }
        match routes.get_mut(number) {
            Some(local) if local.id == route.id => give(local),
            Some(local) if local.id < route.id => {
                *local = LocalRoute { id: route.id, ..LocalRoute::default() };
                give(local)
            }
            _ => give(&LocalRoute::default()),
        }
    }
}

impl LocalSnapshot {
    pub(super) fn new(shared: Arc<Snapshot>, routes: &Rc<LocalRoutes>) -> Rc<Self> {
        Rc::new(Self { shared, routes: Rc::clone(routes) })
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.shared.matcher
    }

    pub(crate) fn route(&self, index: RouteIndex) -> Option<&RouteRuntime> {
        self.shared.route(index).map(AsRef::as_ref)
    }

    /// A pool of its own entry.
    pub(crate) fn pool(&self, key: &ObjectKey) -> Option<&PoolRuntime> {
        self.shared.pool(key).map(AsRef::as_ref)
    }

    /// Counts a finished request of a route, and with it the attempt of the route's own pool that gave the answer.
    pub(crate) fn record(
        &self,
        worker: &Worker,
        index: RouteIndex,
        (method, status, took): (&Method, StatusCode, Duration),
        by_pool: bool,
    ) {
        self.count(worker, index, |shard| {
            shard.record(method, status, took);
            if by_pool {
                shard.attempted(AttemptOutcome::Answered);
            }
        });
    }

    /// Counts something of a route.
    pub(crate) fn count(&self, worker: &Worker, index: RouteIndex, count: impl FnOnce(&RouteShard)) {
        let Some(route) = self.route(index) else { return };
        self.routes.with(index, route, |local| {
            let shard = local.shard.get_or_init(|| {
                let upstream = route.pool.as_ref().map(|pool| pool.key.to_string()).unwrap_or_default();
                worker.metrics().route(&route.key, &upstream)
            });
            count(shard);
        });
    }

    /// As [`Self::picked`], in a pool that the route does not name itself: looked up each time.
    #[cold]
    pub(crate) fn picked_elsewhere(worker: &Worker, pool: &PoolRuntime, reach: &Reach) -> Rc<Connections> {
        worker.metrics().picks(&pool.key, &reach.endpoint.key).picked();
        worker.connections(&reach.link)
    }

    /// Counts a pick, and gives the worker's connections to the picked member.
    pub(crate) fn picked(
        &self,
        worker: &Worker,
        index: RouteIndex,
        pool: &PoolRuntime,
        member: MemberIndex,
        reach: &Reach,
    ) -> Rc<Connections> {
        let Some(route) = self.route(index) else { return worker.connections(&reach.link) };
        self.routes.with(index, route, |local| {
            let members = local.members.get_or_init(|| pool.members().iter().map(|_| OnceCell::new()).collect());
            let Some(local) = members.get(member.0 as usize) else { return worker.connections(&reach.link) };
            let local = local.get_or_init(|| LocalMember {
                connections: worker.connections(&reach.link),
                picks: worker.metrics().picks(&pool.key, &reach.endpoint.key),
            });
            local.picks.picked();
            Rc::clone(&local.connections)
        })
    }
}
