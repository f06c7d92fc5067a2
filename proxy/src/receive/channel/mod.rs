//! The watch channel's end on the proxy's side: from the controller's lines to the table in force.
//!
//! A session is one connection: `connect` makes it, `watch` reads its lines, `Received` keeps what they say and puts each
//! committed version in force, `report` answers. Whatever goes wrong ends the session, and the next one begins where the
//! last commit left off; what is in force stays in force meanwhile.

mod backoff;
mod connect;
mod lines;
mod received;
mod report;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::backoff::Backoff;
pub(super) use self::received::Held;
use self::received::Received;
use self::session::{End, Session};
use super::Current;
use super::saved::{Keeper, Saved};
use crate::config::Controller;

/// How a proxy uses the channel.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Where the controller is.
    pub controller: Controller,
    /// Where the table in force is kept for the next start.
    pub saved_table: Option<PathBuf>,
    /// How long the controller may be silent before its connection counts as dead: three heartbeats.
    pub silence: Duration,
    /// The first wait before connecting again; it doubles up to `longest_wait`.
    pub shortest_wait: Duration,
    /// The longest wait before connecting again.
    pub longest_wait: Duration,
}

impl ChannelSettings {
    /// With the usual times.
    pub fn new(controller: Controller, saved_table: Option<PathBuf>) -> Self {
        Self {
            controller,
            saved_table,
            silence: Duration::from_secs(45),
            shortest_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(5),
        }
    }
}

/// The channel. It does its work within [`Channel::run`].
#[derive(Debug)]
pub struct Channel {
    settings: ChannelSettings,
    received: Received,
    keeper: Option<Keeper>,
    reports: watch::Sender<sluicegate_table::watch::Report>,
}

impl Channel {
    /// Puts the saved table in force, where there is one that can be used, so that the proxy serves while the controller
    /// is away. Reads a file, and must be called within a runtime.
    pub fn new(settings: ChannelSettings, current: Arc<Current>) -> Self {
        let mut received = Received::new(current);
        if let Some(file) = &settings.saved_table {
            match Saved::read(file) {
                Ok(Some(saved)) => {
                    tracing::info!(file = %file.display(), entries = saved.entries.len(), "the saved table is in force");
                    received.restore(saved);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the saved table cannot be used; the controller's is waited for"),
            }
        }
        let keeper = settings.saved_table.clone().map(Keeper::start);
        let (reports, _) = watch::channel(received.report());
        Self { settings, received, keeper, reports }
    }

    /// Follows the controller for ever.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(self.settings.shortest_wait, self.settings.longest_wait);
        let mut leader: Option<String> = None;
        let mut last = String::new();
        loop {
            let asked = leader.take();
            let session = Session {
                settings: &self.settings,
                received: &mut self.received,
                keeper: self.keeper.as_ref(),
                reports: &self.reports,
            };
            let (end, progress) = session.run(asked.as_deref()).await;
            if progress {
                backoff.reset();
                last.clear();
            }
            match end {
                End::Finished => tracing::debug!("the controller ended the watch; connecting again"),
                End::NotTheLeader { leader: Some(address) } if asked.is_none() => {
                    tracing::debug!(%address, "another controller leads");
                    leader = Some(address);
                    continue;
                }
                // A controller that names another one whom it then names again knows no better than to be asked later.
                End::NotTheLeader { .. } => tracing::debug!("no controller leads yet"),
                End::Failed(error) => {
                    let text = error.to_string();
                    if text == last {
                        tracing::debug!(error = %text, "still no connection to the controller");
                    } else {
                        tracing::warn!(error = %text, "no connection to the controller; what is in force stays in force");
                        last = text;
                    }
                }
            }
            backoff.wait().await;
        }
    }
}
