//! What is told of pools as a whole: that one panics, and how its circuit breaker stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{BreakerState, UpstreamReport};

use crate::pick::Panic;
use crate::receive::{PoolId, PoolRuntime};

/// The pools in force, and what was last told of each.
#[derive(Default)]
pub(super) struct Pools {
    entries: BTreeMap<PoolId, Entry>,
    /// Upstreams whose own circuit breaker is not closed.
    broken: BTreeMap<ObjectKey, BreakerState>,
}

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
    /// Takes in a pool that has come, gone or changed; whether [`Self::broken`] is new.
    pub(super) fn set(&mut self, id: PoolId, pool: Option<&Arc<PoolRuntime>>) -> bool {
        let Some(pool) = pool else {
            let new = note(&mut self.broken, &id, None);
            self.entries.remove(&id);
            return new;
        };
        let told = Told::of(pool);
        let new = note(&mut self.broken, &id, told.breaker);
        match self.entries.get_mut(&id) {
            Some(entry) => entry.pool = Arc::clone(pool),
            None => drop(self.entries.insert(id, Entry { told, pool: Arc::clone(pool) })),
        }
        new
    }

    /// The Upstreams whose own circuit breaker is not closed.
    pub(super) fn broken(&self) -> Arc<[UpstreamReport]> {
        let report = |(upstream, breaker): (&ObjectKey, &BreakerState)| UpstreamReport {
            upstream: upstream.clone(),
            breaker: *breaker,
        };
        self.broken.iter().map(report).collect()
    }

    /// Tells of what has changed; whether [`Self::broken`] is new.
    pub(super) fn look(&mut self) -> bool {
        let mut new = false;
        for (id, entry) in &mut self.entries {
            let key = &id.key;
            let now = Told::of(&entry.pool);
            new |= note(&mut self.broken, id, now.breaker);
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
        new
    }
}

/// Notes how the breaker of a pool stands; whether that is new. Pools that are written in Rules have none.
fn note(broken: &mut BTreeMap<ObjectKey, BreakerState>, id: &PoolId, breaker: Option<BreakerState>) -> bool {
    match breaker.filter(|state| *state != BreakerState::Closed && !id.inline) {
        Some(state) => broken.insert(id.key.clone(), state) != Some(state),
        None => !id.inline && broken.remove(&id.key).is_some(),
    }
}

impl Told {
    fn of(pool: &PoolRuntime) -> Self {
        let breaker = pool.balancer.breaker().map(|breaker| breaker.view().breaker);
        Self { panic: pool.balancer.panic(), breaker }
    }
}
