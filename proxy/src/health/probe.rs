//! A request's place in a round of a half-open circuit breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::EndpointHealth;

/// Lets one request through a half-open circuit breaker: the endpoint's, the Upstream's, or both. Dropped without a
/// judgement (the client went away), the place is given to another request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Probe {
    pub(crate) endpoint: Option<Place>,
    pub(crate) pool: Option<Place>,
}

/// A place in a round of one circuit breaker.
#[derive(Debug)]
pub(crate) struct Place {
    health: Arc<EndpointHealth>,
    /// The number of the half-open phase.
    phase: u32,
    judged: AtomicBool,
}

impl Probe {
    /// Each place that it holds.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.endpoint.iter().chain(&self.pool)
    }
}

impl Place {
    /// Takes a place; `None`: none is left.
    pub(crate) fn take(health: &Arc<EndpointHealth>) -> Option<Self> {
        let phase = health.take_place()?;
        Some(Self { health: Arc::clone(health), phase, judged: AtomicBool::new(false) })
    }

    /// The circuit breaker's owner.
    pub(crate) fn health(&self) -> &EndpointHealth {
        &self.health
    }

    /// The number of the half-open phase.
    pub(crate) fn phase(&self) -> u32 {
        self.phase
    }

    /// Uses the place up.
    pub(crate) fn judge(&self) {
        self.judged.store(true, Ordering::Relaxed);
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.health, &other.health) && self.phase == other.phase
    }
}

impl Eq for Place {}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.judged.load(Ordering::Relaxed) {
            self.health.give_back(self.phase);
        }
    }
}
