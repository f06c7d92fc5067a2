//! New certificates while connections stay.
//!
//! The folders are watched rather than the files: a mounted Secret changes by swapping a symlink beside them, and tools
//! that renew certificates replace files. A burst of changes is waited out, so that a certificate is not read before its
//! key is there. Some file systems report no changes at all, so the files are also read once a minute.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{info, warn};

use super::{ListenerTls, TlsError};

const POLL: Duration = Duration::from_mins(1);
/// A burst of changes is over when nothing has happened for this long…
const QUIET: Duration = Duration::from_millis(100);
/// …or when it has gone on for this long.
const BURST: Duration = Duration::from_secs(2);

/// Keeps watching until it is dropped.
#[derive(Debug)]
pub struct CertificateWatch {
    _watcher: Option<RecommendedWatcher>,
    /// With the watcher's own sender the last one: dropping both ends the thread.
    _sender: Sender<()>,
}

/// Watches the listeners' certificates on a thread of its own and logs what comes of it. Without listeners there is no
/// thread.
///
/// # Errors
/// The system would not start a thread.
pub fn watch(listeners: Vec<ListenerTls>) -> std::io::Result<CertificateWatch> {
    watch_with(listeners, |listener, outcome| {
        let files = listener.files();
        match outcome {
            Ok(()) => info!(?files, "new certificates are in use"),
            Err(error) => warn!(%error, "new certificates cannot be used; the old ones stay"),
        }
    })
}

/// As [`watch`], with each change or refusal handed to `report`.
pub(super) fn watch_with(
    listeners: Vec<ListenerTls>,
    report: impl Fn(&ListenerTls, Result<(), TlsError>) + Send + 'static,
) -> std::io::Result<CertificateWatch> {
    let (sender, receiver) = channel();
    if listeners.is_empty() {
        return Ok(CertificateWatch { _watcher: None, _sender: sender });
    }
    let watcher = watch_folders(&listeners, sender.clone());
    thread::Builder::new().name("certificates".to_owned()).spawn(move || {
        while wait_for_change(&receiver) {
            for listener in &listeners {
                match listener.reload() {
                    Ok(true) => report(listener, Ok(())),
                    Ok(false) => {}
                    Err(error) => report(listener, Err(error)),
                }
            }
        }
    })?;
    Ok(CertificateWatch { _watcher: watcher, _sender: sender })
}

fn watch_folders(listeners: &[ListenerTls], sender: Sender<()>) -> Option<RecommendedWatcher> {
    let files = listeners.iter().flat_map(ListenerTls::files);
    let folders: BTreeSet<PathBuf> = files.flat_map(|files| [folder(&files.certificate), folder(&files.key)]).collect();
    let changed = move |event: notify::Result<Event>| {
        // Reading the files is an event too, and must not lead to reading them again.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // The receiver is gone only when the watch itself is being dropped.
            let _ = sender.send(());
        }
    };
    let watcher = notify::recommended_watcher(changed).and_then(|mut watcher| {
        folders.iter().try_for_each(|folder| watcher.watch(folder, RecursiveMode::NonRecursive))?;
        Ok(watcher)
    });
    watcher.inspect_err(|error| warn!(%error, "certificate folders cannot be watched; looking once a minute")).ok()
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Waits for a change and for the end of its burst, or for the next poll. `false`: the watch has been dropped.
fn wait_for_change(receiver: &Receiver<()>) -> bool {
    match receiver.recv_timeout(POLL) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => return true,
        Err(RecvTimeoutError::Disconnected) => return false,
    }
    let began = Instant::now();
    while began.elapsed() < BURST {
        match receiver.recv_timeout(QUIET) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}
