//! A request's place in a round of a half-open circuit breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

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
    /// Of the ones below.
    became: AtomicU8,
}

/// Nothing is known yet.
const HELD: u8 = 0;
/// It is used up.
const SUCCEEDED: u8 = 1;
/// It is used up.
const FAILED: u8 = 2;
/// It is another request's, or will be.
const LET_GO: u8 = 3;

impl Probe {
    /// Each place that it holds.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.endpoint.iter().chain(&self.pool)
    }

    /// How long it may take to an answer's head, whichever pool its request belongs to: `timeout` of the circuit breaker that
    /// wants to know.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.places().map(|place| place.health.probes_within()).min()
    }

    /// It has failed, as far as it is still under way; what becomes of its request besides is judged as that of any other.
    pub(crate) fn fail(&self) {
        // A failure closes nothing, so that nothing recovers.
        self.places().for_each(|place| place.judge(false, Duration::ZERO));
    }

    /// Its request finds nothing out in time: another one takes its place.
    pub(crate) fn let_go(&self) {
        self.places().for_each(Place::let_go);
    }
}

impl Place {
    /// Takes a place; `None`: none is left.
    pub(crate) fn take(health: &Arc<EndpointHealth>) -> Option<Self> {
        let phase = health.take_place()?;
        Some(Self { health: Arc::clone(health), phase, became: AtomicU8::new(HELD) })
    }

    /// Uses the place up, unless it is already or is another's. `recovery`: as for [`EndpointHealth::probed`].
    pub(crate) fn judge(&self, succeeded: bool, recovery: Duration) {
        if self.becomes(if succeeded { SUCCEEDED } else { FAILED }) {
            self.health.probed(self.phase, succeeded, recovery);
        }
    }

    /// What counted as a success was none.
    pub(crate) fn take_back(&self) {
        if self.became.load(Ordering::Relaxed) == SUCCEEDED {
            self.health.take_back_probe(self.phase);
        }
    }

    fn let_go(&self) {
        if self.becomes(LET_GO) {
            self.health.give_back(self.phase);
        }
    }

    /// Whether it was held until now.
    fn becomes(&self, what: u8) -> bool {
        self.became.compare_exchange(HELD, what, Ordering::Relaxed, Ordering::Relaxed).is_ok()
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
        self.let_go();
    }
}
