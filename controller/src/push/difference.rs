//! What one proxy lacks of a version, and writing it in pieces.
//!
//! Entries come before those that refer to them and go after them, so that a proxy which reads along never sees a name
//! that leads nowhere.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use imbl::ordmap::DiffItem;
use sluicegate_table::watch::{EntryId, EntryKind, Hashes, Message, Version};

use super::wire::{Line, Wire};

/// What a proxy lacks of a version. Holds no copy of an entry: its size is bounded by the number of entries.
#[derive(Debug)]
pub(super) struct Difference {
    changes: std::vec::IntoIter<Change>,
    version: Version,
}

#[derive(Debug)]
enum Change {
    Added(Arc<Line>),
    Modified(Arc<Line>),
    Deleted(EntryId),
}

impl Change {
    fn order(&self) -> u8 {
        let rank = |kind| match kind {
            EntryKind::Target => 0,
            EntryKind::Endpoints => 1,
            EntryKind::Pool => 2,
            EntryKind::Route => 3,
        };
        match self {
            Self::Added(line) | Self::Modified(line) => rank(line.id.kind),
            Self::Deleted(id) => 7 - rank(id.kind),
        }
    }

    fn write(&self, buffer: &mut BytesMut) {
        let (kind, line) = match self {
            Self::Added(line) | Self::Modified(line) if line.keep => ("Keep", line),
            Self::Added(line) => ("Added", line),
            Self::Modified(line) => ("Modified", line),
            Self::Deleted(id) => return write(&Message::Deleted { id: id.clone() }, buffer),
        };
        buffer.put_slice(br#"{"type":""#);
        buffer.put_slice(kind.as_bytes());
        buffer.put_u8(b'"');
        buffer.put_slice(&line.rest);
    }
}

/// Writes a message and the line's end.
pub(super) fn write(message: &Message, buffer: &mut BytesMut) {
    // Neither writing to memory nor these messages can fail.
    let _ = serde_json::to_writer(buffer.writer(), message);
    buffer.put_u8(b'\n');
}

impl Difference {
    /// Everything, for a proxy that has nothing.
    pub(super) fn whole(now: &Wire) -> Self {
        Self::new(now.lines().values().map(|line| Change::Added(Arc::clone(line))).collect(), now)
    }

    /// For a proxy that has `last`.
    pub(super) fn between(last: &Wire, now: &Wire) -> Self {
        let change = |item| match item {
            DiffItem::Add(_, line) => Change::Added(Arc::clone(line)),
            DiffItem::Update { new: (_, line), .. } => Change::Modified(Arc::clone(line)),
            DiffItem::Remove(id, _) => Change::Deleted(EntryId::clone(id)),
        };
        Self::new(last.lines().diff(now.lines()).map(change).collect(), now)
    }

    /// For a proxy that has the version of that number, which `now` [knows](Wire::knows).
    pub(super) fn since(number: u64, now: &Wire) -> Self {
        let changed = now.lines().values().filter(|line| line.changed > number).map(|line| {
            if line.added > number { Change::Added(Arc::clone(line)) } else { Change::Modified(Arc::clone(line)) }
        });
        let deleted = now.deleted().iter().filter(|(_, at)| **at > number).map(|(id, _)| Change::Deleted(id.clone()));
        Self::new(changed.chain(deleted).collect(), now)
    }

    /// For a proxy that has what `hashes` says. What it is told to keep is said again.
    pub(super) fn from_hashes(hashes: &Hashes, now: &Wire) -> Self {
        let mut changes = Vec::new();
        for (id, line) in now.lines() {
            match hashes.get(&id.to_string()) {
                None => changes.push(Change::Added(Arc::clone(line))),
                Some(hash) if line.keep || *hash != line.hash => changes.push(Change::Modified(Arc::clone(line))),
                Some(_) => {}
            }
        }
        let gone = hashes.keys().filter_map(|name| name.parse::<EntryId>().ok());
        changes.extend(gone.filter(|id| !now.lines().contains_key(id)).map(Change::Deleted));
        Self::new(changes, now)
    }

    fn new(mut changes: Vec<Change>, now: &Wire) -> Self {
        changes.sort_by_key(Change::order);
        Self { changes: changes.into_iter(), version: now.version() }
    }

    /// Whether there is nothing to tell but the version.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.len() == 0
    }

    /// Writes whole lines until there are about `size` bytes or nothing is left. `true`: the commit has been written.
    pub(super) fn write(&mut self, buffer: &mut BytesMut, size: usize) -> bool {
        while buffer.len() < size {
            let Some(change) = self.changes.next() else {
                write(&Message::Commit { version: self.version.clone() }, buffer);
                return true;
            };
            change.write(buffer);
        }
        false
    }
}
