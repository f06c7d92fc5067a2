//! One version of the table, ready to serve from.
//!
//! It is made from the one before it and shares all that did not change: an edit costs what the entry and those that refer
//! to it cost, however large the table is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imbl::{OrdMap, OrdSet};
use sluicegate_table::watch::Refusal;
use sluicegate_table::{Backend, InlinePool, ObjectKey, Route, Table};

use super::edit;
use super::pool::PoolRuntime;
use super::references::References;
use crate::endpoint::TargetRuntime;
use crate::forward::headers::{HeaderRewrite, UnusableHeaders};
use crate::forward::retry::RetryRuntime;
use crate::health::Shared;
use crate::matching::{Matcher, RouteIndex};
use crate::slots::Slots;

/// One version of the table, ready to serve from. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The table that it serves: what it was built from, but for the entries that were refused.
    pub table: Arc<Table>,
    /// What the health of its endpoints has in common, in all versions of the table.
    pub health: Arc<Shared>,
    /// The index over the routes.
    pub matcher: Matcher,
    pub(super) routes: Slots<Arc<RouteRuntime>>,
    pub(super) numbers: OrdMap<ObjectKey, RouteIndex>,
    /// Numbers of routes that are no more, for the next ones.
    pub(super) free: OrdSet<RouteIndex>,
    /// No number from this one on was ever given.
    pub(super) highest: u32,
    pub(super) pools: OrdMap<ObjectKey, Arc<PoolRuntime>>,
    pub(super) targets: OrdMap<ObjectKey, Arc<TargetRuntime>>,
    /// Which pools have a Target as a member.
    pub(super) pools_of: References,
    /// Which routes go to a pool.
    pub(super) routes_of: References,
    /// Which routes have, written in place, a Target with discovered addresses.
    pub(super) places_of: References,
}

/// A route, ready to serve from.
#[derive(Debug)]
pub struct RouteRuntime {
    /// Grows with each version of any route, and is never used twice in a process.
    pub(crate) id: u64,
    /// The Rule's key.
    pub key: ObjectKey,
    /// The entry.
    pub route: Arc<Route>,
    /// Where its requests go; `None` when the table has no such pool.
    pub pool: Option<Arc<PoolRuntime>>,
    /// The Rule's header changes.
    pub rewrite: Result<HeaderRewrite, UnusableHeaders>,
    /// The Rule's retries, with the counts that all versions share.
    pub retry: Option<Box<RetryRuntime>>,
}

impl Snapshot {
    /// Builds the snapshot of `table`, sharing with `previous` what did not change, and says which entries it refused:
    /// one bad entry keeps nothing else from being served. What `previous` had in their place stays, in
    /// [`Self::table`] too, so that the next table is held against what is in force.
    pub fn build(table: Arc<Table>, previous: &Self) -> (Self, Vec<Refusal>) {
        let edited = edit::edited(previous, table);
        (edited.snapshot, edited.refused)
    }

    /// The route of a number that the matcher found.
    pub fn route(&self, index: RouteIndex) -> Option<&Arc<RouteRuntime>> {
        self.routes.get(index.0)
    }

    /// All routes, in the order of their keys.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<RouteRuntime>> {
        self.numbered().map(|(_, route)| route)
    }

    /// All routes with their numbers, in the order of their keys.
    pub fn numbered(&self) -> impl Iterator<Item = (RouteIndex, &Arc<RouteRuntime>)> {
        self.numbers.values().filter_map(|index| Some((*index, self.route(*index)?)))
    }

    /// The pool of an Upstream.
    pub fn pool(&self, key: &ObjectKey) -> Option<&Arc<PoolRuntime>> {
        self.pools.get(key)
    }

    /// All pools: those of Upstreams, and those written in Rules.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<PoolRuntime>> {
        let inline = self.routes().filter_map(|route| match route.route.backend {
            Backend::Inline(_) => route.pool.as_ref(),
            Backend::Pool(_) | Backend::Invalid => None,
        });
        self.pools.values().chain(inline)
    }
}

impl RouteRuntime {
    /// The route of `last` where nothing changed, else a new one.
    pub(super) fn shared_or_new(
        key: &ObjectKey,
        route: &Arc<Route>,
        next: &Snapshot,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let pool = match &route.backend {
            Backend::Pool(pool) => next.pools.get(pool).cloned(),
            Backend::Invalid => None,
            Backend::Inline(inline) => Some(inline_pool(key, inline, next, last.and_then(|last| last.pool.as_ref()))),
        };
        let same_pool = |last: &Self| match (&last.pool, &pool) {
            (Some(last), Some(now)) => Arc::ptr_eq(last, now),
            (None, None) => true,
            _ => false,
        };
        match last {
            Some(last) if Arc::ptr_eq(&last.route, route) && same_pool(last) => Arc::clone(last),
            _ => Arc::new(Self {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                key: key.clone(),
                route: Arc::clone(route),
                pool,
                rewrite: HeaderRewrite::for_route(&route.request_headers),
                retry: route.retry.as_ref().map(|retry| {
                    let last = last.and_then(|last| last.retry.as_deref());
                    Box::new(RetryRuntime::new(retry, last))
                }),
            }),
        }
    }
}

fn inline_pool(
    rule: &ObjectKey,
    inline: &InlinePool,
    next: &Snapshot,
    last: Option<&Arc<PoolRuntime>>,
) -> Arc<PoolRuntime> {
    let find = |key: &ObjectKey| {
        let (_, target) = inline.targets.iter().find(|(name, _)| name == key)?;
        let last = last.and_then(|last| last.target(key));
        Some(TargetRuntime::shared_or_new(
            key,
            &Arc::new(target.clone()),
            next.table.endpoints.get(key),
            last,
            &next.health,
        ))
    };
    PoolRuntime::shared_or_new(rule, &Arc::new(inline.pool.clone()), find, last)
}
