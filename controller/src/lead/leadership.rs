//! Whether this controller leads, as everything that pushes or writes asks it.
//!
//! Leading ends by itself at a deadline: a process that was frozen past it finds out before its next write, not when its
//! election task next runs.

use tokio::sync::watch;
use tokio::time::Instant;

/// Where this controller stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It leads until then, unless it renews its lease before.
    Leads {
        /// Counts this process's times as leader: another number means that it did not lead for a while, and that another
        /// one may have led meanwhile.
        term: u64,
        /// When others may take over, less the time that clocks and writes under way may need.
        until: Instant,
    },
    /// Another one leads, or none.
    Follows {
        /// The host and port of the leader's watch channel, where somebody leads.
        leader: Option<String>,
    },
}

/// A view of where this controller stands; all clones see the same.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<Standing>);

impl Leadership {
    /// A view of what the sender says.
    pub fn new(receiver: watch::Receiver<Standing>) -> Self {
        Self(receiver)
    }

    /// Whether it leads at this moment.
    pub fn leads(&self) -> bool {
        matches!(*self.0.borrow(), Standing::Leads { until, .. } if Instant::now() < until)
    }

    /// The term in which it leads at this moment.
    pub fn term(&self) -> Option<u64> {
        match *self.0.borrow() {
            Standing::Leads { term, until } if Instant::now() < until => Some(term),
            _ => None,
        }
    }

    /// Where it stands.
    pub fn standing(&self) -> Standing {
        self.0.borrow().clone()
    }

    /// Returns when the standing was set anew, renewals included; for ever pending once nobody sets it any more.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
