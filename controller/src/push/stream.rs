//! One proxy's stream: its lines are made when its connection asks for more, and not before.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sluicegate_table::watch::{Hashes, Message, Version};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::difference::{Difference, write};
use super::wire::Wire;
use crate::collect::{Fleet, ProxyId};
use crate::lead::Leadership;

/// The size of a piece: large enough that a whole table goes quickly, small enough that what waits in memory for a
/// proxy that does not read is nothing.
pub(super) const PIECE: usize = 16 * 1024;

/// How long a proxy may take to come back with a new token.
const RETURN: Duration = Duration::from_secs(5);

/// What a proxy has when it begins to watch.
#[derive(Debug)]
pub(super) enum Start {
    /// Nothing.
    Nothing,
    /// This term's version of that number.
    Version(Version),
    /// Entries with these hashes.
    Hashes(Hashes),
}

/// What happened since the proxy's version is no longer known, so it must come anew and say what it has.
struct Forgotten;

/// One proxy's stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// The versions.
    pub(super) wire: watch::Receiver<Arc<Wire>>,
    /// Whether this controller leads; the stream ends when it does not.
    pub(super) leadership: Leadership,
    /// When the proxy's token is no longer good; the stream ends then.
    pub(super) expires: Instant,
    /// How long there may be nothing to read.
    pub(super) heartbeat: Duration,
    /// When the last piece was made.
    pub(super) spoke: Instant,
    /// What the proxy had; taken when the first version is there.
    pub(super) start: Option<Start>,
    /// The version that was sent or is being sent.
    pub(super) sent: Arc<Wire>,
    /// What is still to be sent of it.
    pub(super) under_way: Option<Difference>,
    /// Counts the stream for as long as it lives.
    pub(super) watching: Watching,
}

impl Stream {
    /// The next piece; `None`: the stream ends.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.leadership.leads() {
                return None;
            }
            if Instant::now() >= self.expires {
                self.watching.linger();
                return None;
            }
            if let Some(difference) = &mut self.under_way {
                let mut buffer = BytesMut::new();
                if difference.write(&mut buffer, PIECE) {
                    self.under_way = None;
                }
                self.spoke = Instant::now();
                return Some(buffer.freeze());
            }
            let now = Arc::clone(&self.wire.borrow_and_update());
            self.under_way = self.difference(&now).ok()?;
            if self.under_way.is_some() {
                self.sent = now;
                continue;
            }
            tokio::select! {
                changed = self.wire.changed() => changed.ok()?,
                () = self.leadership.changed() => {}
                () = sleep_until(self.expires) => {}
                () = sleep_until(self.spoke + self.heartbeat) => {
                    let mut buffer = BytesMut::new();
                    write(&Message::Heartbeat, &mut buffer);
                    self.spoke = Instant::now();
                    return Some(buffer.freeze());
                }
            }
        }
    }

    /// What the proxy lacks of `now`, if anything.
    fn difference(&mut self, now: &Arc<Wire>) -> Result<Option<Difference>, Forgotten> {
        if !now.is_ready() || Arc::ptr_eq(now, &self.sent) {
            return Ok(None);
        }
        let difference = match self.start.take() {
            None => {
                let difference = Difference::between(&self.sent, now);
                return Ok((!difference.is_empty() || self.sent.version() != now.version()).then_some(difference));
            }
            Some(Start::Nothing) => Difference::whole(now),
            Some(Start::Hashes(hashes)) => Difference::from_hashes(&hashes, now),
            // It was known when the proxy asked, and may have been forgotten since.
            Some(Start::Version(version)) if !now.knows(&version) => return Err(Forgotten),
            Some(Start::Version(version)) => Difference::since(version.number, now),
        };
        Ok(Some(difference))
    }
}

/// Tells the fleet that a proxy watches, for as long as it lives.
#[derive(Clone, Debug)]
pub(super) struct Watching {
    _watched: Arc<Watched>,
}

#[derive(Debug)]
struct Watched {
    fleet: Arc<Fleet>,
    id: ProxyId,
}

impl Watching {
    pub(super) fn begin(fleet: &Arc<Fleet>, id: &ProxyId, pod: &str) -> Self {
        fleet.connected(id, pod);
        Self { _watched: Arc::new(Watched { fleet: Arc::clone(fleet), id: id.clone() }) }
    }

    /// A proxy whose token has ended comes back with its new one at once. What it reported holds until then: forgetting
    /// it would make every object's status change for a moment, and that once an hour.
    fn linger(&self) {
        let watching = self.clone();
        tokio::spawn(async move {
            sleep(RETURN).await;
            drop(watching);
        });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.fleet.disconnected(&self.id);
    }
}
