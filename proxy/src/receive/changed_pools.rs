//! What differs between the pools of two versions, for those who keep something for each.

use std::sync::Arc;

use imbl::ordmap::DiffItem;
use sluicegate_table::{Backend, ObjectKey};

use super::pool::PoolRuntime;
use super::snapshot::{RouteRuntime, Snapshot};

/// Tells the pools of a version apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PoolId {
    /// The Upstream's key; for a pool written in a Rule, the Rule's.
    pub(crate) key: ObjectKey,
    /// Whether it is written in a Rule.
    pub(crate) inline: bool,
}

/// A pool that was, that is, or both.
type Changed<'a> = (PoolId, Option<&'a Arc<PoolRuntime>>, Option<&'a Arc<PoolRuntime>>);

impl Snapshot {
    /// The pools that differ from those of an earlier version, as they were and as they are. Costs what was edited between
    /// the two, not what is in them.
    pub(crate) fn changed_pools<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = Changed<'a>> {
        let upstreams = before.pools.diff(&self.pools).map(|item| {
            let id = |key: &ObjectKey| PoolId { key: key.clone(), inline: false };
            match item {
                DiffItem::Add(key, now) => (id(key), None, Some(now)),
                DiffItem::Remove(key, then) => (id(key), Some(then), None),
                DiffItem::Update { old: (_, then), new: (key, now) } => (id(key), Some(then), Some(now)),
            }
        });
        let inline = self.routes.beside(&before.routes).flat_map(|(then, now)| {
            let (then, now) = (then.and_then(written_in), now.and_then(written_in));
            let id = |pool: &PoolRuntime| PoolId { key: pool.key.clone(), inline: true };
            match (then, now) {
                (Some(then), Some(now)) if Arc::ptr_eq(then, now) => [None, None],
                (Some(then), Some(now)) if then.key == now.key => [Some((id(now), Some(then), Some(now))), None],
                // The number went from one Rule to another.
                (then, now) => {
                    [then.map(|then| (id(then), Some(then), None)), now.map(|now| (id(now), None, Some(now)))]
                }
            }
        });
        upstreams.chain(inline.flatten())
    }
}

/// The pool that is written in a Rule.
fn written_in(route: &Arc<RouteRuntime>) -> Option<&Arc<PoolRuntime>> {
    route.pool.as_ref().filter(|_| matches!(route.route.backend, Backend::Inline(_)))
}
