//! A version of the table as it goes over the channel: each entry written and hashed once per change, whatever the number
//! of proxies and of other entries.
//!
//! Its map is persistent, as the table's are: what one version has in common with the next is neither copied nor compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::Serialize;
use serde_json::value::RawValue;
use sluicegate_table::watch::{EntryId, EntryKind, Message, Version, content_hash};
use sluicegate_table::{Entries, revealing};

use crate::publish::Published;

/// How many deleted entries are remembered for proxies that come back. One that missed more tells what it has.
const MOST_TOMBSTONES: usize = 4096;

/// A version as it goes over the channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire {
    source: Published,
    lines: OrdMap<EntryId, Arc<Line>>,
    /// The versions in which entries went.
    deleted: OrdMap<EntryId, u64>,
    /// What happened up to this version is forgotten: a proxy that comes back with an older one must tell what it has.
    known_since: u64,
}

/// One entry as it goes over the channel.
#[derive(Debug)]
pub(super) struct Line {
    /// Which.
    pub(super) id: EntryId,
    /// The hash; empty for an object that proxies are told to keep.
    pub(super) hash: String,
    /// The version in which it came to be.
    pub(super) added: u64,
    /// The version in which it became what it is.
    pub(super) changed: u64,
    /// Proxies are told to keep what they have.
    pub(super) keep: bool,
    /// The message after its type: `,"kind":…}` and the line's end.
    pub(super) rest: Bytes,
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.keep == other.keep && self.rest == other.rest
    }
}

impl Wire {
    /// The version that follows this one.
    pub(super) fn next(&self, published: &Published) -> Self {
        let same_term = self.source.epoch == published.epoch;
        let number = published.table.version;
        // Numbers of different terms cannot be compared, so a new term starts with nothing to look back on.
        let mut next = if same_term { self.clone() } else { Self { known_since: number, ..Self::default() } };
        if same_term && number == self.source.table.version && !self.lines.is_empty() {
            next.known_since = number;
        }
        for id in changed(&next.source, published) {
            next.update(id, published);
        }
        if next.deleted.len() > MOST_TOMBSTONES {
            next.deleted.clear();
            next.known_since = number;
        }
        next.source = published.clone();
        next
    }

    fn update(&mut self, id: EntryId, published: &Published) {
        let number = published.table.version;
        let last = self.lines.get(&id);
        match Line::of(&id, published, last.map_or(number, |last| last.added)) {
            Some(line) => {
                if last.is_none_or(|last| **last != line) {
                    self.deleted.remove(&id);
                    self.lines.insert(id, Arc::new(line));
                }
            }
            None => {
                if self.lines.remove(&id).is_some() {
                    self.deleted.insert(id, number);
                }
            }
        }
    }

    /// Whether there is a version at all.
    pub(super) fn is_ready(&self) -> bool {
        !self.source.epoch.is_empty()
    }

    /// The version.
    pub(super) fn version(&self) -> Version {
        self.source.version()
    }

    /// Whether what happened since `version` is known.
    pub(super) fn knows(&self, version: &Version) -> bool {
        let number = self.source.table.version;
        version.epoch == self.source.epoch && (self.known_since..=number).contains(&version.number)
    }

    /// The entries.
    pub(super) fn lines(&self) -> &OrdMap<EntryId, Arc<Line>> {
        &self.lines
    }

    /// The entries that went, with the version in which they did; as far back as [`Wire::knows`].
    pub(super) fn deleted(&self) -> &OrdMap<EntryId, u64> {
        &self.deleted
    }
}

impl Line {
    /// `None`: the version has no such entry.
    fn of(id: &EntryId, published: &Published, added: u64) -> Option<Self> {
        let entry = revealing(|| entry(id, published));
        let keep = published.keep.contains(id);
        let (hash, message) = match (keep, entry) {
            (true, otherwise) => (String::new(), Message::Keep { id: id.clone(), otherwise }),
            (false, Some(entry)) => {
                let hash = content_hash(entry.get());
                (hash.clone(), Message::Modified { id: id.clone(), hash, entry })
            }
            (false, None) => return None,
        };
        let text = serde_json::to_string(&message).ok()?;
        // The type comes first, and whether an entry is new to a proxy depends on the proxy.
        let (_, rest) = text.split_once(',')?;
        let rest = Bytes::from(format!(",{rest}\n"));
        Some(Self { id: id.clone(), hash, added, changed: published.table.version, keep, rest })
    }
}

/// The entry's text.
fn entry(id: &EntryId, published: &Published) -> Option<Box<RawValue>> {
    let table = &published.table;
    match id.kind {
        EntryKind::Route => text(table.routes.get(&id.key)?),
        EntryKind::Pool => text(table.pools.get(&id.key)?),
        EntryKind::Target => text(table.targets.get(&id.key)?),
        EntryKind::Endpoints => text(table.endpoints.get(&id.key)?),
    }
}

fn text(entry: &impl Serialize) -> Option<Box<RawValue>> {
    // Entries are structures of texts, numbers and lists, which JSON can always hold.
    serde_json::value::to_raw_value(entry)
        .inspect_err(|error| tracing::error!(%error, "an entry cannot be written"))
        .ok()
}

/// The entries that two versions do not have in common.
fn changed(last: &Published, now: &Published) -> BTreeSet<EntryId> {
    let mut ids = BTreeSet::new();
    differing(EntryKind::Route, &last.table.routes, &now.table.routes, &mut ids);
    differing(EntryKind::Pool, &last.table.pools, &now.table.pools, &mut ids);
    differing(EntryKind::Target, &last.table.targets, &now.table.targets, &mut ids);
    differing(EntryKind::Endpoints, &last.table.endpoints, &now.table.endpoints, &mut ids);
    for item in last.keep.diff(&now.keep) {
        let (imbl::ordset::DiffItem::Add(id) | imbl::ordset::DiffItem::Remove(id)) = item;
        ids.insert(id.clone());
    }
    ids
}

fn differing<T: PartialEq>(kind: EntryKind, last: &Entries<T>, now: &Entries<T>, ids: &mut BTreeSet<EntryId>) {
    for item in last.diff(now) {
        let (DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. }) = item;
        ids.insert(EntryId { kind, key: key.clone() });
    }
}
