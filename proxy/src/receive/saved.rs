//! The table in force, kept in a file for the next start: a proxy that starts while the controller is away serves from it.
//!
//! The file holds credentials, so only its owner may read it, and the chart puts it on a volume in memory. It is written
//! beside its place and then moved there, so that there is always a whole one; a checksum finds what was damaged since.
//! Lines of JSON: `{"format":…,"sha256":…}` over all that follows, then one line an entry with the hash that the controller
//! gave it, so that the controller needs to send only what has changed.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{ObjectKey, revealing};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::channel::Held;
use super::entry::Entry;

/// The form of the file. Another one is not read.
const FORMAT: u32 = 1;
/// The time between two writes, so that many small changes cost few of them.
const PAUSE: Duration = Duration::from_secs(2);

/// A table that was read from its file.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) entries: Vec<(EntryId, Arc<str>, Entry)>,
}

/// Why a saved table is not used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub(super) struct UnusableSave {
    file: PathBuf,
    problem: String,
}

#[derive(Deserialize, Serialize)]
struct Header {
    format: u32,
    sha256: String,
}

#[derive(Deserialize, Serialize)]
struct Line {
    kind: String,
    key: ObjectKey,
    hash: Arc<str>,
    entry: Box<RawValue>,
}

impl Saved {
    /// Reads a file; `None`: there is none. An entry that this release cannot use is left out.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged, or another release wrote it in another form.
    pub(super) fn read(file: &Path) -> Result<Option<Self>, UnusableSave> {
        let unusable = |problem: String| UnusableSave { file: file.to_owned(), problem };
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let damaged = || unusable("it is damaged".to_owned());
        let (header, body) = text.split_once('\n').ok_or_else(damaged)?;
        let header: Header = serde_json::from_str(header).map_err(|_| damaged())?;
        if header.format != FORMAT {
            return Err(unusable(format!("its format is {}, and this release reads {FORMAT}", header.format)));
        }
        if header.sha256 != checksum(body) {
            return Err(damaged());
        }
        let mut entries = Vec::new();
        for line in body.lines() {
            let line: Line = serde_json::from_str(line).map_err(|_| damaged())?;
            let entry = EntryKind::named(&line.kind)
                .ok_or_else(|| "this release of the proxy does not know its kind".to_owned())
                .and_then(|kind| Ok((kind, Entry::read(kind, line.entry.get())?)));
            match entry {
                Ok((kind, entry)) => entries.push((EntryId { kind, key: line.key }, line.hash, entry)),
                Err(reason) => {
                    tracing::warn!(kind = line.kind, key = %line.key, reason, "an entry of the saved table is left out");
                }
            }
        }
        Ok(Some(Self { entries }))
    }
}

/// Writes the table and its entries' hashes. Blocks.
///
/// # Errors
/// When the folder cannot be written to.
pub(super) fn write(file: &Path, held: &Held) -> io::Result<()> {
    let body = body(held)?;
    let header = serde_json::to_string(&Header { format: FORMAT, sha256: checksum(&body) })?;
    let beside = beside(file);
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    // The mode above is for a new file; one that was left there keeps its own.
    new.set_permissions(Permissions::from_mode(0o600))?;
    new.write_all(header.as_bytes())?;
    new.write_all(b"\n")?;
    new.write_all(body.as_bytes())?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    match file.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn body(Held { table, hashes }: &Held) -> io::Result<String> {
    let mut body = String::new();
    let mut line = |kind: EntryKind, key: &ObjectKey, entry: serde_json::Result<Box<RawValue>>| -> io::Result<()> {
        let id = EntryId { kind, key: key.clone() };
        let hash = hashes.get(&id).cloned().unwrap_or_default();
        let line = Line { kind: kind.to_string(), key: id.key, hash, entry: entry? };
        body.push_str(&serde_json::to_string(&line)?);
        body.push('\n');
        Ok(())
    };
    for (key, entry) in &table.targets {
        line(EntryKind::Target, key, revealing(|| to_raw_value(entry)))?;
    }
    for (key, entry) in &table.endpoints {
        line(EntryKind::Endpoints, key, to_raw_value(entry))?;
    }
    for (key, entry) in &table.pools {
        line(EntryKind::Pool, key, to_raw_value(entry))?;
    }
    for (key, entry) in &table.routes {
        // Targets that a Rule itself holds have credentials too.
        line(EntryKind::Route, key, revealing(|| to_raw_value(entry)))?;
    }
    Ok(body)
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    file.with_file_name(name)
}

fn checksum(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes the file after changes, on a thread of its own and no more often than needed; ends when dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    latest: watch::Sender<Option<Held>>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts it on the current runtime.
    pub(super) fn start(file: PathBuf) -> Self {
        let (latest, changes) = watch::channel(None);
        Self { latest, task: tokio::spawn(keep(file, changes)) }
    }

    /// This is in force now.
    pub(super) fn keep(&self, held: &Held) {
        self.latest.send_replace(Some(held.clone()));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(file: PathBuf, mut changes: watch::Receiver<Option<Held>>) {
    let mut failed = false;
    while changes.changed().await.is_ok() {
        let Some(held) = changes.borrow_and_update().clone() else {
            continue;
        };
        let place = file.clone();
        let written = tokio::task::spawn_blocking(move || write(&place, &held)).await;
        match written.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(()) => failed = false,
            Err(error) if !failed => {
                failed = true;
                tracing::warn!(file = %file.display(), %error, "the table cannot be saved: a restart without the controller would have none");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}
