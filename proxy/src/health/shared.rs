//! What the endpoints of a process have in common: word of their changes.

use tokio::sync::watch;

/// What the endpoints of a process have in common. Handed on from one version of the table to the next.
#[derive(Debug)]
pub struct Shared {
    /// How many changes there were.
    changes: watch::Sender<u64>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { changes: watch::Sender::new(0) }
    }
}

impl Shared {
    /// Subscribes to changes of the health of endpoints, of their circuit breakers, and of those of pools.
    pub fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
    }

    /// Tells subscribers that something changed. Steps of a ramp are no changes.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }
}

/// Word that the health of some endpoint changed. Many changes in a short time are one; which endpoints have changed, their
/// [`View`](super::View)s say.
#[derive(Debug)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Done when something has changed since the last call was done, or since the subscription. Never, once nothing is
    /// left that could change.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
