//! What is known of one object: what was said of it, when it was written, and what is newer than the watches show.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::object::{Known, Status};
use crate::compile::ObjectStatus;

/// What is known of one object.
pub(super) struct Held {
    pub(super) verdict: ObjectStatus,
    /// The version in which its entry became what it is.
    pub(super) required: u64,
    /// When its status first became another one than is written.
    pub(super) changed: Instant,
    /// When something was last said of it.
    pub(super) said: Instant,
    /// Compile has said something since the last write.
    pub(super) fresh: bool,
    pub(super) wrote: Option<Instant>,
    pub(super) tries: u32,
    pub(super) timer: Option<Instant>,
    pub(super) awaited: bool,
    pub(super) queued: bool,
    pub(super) writing: bool,
    /// The object before a write that had no answer, so that nobody knows whether it was written.
    pub(super) unanswered: Option<Known>,
    /// What is newer than what the watches hold.
    newer: Option<Newer>,
}

/// What a write or a read gave, until the watches have caught up.
struct Newer {
    known: Known,
    /// The versions that the watches held meanwhile.
    behind: BTreeSet<String>,
}

impl Held {
    /// Of which this was just said for the first time.
    pub(super) fn new(required: u64, now: Instant) -> Self {
        Self {
            verdict: ObjectStatus::default(),
            required,
            changed: now,
            said: now,
            fresh: false,
            wrote: None,
            tries: 0,
            timer: None,
            awaited: false,
            queued: false,
            writing: false,
            unanswered: None,
            newer: None,
        }
    }

    /// The status before what is written now, and before tries that had no answer.
    pub(super) fn before(&self, known: &Known) -> Status {
        let before = self.unanswered.as_ref().filter(|before| before.uid == known.uid);
        before.unwrap_or(known).status.clone()
    }

    /// The object as it is now, as far as is known.
    pub(super) fn latest(&mut self, watched: Known) -> Known {
        match &self.newer {
            Some(newer) if newer.behind.contains(&watched.resource_version) => newer.known.clone(),
            _ => {
                self.newer = None;
                watched
            }
        }
    }

    pub(super) fn overtake(&mut self, known: Known, watched: Option<Known>) {
        let mut behind = self.newer.take().map(|newer| newer.behind).unwrap_or_default();
        if let Some(watched) = watched.filter(|watched| watched.resource_version != known.resource_version) {
            behind.insert(watched.resource_version);
        }
        behind.remove(&known.resource_version);
        self.newer = Some(Newer { known, behind });
    }
}
