//! From one snapshot to the next: what differs between their tables, and what refers to it, is made anew.
//!
//! Targets first, then the pools that have them as members, then the routes that go to those: each step knows by then what
//! it stands on.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use imbl::ordmap::DiffItem;
use sluicegate_table::watch::{EntryId, EntryKind, Refusal};
use sluicegate_table::{Backend, Entries, ObjectKey, Route, Table};

use super::pool::PoolRuntime;
use super::references::References;
use super::snapshot::{RouteRuntime, Snapshot};
use crate::endpoint::TargetRuntime;
use crate::forward::upstream::{Link, LinkId};
use crate::matching::{BadPattern, Indexed, RouteIndex};

/// A snapshot made from another.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) snapshot: Snapshot,
    /// The entries that cannot be used.
    pub(super) refused: Vec<Refusal>,
    /// The links that the snapshot no longer leads to.
    pub(super) gone: Vec<Arc<Link>>,
    /// The pools that were made anew.
    pub(super) anew: Vec<Arc<PoolRuntime>>,
}

/// What becomes of a snapshot with `table`.
pub(super) fn edited(previous: &Snapshot, table: Arc<Table>) -> Edited {
    let before = &previous.table;
    let mut targets = changed(&before.targets, &table.targets);
    targets.extend(changed(&before.endpoints, &table.endpoints));
    let mut pools = changed(&before.pools, &table.pools);
    let mut routes = changed(&before.routes, &table.routes);

    let snapshot = Snapshot { table, ..previous.clone() };
    let mut edited = Edited { snapshot, refused: Vec::new(), gone: Vec::new(), anew: Vec::new() };
    edited.index(&routes, before);
    for target in &targets {
        routes.extend(previous.places_of.to(target));
        if edited.set_target(target) {
            pools.extend(previous.pools_of.to(target));
        }
    }
    for pool in &pools {
        if edited.set_pool(pool) {
            routes.extend(previous.routes_of.to(pool));
        }
    }
    for route in &routes {
        edited.set_route(route);
    }
    edited
}

/// The keys of the entries that differ.
fn changed<T: PartialEq>(before: &Entries<T>, now: &Entries<T>) -> BTreeSet<ObjectKey> {
    let key = |item| match item {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => {
            ObjectKey::clone(key)
        }
    };
    before.diff(now).map(key).collect()
}

impl Edited {
    /// Indexes routes anew. What cannot be indexed stays as it was.
    fn index(&mut self, routes: &BTreeSet<ObjectKey>, before: &Table) {
        let next = &mut self.snapshot;
        let mut edits = Vec::with_capacity(routes.len());
        let mut freed = Vec::new();
        for key in routes {
            let last = before.routes.get(key);
            let Some(route) = next.table.routes.get(key) else {
                let Some(index) = next.numbers.remove(key) else { continue };
                edits.push((index, None));
                freed.push(index);
                if let Some(gone) = next.routes.set(index.0, None) {
                    self.gone.extend(written_in_place(&gone).into_iter().flat_map(|pool| links(pool).cloned()));
                    refer(next, &gone, References::remove);
                }
                continue;
            };
            if last.is_some_and(|last| same_conditions(last, route)) {
                continue;
            }
            let number = next.numbers.get(key).copied();
            // A number that is given back in this very edit would come twice, so it is free from the next one on.
            let index = number.or_else(|| next.free.get_min().copied()).unwrap_or(RouteIndex(next.highest));
            match Indexed::new(index, key, route) {
                Ok(indexed) => {
                    if number.is_none() {
                        if next.free.remove(&index).is_none() {
                            next.highest += 1;
                        }
                        next.numbers.insert(key.clone(), index);
                    }
                    edits.push((index, Some(indexed)));
                }
                Err(BadPattern { route: key, message }) => {
                    let routes = &mut Arc::make_mut(&mut next.table).routes;
                    match last {
                        Some(last) => routes.insert(key.clone(), Arc::clone(last)),
                        None => routes.remove(&key),
                    };
                    self.refused.push(Refusal { id: EntryId { kind: EntryKind::Route, key }, reason: message });
                }
            }
        }
        next.matcher.edit(edits);
        next.free.extend(freed);
    }

    /// Makes a Target anew; `false`: nothing has changed.
    fn set_target(&mut self, key: &ObjectKey) -> bool {
        let next = &mut self.snapshot;
        let last = next.targets.get(key);
        let Some(target) = next.table.targets.get(key) else {
            return next.targets.remove(key).is_some();
        };
        let now = TargetRuntime::shared_or_new(key, target, next.table.endpoints.get(key), last, &next.health);
        if last.is_some_and(|last| Arc::ptr_eq(last, &now)) {
            return false;
        }
        next.targets.insert(key.clone(), now);
        true
    }

    /// Makes a pool anew; `false`: nothing has changed.
    fn set_pool(&mut self, key: &ObjectKey) -> bool {
        let next = &mut self.snapshot;
        let last = next.pools.get(key).cloned();
        let now = next.table.pools.get(key).map(|pool| {
            let find = |target: &ObjectKey| next.targets.get(target).cloned();
            PoolRuntime::shared_or_new(key, pool, find, last.as_ref())
        });
        if let (Some(last), Some(now)) = (&last, &now)
            && Arc::ptr_eq(last, now)
        {
            return false;
        }
        for target in last.iter().flat_map(|last| last.target_keys()) {
            next.pools_of.remove(target, key);
        }
        for target in now.iter().flat_map(|now| now.target_keys()) {
            next.pools_of.add(target, key);
        }
        self.gone.extend(left_behind(last.as_deref(), now.as_deref()));
        self.anew.extend(now.clone());
        match now {
            Some(now) => next.pools.insert(key.clone(), now),
            None => next.pools.remove(key),
        };
        true
    }

    /// Makes a route anew that is indexed.
    fn set_route(&mut self, key: &ObjectKey) {
        let next = &mut self.snapshot;
        let Some((index, route)) = next.numbers.get(key).copied().zip(next.table.routes.get(key)) else { return };
        let last = next.routes.get(index.0).cloned();
        let now = RouteRuntime::shared_or_new(key, route, next, last.as_ref());
        if last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &now)) {
            return;
        }
        let pool = written_in_place(&now);
        if let Some(last) = &last {
            refer(next, last, References::remove);
            self.gone.extend(left_behind(written_in_place(last).map(AsRef::as_ref), pool.map(AsRef::as_ref)));
        }
        refer(next, &now, References::add);
        self.anew.extend(pool.cloned());
        next.routes.set(index.0, Some(now));
    }
}

/// Whether two versions of a route are indexed alike.
fn same_conditions(last: &Route, now: &Route) -> bool {
    last.created == now.created
        && last.hostnames == now.hostnames
        && last.matches == now.matches
        && last.traffic == now.traffic
        && last.buffer_size == now.buffer_size
}

/// Does to the references of a route what `change` says.
fn refer(snapshot: &mut Snapshot, route: &RouteRuntime, change: fn(&mut References, &ObjectKey, &ObjectKey)) {
    match &route.route.backend {
        Backend::Pool(pool) => change(&mut snapshot.routes_of, pool, &route.key),
        Backend::Inline(inline) => {
            for (target, _) in inline.targets.iter().filter(|(_, target)| target.discovered) {
                change(&mut snapshot.places_of, target, &route.key);
            }
        }
        Backend::Invalid => {}
    }
}

/// The pool that a Rule has written in place: it comes and goes with the Rule.
fn written_in_place(route: &RouteRuntime) -> Option<&Arc<PoolRuntime>> {
    route.pool.as_ref().filter(|_| matches!(route.route.backend, Backend::Inline(_)))
}

fn links(pool: &PoolRuntime) -> impl Iterator<Item = &Arc<Link>> {
    pool.members().iter().filter_map(|member| member.reach.as_ref()).map(|reach| &reach.link)
}

/// The links of a pool that its next version does not have.
fn left_behind(last: Option<&PoolRuntime>, now: Option<&PoolRuntime>) -> Vec<Arc<Link>> {
    let kept: HashSet<LinkId> = now.into_iter().flat_map(links).map(|link| link.id()).collect();
    last.into_iter().flat_map(links).filter(|link| !kept.contains(&link.id())).cloned().collect()
}
