//! Follows the endpoints in force: has them checked, and tells of every change of their health.
//!
//! One task on the control runtime. An edit of the table costs what differs, a change of health one look over all
//! endpoints, at most ten times a second: what flaps faster than that is told as it then stands.

mod findings;
mod pools;
mod watched;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

pub use findings::{Finding, Findings, Found};

use tokio::time::Instant;

use self::watched::Watched;
use super::checks::Dialer;
use crate::observe::metrics::Metrics;
use crate::pace::Pace;
use crate::receive::Current;

/// The least time between two looks over all endpoints.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// How much longer than a look takes the next one waits at least, so that looks take a small part of a core at most.
const PER_LOOK: u32 = 30;

/// Follows what is in force in `current` for ever. Dropped, it stops all checks.
pub(crate) async fn monitor(current: Arc<Current>, dialer: Dialer, metrics: Arc<Metrics>) {
    let mut snapshot = Arc::default();
    let mut watched = Watched::new(dialer, metrics);
    let mut changes = current.load().health.changes();
    let mut looks = Pace::new(BETWEEN_LOOKS);
    loop {
        let mut applied = pin!(current.changed());
        // Whatever is put in force between the look and the wait must not be missed.
        applied.as_mut().enable();
        let now = current.load();
        watched.follow(&snapshot, &now);
        snapshot = now;
        watched.publish(current.findings());
        tokio::select! {
            () = applied => {}
            () = looks.due(changes.changed()) => {
                let begun = Instant::now();
                watched.look();
                looks.rest(begun.elapsed() * PER_LOOK);
            }
        }
    }
}

#[cfg(test)]
mod tests;
