//! One version of the table, ready to serve from.

use std::collections::HashMap;
use std::sync::Arc;

use sluicegate_table::watch::{EntryId, EntryKind, Refusal};
use sluicegate_table::{Backend, InlinePool, ObjectKey, Route, Table, Target};

use super::pool::PoolRuntime;
use crate::endpoint::TargetRuntime;
use crate::forward::headers::{HeaderRewrite, UnusableHeaders};
use crate::matching::{BadPattern, Matcher, RouteIndex};

/// One version of the table, ready to serve from.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The table that it serves: what it was built from, but for the entries that were refused.
    pub table: Arc<Table>,
    /// The index over the routes.
    pub matcher: Matcher,
    routes: Vec<Arc<RouteRuntime>>,
    pools: HashMap<ObjectKey, Arc<PoolRuntime>>,
    targets: HashMap<ObjectKey, Arc<TargetRuntime>>,
}

/// A route, ready to serve from.
#[derive(Debug)]
pub struct RouteRuntime {
    /// The Rule's key.
    pub key: ObjectKey,
    /// The entry.
    pub route: Arc<Route>,
    /// Where its requests go; `None` when the table has no such pool.
    pub pool: Option<Arc<PoolRuntime>>,
    /// The Rule's header changes.
    pub rewrite: Result<HeaderRewrite, UnusableHeaders>,
}

impl Snapshot {
    /// Builds the snapshot of `table`, sharing with `previous` what did not change, and says which entries it refused:
    /// one bad entry keeps nothing else from being served. What `previous` had in their place stays, in
    /// [`Self::table`] too, so that the next table is held against what is in force.
    pub fn build(table: Arc<Table>, previous: &Self) -> (Self, Vec<Refusal>) {
        let (table, matcher, refused) = matched(table, previous);
        let runtime = |key: &ObjectKey, target: &Arc<Target>| {
            TargetRuntime::shared_or_new(key, target, table.endpoints.get(key), previous.targets.get(key))
        };
        let targets: HashMap<ObjectKey, Arc<TargetRuntime>> =
            table.targets.iter().map(|(key, target)| (key.clone(), runtime(key, target))).collect();
        let pools: HashMap<ObjectKey, Arc<PoolRuntime>> = table
            .pools
            .iter()
            .map(|(key, pool)| {
                let find = |target: &ObjectKey| targets.get(target).cloned();
                (key.clone(), PoolRuntime::shared_or_new(key, pool, find, previous.pools.get(key)))
            })
            .collect();
        let last_routes: HashMap<&ObjectKey, &Arc<RouteRuntime>> =
            previous.routes.iter().map(|route| (&route.key, route)).collect();
        let routes = table
            .routes
            .iter()
            .map(|(key, route)| RouteRuntime::shared_or_new(key, route, &table, &pools, last_routes.get(key).copied()))
            .collect();
        (Self { table, matcher, routes, pools, targets }, refused)
    }

    /// The route at a position that the matcher found.
    pub fn route(&self, index: RouteIndex) -> Option<&Arc<RouteRuntime>> {
        self.routes.get(index.0 as usize)
    }

    /// All routes, in the order of their keys.
    pub fn routes(&self) -> &[Arc<RouteRuntime>] {
        &self.routes
    }

    /// All pools: those of Upstreams, and those written in Rules.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<PoolRuntime>> {
        let inline = self.routes.iter().filter_map(|route| match route.route.backend {
            Backend::Inline(_) => route.pool.as_ref(),
            Backend::Pool(_) | Backend::Invalid => None,
        });
        self.pools.values().chain(inline)
    }
}

/// The matcher of a table's routes, and the table without those that it refuses.
fn matched(mut table: Arc<Table>, previous: &Snapshot) -> (Arc<Table>, Matcher, Vec<Refusal>) {
    let mut refused = Vec::new();
    loop {
        match Matcher::new(table.routes.iter().map(|(key, route)| (key, route.as_ref()))) {
            Ok(matcher) => return (table, matcher, refused),
            Err(BadPattern { route: key, message }) => {
                let routes = &mut Arc::make_mut(&mut table).routes;
                match previous.table.routes.get(&key) {
                    Some(before) => routes.insert(key.clone(), Arc::clone(before)),
                    None => routes.remove(&key),
                };
                refused.push(Refusal { id: EntryId { kind: EntryKind::Route, key }, reason: message });
            }
        }
    }
}

impl RouteRuntime {
    fn shared_or_new(
        key: &ObjectKey,
        route: &Arc<Route>,
        table: &Table,
        pools: &HashMap<ObjectKey, Arc<PoolRuntime>>,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let pool = match &route.backend {
            Backend::Pool(pool) => pools.get(pool).cloned(),
            Backend::Invalid => None,
            Backend::Inline(inline) => Some(inline_pool(key, inline, table, last.and_then(|last| last.pool.as_ref()))),
        };
        let same_pool = |last: &Self| match (&last.pool, &pool) {
            (Some(last), Some(now)) => Arc::ptr_eq(last, now),
            (None, None) => true,
            _ => false,
        };
        match last {
            Some(last) if Arc::ptr_eq(&last.route, route) && same_pool(last) => Arc::clone(last),
            _ => Arc::new(Self {
                key: key.clone(),
                route: Arc::clone(route),
                pool,
                rewrite: HeaderRewrite::for_route(&route.request_headers),
            }),
        }
    }
}

fn inline_pool(
    rule: &ObjectKey,
    inline: &InlinePool,
    table: &Table,
    last: Option<&Arc<PoolRuntime>>,
) -> Arc<PoolRuntime> {
    let find = |key: &ObjectKey| {
        let (_, target) = inline.targets.iter().find(|(name, _)| name == key)?;
        let last = last.and_then(|last| last.target(key));
        Some(TargetRuntime::shared_or_new(key, &Arc::new(target.clone()), table.endpoints.get(key), last))
    };
    PoolRuntime::shared_or_new(rule, &Arc::new(inline.pool.clone()), find, last)
}
