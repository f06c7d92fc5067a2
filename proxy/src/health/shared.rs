//! What the endpoints of a process have in common: the timetable, word of their changes, and one ejection at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::generation::Generation;
use super::timetable::Timetable;

/// What the endpoints of a process have in common. Handed on from one version of the table to the next.
#[derive(Debug)]
pub struct Shared {
    timetable: Timetable,
    /// Held while somebody counts the ejected ones of a level and ejects one more.
    ejecting: Mutex<()>,
    /// Counts changes, for those who have worked out something from the words of several endpoints.
    generation: Generation,
    changes: watch::Sender<()>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            timetable: Timetable::default(),
            ejecting: Mutex::default(),
            generation: Generation::new(),
            changes: watch::Sender::new(()),
        }
    }
}

impl Shared {
    /// Subscribes to changes of the health of endpoints, of their circuit breakers, and of those of pools.
    pub fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
    }

    pub(super) fn timetable(&self) -> &Timetable {
        &self.timetable
    }

    /// Keeps all others from ejecting until it is dropped.
    pub(super) fn ejecting(&self) -> MutexGuard<'_, ()> {
        self.ejecting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows with each change, after it can be seen.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.now()
    }

    /// Something changed. Steps of a ramp are no changes.
    pub(super) fn changed(&self) {
        self.generation.grow();
        self.changes.send_replace(());
    }
}

/// Word that the health of some endpoint changed. Many changes in a short time are one; which endpoints have changed, their
/// [`View`](super::View)s say.
#[derive(Debug)]
pub struct Changes(watch::Receiver<()>);

impl Changes {
    /// Done when something has changed since the last call was done, or since the subscription. Never, once nothing is
    /// left that could change.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
