//! A folder that is read again whenever it changes.
//!
//! Reading happens on a thread of its own, so that no runtime waits for a disk. What arrives is the newest state: a
//! reader that was busy misses the states in between, never the last one. Watching the folder's *entries* covers
//! editors that write beside a file and rename, and mounted `ConfigMaps`, where one link is swapped; watching its
//! parent covers a folder that is replaced as a whole. A slow rescan is the net below, since file systems exist that
//! report nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch as channel;

use super::contents::Folder;
use super::files::{FolderError, list};
use super::finding::{Finding, Reason};
use super::reader::Reader;
use crate::problem::Severity;

/// How long nothing may happen before the folder is read: a save is several events.
const QUIET: Duration = Duration::from_millis(30);
/// The longest that a folder which never comes to rest is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a file that looks half-written is given to become whole.
const DOUBT: Duration = Duration::from_millis(150);
/// How often the folder is read although nothing was reported.
const RESCAN: Duration = Duration::from_secs(5);

/// The states of a watched folder. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watch {
    states: channel::Receiver<Arc<Folder>>,
    stop: mpsc::Sender<Signal>,
}

impl Watch {
    /// The newest state.
    pub fn current(&self) -> Arc<Folder> {
        self.states.borrow().clone()
    }

    /// The next state that this function has not given yet; the one that [`watch`] found does not count. `None`: the
    /// watching ended, which happens only if its thread did.
    pub async fn changed(&mut self) -> Option<Arc<Folder>> {
        self.states.changed().await.ok()?;
        Some(self.states.borrow_and_update().clone())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread is gone if nobody listens.
        let _ = self.stop.send(Signal::Stop);
    }
}

#[derive(Debug)]
enum Signal {
    Changed,
    Stop,
}

/// Reads a folder, which blocks, and from then on watches it.
pub fn watch(path: &Path) -> Result<Watch, FolderError> {
    start(path, RESCAN)
}

fn start(path: &Path, rescan: Duration) -> Result<Watch, FolderError> {
    // Where this fails there is one thing to say, and nothing to watch.
    list(path)?;
    let (signals, received) = mpsc::channel();
    // Watching begins before reading: a change in between is seen.
    let mut eyes = Eyes::new(path, signals.clone());
    eyes.look();
    let mut reader = Reader::new([path]);
    let folder = Arc::new(reader.read()?);
    if path.is_file() {
        return Err(FolderError::NotAFolder { path: path.to_owned() });
    }
    let (sender, states) = channel::channel(folder.clone());
    let watcher = Follower { eyes, reader, received, rescan, sender, last: folder, lost: false };
    let thread = thread::Builder::new().name("folder".to_owned()).spawn(move || watcher.run());
    thread.map_err(|error| FolderError::Unreadable { path: path.to_owned(), error })?;
    Ok(Watch { states, stop: signals })
}

/// The operating system's notifications for a folder, wherever its path leads at the moment.
struct Eyes {
    path: PathBuf,
    watcher: Option<RecommendedWatcher>,
    seen: Option<Identity>,
    /// It was said that the folder cannot be watched.
    warned: bool,
}

/// Which folder a path leads to.
type Identity = (u64, u64);

impl Eyes {
    fn new(path: &Path, signals: mpsc::Sender<Signal>) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (name, folder) = (path.file_name().map(ToOwned::to_owned), path.clone());
        let inside = move |changed: &PathBuf| changed.file_name() == name.as_deref() || changed.starts_with(&folder);
        let handler = move |event: notify::Result<Event>| {
            let news = match &event {
                Ok(event) => changes(event.kind) && (event.paths.is_empty() || event.paths.iter().any(&inside)),
                Err(_) => true,
            };
            if news {
                // The receiver is gone while the watching ends.
                let _ = signals.send(Signal::Changed);
            }
        };
        let watcher = notify::recommended_watcher(handler);
        if let Err(error) = &watcher {
            tracing::warn!(path = %path.display(), %error, "cannot watch the folder: it is read every {} s", RESCAN.as_secs());
        }
        Self { path, watcher: watcher.ok(), seen: None, warned: false }
    }

    /// Follows the path, should it lead to another folder than before.
    fn look(&mut self) {
        let now = identity(&self.path);
        if now == self.seen {
            return;
        }
        let Some(watcher) = &mut self.watcher else { return };
        // The old folder may be gone, and with it its watch.
        let _ = watcher.unwatch(&self.path);
        self.seen = now;
        if now.is_some()
            && let Err(error) = watcher.watch(&self.path, RecursiveMode::NonRecursive)
        {
            self.seen = None;
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(path = %self.path.display(), %error, "cannot watch the folder: it is read every {} s", RESCAN.as_secs());
            }
        }
        // Only for a folder that is replaced as a whole; without it the rescan finds that too.
        if let Some(parent) = self.path.parent() {
            let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
    }
}

/// Reading a file is an event as well, and no news.
fn changes(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.is_dir().then_some((0, 0))
}

struct Follower {
    eyes: Eyes,
    reader: Reader,
    received: mpsc::Receiver<Signal>,
    rescan: Duration,
    sender: channel::Sender<Arc<Folder>>,
    last: Arc<Folder>,
    /// The folder is gone, and that was said.
    lost: bool,
}

/// The watching ends.
struct Stopped;

impl Follower {
    fn run(mut self) {
        while self.round().is_ok() {}
    }

    /// Waits for news, reads, and publishes what changed.
    fn round(&mut self) -> Result<(), Stopped> {
        match self.received.recv_timeout(self.rescan) {
            Ok(Signal::Changed) => self.settle(QUIET)?,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(Stopped),
        }
        self.eyes.look();
        let mut read = self.reader.refresh();
        // Two looks a little apart tell a file that is being written from one that is wrong.
        if read.is_err() && !self.lost || self.reader.doubtful() {
            self.settle(DOUBT)?;
            self.eyes.look();
            read = match (read, self.reader.refresh()) {
                (Ok(Some(first)), Ok(None)) => Ok(Some(first)),
                (_, second) => second,
            };
        }
        match read {
            Ok(None) if !self.lost => {}
            Ok(Some(folder)) => self.publish(folder),
            // It is back as it was; what was said of its absence no longer holds.
            Ok(None) => match self.reader.read() {
                Ok(folder) => self.publish(folder),
                Err(error) => self.lose(&error),
            },
            Err(error) => self.lose(&error),
        }
        Ok(())
    }

    /// Lets the events of one change pass: until it is quiet for a while, but not for ever.
    fn settle(&mut self, quiet: Duration) -> Result<(), Stopped> {
        let end = Instant::now() + PATIENCE.max(quiet);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(quiet.min(left)) {
                Ok(Signal::Changed) if !left.is_zero() => {}
                Ok(Signal::Changed) | Err(RecvTimeoutError::Timeout) => return Ok(()),
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(Stopped),
            }
        }
    }

    fn publish(&mut self, folder: Folder) {
        self.lost = false;
        self.last = Arc::new(folder);
        self.sender.send_replace(self.last.clone());
    }

    /// Keeps the objects of the last good reading, and says once that they are old.
    fn lose(&mut self, error: &FolderError) {
        if self.lost {
            return;
        }
        let mut folder = Folder::clone(&self.last);
        folder.findings.push(Finding {
            place: None,
            severity: Severity::Error,
            object: None,
            field: None,
            reason: Reason::Unreadable.to_string(),
            message: error.to_string(),
            hint: Some("what it held before stays in force".to_owned()),
        });
        tracing::warn!(%error, "what the folder held before stays in force");
        self.publish(folder);
        self.lost = true;
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
