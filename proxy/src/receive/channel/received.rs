//! What has come over the channel: the table in force, what arrived since the last commit, and what could not be used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::OrdMap;
use sluicegate_table::Table;
use sluicegate_table::watch::{EntryId, Hashes, Message, Refusal, Report, Unreadable, Version, content_hash};
use tokio::sync::watch;

use super::super::Current;
use super::super::entry::Entry;
use super::super::saved::Saved;
use crate::health::Found;

/// What has come over the channel.
#[derive(Debug)]
pub(super) struct Received {
    current: Arc<Current>,
    in_force: Held,
    /// The version that is in force; `None`: none came over the channel yet.
    version: Option<Version>,
    refused: BTreeMap<EntryId, String>,
    missing: BTreeSet<EntryId>,
    unknown: BTreeSet<String>,
    /// What came since the last commit.
    pending: Vec<Step>,
}

/// A table with the hash of each entry. A stand-in for an entry that is missing has an empty one.
#[derive(Clone, Debug, Default)]
pub(in crate::receive) struct Held {
    pub(in crate::receive) table: Table,
    pub(in crate::receive) hashes: OrdMap<EntryId, Arc<str>>,
}

/// One line that has been read.
#[derive(Debug)]
enum Step {
    /// What follows is told in full: what could not be used before is told again where it still holds.
    Afresh,
    Put {
        id: EntryId,
        hash: Arc<str>,
        entry: Entry,
    },
    Refuse {
        id: EntryId,
        reason: String,
    },
    Delete {
        id: EntryId,
    },
    Keep {
        id: EntryId,
        otherwise: Option<Result<Entry, String>>,
    },
    Unknown {
        name: String,
        deleted: bool,
    },
}

/// What a line led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It waits for its commit, or says nothing.
    Line,
    /// Everything since the last commit is whole: call [`Received::commit`].
    Commit(Version),
}

impl Received {
    pub(super) fn new(current: Arc<Current>) -> Self {
        Self {
            current,
            in_force: Held::default(),
            version: None,
            refused: BTreeMap::new(),
            missing: BTreeSet::new(),
            unknown: BTreeSet::new(),
            pending: Vec::new(),
        }
    }

    /// Puts a saved table in force.
    pub(super) fn restore(&mut self, saved: Saved) {
        self.pending = saved.entries.into_iter().map(|(id, hash, entry)| Step::Put { id, hash, entry }).collect();
        let next = self.next(0);
        self.put_in_force(next);
    }

    /// The controller is asked for everything that differs from what there is, whatever it said before.
    pub(super) fn begin_afresh(&mut self) {
        self.pending = vec![Step::Afresh];
    }

    /// The version from which the controller can go on.
    pub(super) fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// What there is, for a controller that does not know the version.
    pub(super) fn hashes(&self) -> Hashes {
        self.in_force.hashes.iter().map(|(id, hash)| (id.to_string(), hash.as_ref().to_owned())).collect()
    }

    /// Forgets what came since the last commit: the connection that was to bring the rest has ended.
    pub(super) fn abandon(&mut self) {
        self.pending.clear();
    }

    /// Takes a line.
    ///
    /// # Errors
    /// When the line shows that the other end does not speak this protocol.
    pub(super) fn take(&mut self, line: &str) -> Result<Taken, Unreadable> {
        let step = match Message::read(line) {
            Ok(Message::Added { id, hash, entry } | Message::Modified { id, hash, entry }) => {
                let text = entry.get();
                if content_hash(text) == hash {
                    match Entry::read(id.kind, text) {
                        Ok(entry) => Step::Put { id, hash: hash.into(), entry },
                        Err(reason) => Step::Refuse { id, reason },
                    }
                } else {
                    Step::Refuse { id, reason: "it did not arrive as it was sent: its hash is another".to_owned() }
                }
            }
            Ok(Message::Deleted { id }) => Step::Delete { id },
            Ok(Message::Keep { id, otherwise }) => {
                let otherwise = otherwise.map(|entry| Entry::read(id.kind, entry.get()));
                Step::Keep { id, otherwise }
            }
            Ok(Message::Commit { version }) => return Ok(Taken::Commit(version)),
            Ok(Message::Heartbeat) => return Ok(Taken::Line),
            Err(error @ Unreadable::UnknownField { .. }) => {
                let reason = error.to_string();
                let Unreadable::UnknownField { id, .. } = error else { return Err(Unreadable::Malformed) };
                Step::Refuse { id, reason }
            }
            Err(Unreadable::UnknownKind { kind, key, deleted }) => {
                Step::Unknown { name: format!("{kind} {key}"), deleted }
            }
            Err(Unreadable::UnknownType(kind)) => {
                tracing::warn!(kind, "the controller sent a type of message that this release does not know");
                return Ok(Taken::Line);
            }
            Err(Unreadable::Malformed) => return Err(Unreadable::Malformed),
        };
        self.pending.push(step);
        Ok(Taken::Line)
    }

    /// Puts everything since the last commit in force.
    pub(super) fn commit(&mut self, version: Version) {
        let next = self.next(version.number);
        self.put_in_force(next);
        self.version = Some(version);
    }

    /// The table and its hashes, to be saved.
    pub(super) fn in_force(&self) -> &Held {
        &self.in_force
    }

    /// What is known beside the table, and word of its changes.
    pub(super) fn found(&self) -> watch::Receiver<Found> {
        self.current.findings().subscribe()
    }

    /// What the proxy says of itself.
    pub(super) fn report(&self) -> Report {
        let found = self.current.findings().now();
        let refused = self.refused.iter().map(|(id, reason)| Refusal { id: id.clone(), reason: reason.clone() });
        Report {
            applied: self.version.clone(),
            refused: refused.collect(),
            missing: self.missing.iter().cloned().collect(),
            unknown: self.unknown.iter().cloned().collect(),
            endpoints: found.endpoints.iter().map(|finding| finding.report.clone()).collect(),
            upstreams: found.upstreams.to_vec(),
            ready: self.current.generation() > 0 && !found.stopping,
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn next(&mut self, number: u64) -> Held {
        let mut next = self.in_force.clone();
        next.table.version = number;
        for step in std::mem::take(&mut self.pending) {
            match step {
                Step::Afresh => {
                    self.refused.clear();
                    self.missing.clear();
                    self.unknown.clear();
                }
                Step::Put { id, hash, entry } => {
                    self.refused.remove(&id);
                    self.missing.remove(&id);
                    entry.put(&mut next.table, id.key.clone());
                    next.hashes.insert(id, hash);
                }
                Step::Refuse { id, reason } => {
                    self.refused.insert(id, reason);
                }
                Step::Delete { id } => {
                    next.remove(&id);
                    self.refused.remove(&id);
                    self.missing.remove(&id);
                }
                Step::Keep { id, otherwise } => self.keep(&mut next, id, otherwise),
                Step::Unknown { name, deleted: true } => {
                    self.unknown.remove(&name);
                }
                Step::Unknown { name, deleted: false } => {
                    self.unknown.insert(name);
                }
            }
        }
        next
    }

    /// What there is stays; where there is nothing, or only a stand-in, the entry is missing.
    fn keep(&mut self, next: &mut Held, id: EntryId, otherwise: Option<Result<Entry, String>>) {
        self.refused.remove(&id);
        if next.hashes.get(&id).is_some_and(|hash| !hash.is_empty()) {
            self.missing.remove(&id);
            return;
        }
        match otherwise {
            Some(Ok(entry)) => {
                entry.put(&mut next.table, id.key.clone());
                next.hashes.insert(id.clone(), Arc::default());
            }
            Some(Err(reason)) => {
                self.refused.insert(id.clone(), reason);
            }
            None => next.remove(&id),
        }
        self.missing.insert(id);
    }

    /// Puts a table in force. What the snapshot refuses is refused alone: what was there before it stays.
    fn put_in_force(&mut self, mut next: Held) {
        for Refusal { id, reason } in self.current.apply(Arc::new(next.table)) {
            // The hash is that of what is in force, so that the controller sends what was refused again after a restart.
            match self.in_force.hashes.get(&id) {
                Some(before) => next.hashes.insert(id.clone(), Arc::clone(before)),
                None => next.hashes.remove(&id),
            };
            self.refused.insert(id, reason);
        }
        next.table = Table::clone(&self.current.load().table);
        self.in_force = next;
    }
}

impl Held {
    fn remove(&mut self, id: &EntryId) {
        Entry::remove(&mut self.table, id.kind, &id.key);
        self.hashes.remove(id);
    }
}

#[cfg(test)]
mod tests;
