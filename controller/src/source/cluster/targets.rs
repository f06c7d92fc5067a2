//! Targets wait until what they refer to is known.
//!
//! A Target that is edited to use another Secret would otherwise be without credentials, and so without requests, from
//! its own arrival until that of the Secret's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluicegate_crds::Target;
use sluicegate_table::ObjectKey;

use super::contents::Contents;
use super::references::{self, Reference};
use crate::objects::{Candidate, Change};

/// Targets and what they refer to.
#[derive(Default)]
pub(super) struct Targets {
    references: BTreeMap<ObjectKey, References>,
    /// Who refers to what.
    users: BTreeMap<Reference, BTreeSet<ObjectKey>>,
    waiting: usize,
}

/// What one Target refers to.
#[derive(Default)]
struct References {
    /// In the version that was passed on last. A refused version leaves them: the last valid one stays in force.
    passed_on: BTreeSet<Reference>,
    /// A newer version, and what it refers to.
    waiting: Option<(BTreeSet<Reference>, Arc<Target>)>,
}

impl Targets {
    /// Whether any Target waits.
    pub(super) fn any_waits(&self) -> bool {
        self.waiting > 0
    }

    /// A Target is new, different or gone. Gives what follows from it at once.
    pub(super) fn changed(
        &mut self,
        key: &ObjectKey,
        candidate: Option<Candidate<Target>>,
        contents: &mut Contents,
    ) -> Vec<Change> {
        match candidate {
            Some(Candidate::Valid(target)) => {
                let found = references::of(&key.namespace, &target.spec);
                for reference in &found {
                    self.users.entry(reference.clone()).or_default().insert(key.clone());
                    contents.want(reference);
                }
                let references = self.references.entry(key.clone()).or_default();
                let mut changes = Vec::new();
                match references.waiting.replace((found, target)) {
                    None => self.waiting += 1,
                    Some((before, _)) => changes = self.release(key, before, contents, changes),
                }
                changes.extend(self.pass_on(key, contents));
                changes
            }
            Some(refused @ Candidate::Refused(_)) => {
                let mut changes = vec![Change::Target(key.clone(), Some(refused))];
                let references = self.references.entry(key.clone()).or_default();
                if let Some((before, _)) = references.waiting.take() {
                    self.waiting -= 1;
                    changes = self.release(key, before, contents, changes);
                }
                changes
            }
            None => {
                let changes = vec![Change::Target(key.clone(), None)];
                let Some(references) = self.references.remove(key) else { return changes };
                let mut before = references.passed_on;
                if let Some((waiting, _)) = references.waiting {
                    self.waiting -= 1;
                    before.extend(waiting);
                }
                self.release(key, before, contents, changes)
            }
        }
    }

    /// Something became known. Gives what follows from it at once.
    pub(super) fn known(&mut self, reference: &Reference, contents: &mut Contents) -> Vec<Change> {
        if self.waiting == 0 {
            return Vec::new();
        }
        let users = self.users.get(reference).cloned().unwrap_or_default();
        users.iter().flat_map(|key| self.pass_on(key, contents)).collect()
    }

    /// Passes a Target on, if all that it refers to is known.
    fn pass_on(&mut self, key: &ObjectKey, contents: &mut Contents) -> Vec<Change> {
        let Some(references) = self.references.get_mut(key) else { return Vec::new() };
        let complete = |(found, _): &mut (BTreeSet<_>, _)| found.iter().all(|reference| contents.knows(reference));
        let Some((found, target)) = references.waiting.take_if(complete) else { return Vec::new() };
        self.waiting -= 1;
        let before = std::mem::replace(&mut references.passed_on, found);
        let change = Change::Target(key.clone(), Some(Candidate::Valid(target)));
        self.release(key, before, contents, vec![change])
    }

    /// A version of a Target that referred to these is in use no more.
    fn release(
        &mut self,
        key: &ObjectKey,
        before: BTreeSet<Reference>,
        contents: &mut Contents,
        mut changes: Vec<Change>,
    ) -> Vec<Change> {
        let now = self.references.get(key);
        for reference in before {
            let used = now.is_some_and(|now| {
                now.passed_on.contains(&reference)
                    || now.waiting.as_ref().is_some_and(|(found, _)| found.contains(&reference))
            });
            let Some(users) = self.users.get_mut(&reference).filter(|_| !used) else { continue };
            users.remove(key);
            if users.is_empty() {
                self.users.remove(&reference);
                changes.extend(contents.forget(&reference));
            }
        }
        changes
    }
}
