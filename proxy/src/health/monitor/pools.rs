//! What is told of pools as a whole: that one panics, and how its circuit breaker stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluicegate_table::watch::BreakerState;

use crate::pick::Panic;
use crate::receive::{PoolId, PoolRuntime};

/// The pools in force, and what was last told of each.
#[derive(Default)]
pub(super) struct Pools(BTreeMap<PoolId, Entry>);

struct Entry {
    pool: Arc<PoolRuntime>,
    told: Told,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    panic: Option<Panic>,
    breaker: Option<BreakerState>,
}

impl Pools {
    /// Takes in a pool that has come, gone or changed.
    pub(super) fn set(&mut self, id: PoolId, pool: Option<&Arc<PoolRuntime>>) {
        let Some(pool) = pool else {
            self.0.remove(&id);
            return;
        };
        match self.0.get_mut(&id) {
            Some(entry) => entry.pool = Arc::clone(pool),
            None => drop(self.0.insert(id, Entry { told: Told::of(pool), pool: Arc::clone(pool) })),
        }
    }

    /// Tells of what has changed.
    pub(super) fn look(&mut self) {
        for (PoolId { key, .. }, entry) in &mut self.0 {
            let now = Told::of(&entry.pool);
            let before = std::mem::replace(&mut entry.told, now);
            match now.panic {
                _ if before.panic == now.panic => {}
                Some(panic) => tracing::warn!(upstream = %key, "{panic}"),
                None => tracing::info!(upstream = %key, "enough targets are usable again: healthy ones alone are used"),
            }
            if before.breaker != now.breaker
                && let (Some(from), Some(to)) = (before.breaker, now.breaker)
            {
                tracing::warn!(upstream = %key, ?from, ?to, "an upstream's circuit breaker changed");
            }
        }
    }
}

impl Told {
    fn of(pool: &PoolRuntime) -> Self {
        let breaker = pool.balancer.breaker().map(|breaker| breaker.view().breaker);
        Self { panic: pool.balancer.panic(), breaker }
    }
}
