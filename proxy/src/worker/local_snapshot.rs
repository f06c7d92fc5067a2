//! A snapshot as one worker uses it: with the worker's own counters and connections, each looked up once.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};

use super::Worker;
use crate::forward::upstream::Connections;
use crate::matching::{Matcher, RouteIndex};
use crate::observe::metrics::{PickShard, RouteShard};
use crate::pick::MemberIndex;
use crate::receive::{PoolRuntime, Reach, RouteRuntime, Snapshot};

/// A snapshot as one worker uses it.
#[derive(Debug)]
pub(crate) struct LocalSnapshot {
    shared: Arc<Snapshot>,
    routes: Box<[LocalRoute]>,
}

#[derive(Debug, Default)]
struct LocalRoute {
    shard: OnceCell<RouteShard>,
    members: OnceCell<Box<[OnceCell<LocalMember>]>>,
}

#[derive(Debug)]
struct LocalMember {
    connections: Rc<Connections>,
    picks: PickShard,
}

impl LocalSnapshot {
    pub(super) fn new(shared: Arc<Snapshot>) -> Rc<Self> {
        let routes = shared.routes().iter().map(|_| LocalRoute::default()).collect();
        Rc::new(Self { shared, routes })
    }

    pub(crate) fn matcher(&self) -> &Matcher {
        &self.shared.matcher
    }

    pub(crate) fn route(&self, index: RouteIndex) -> Option<&RouteRuntime> {
        self.shared.route(index).map(AsRef::as_ref)
    }

    /// Counts a finished request of a route.
    pub(crate) fn record(
        &self,
        worker: &Worker,
        index: RouteIndex,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let (Some(local), Some(route)) = (self.routes.get(index.0 as usize), self.route(index)) else { return };
        let shard = local.shard.get_or_init(|| {
            let upstream = route.pool.as_ref().map(|pool| pool.key.to_string()).unwrap_or_default();
            worker.metrics().route(&route.key, &upstream)
        });
        shard.record(method, status, took);
    }

    /// Counts a pick, and gives the worker's connections to the picked member.
    pub(crate) fn picked(
        &self,
        worker: &Worker,
        route: RouteIndex,
        pool: &PoolRuntime,
        member: MemberIndex,
        reach: &Reach,
    ) -> Rc<Connections> {
        let local = self.routes.get(route.0 as usize).and_then(|local| {
            let members = local.members.get_or_init(|| pool.members().iter().map(|_| OnceCell::new()).collect());
            members.get(member.0 as usize)
        });
        let Some(local) = local else { return worker.connections(&reach.link) };
        let local = local.get_or_init(|| LocalMember {
            connections: worker.connections(&reach.link),
            picks: worker.metrics().picks(&pool.key, &reach.endpoint.key),
        });
        local.picks.picked();
        Rc::clone(&local.connections)
    }
}
