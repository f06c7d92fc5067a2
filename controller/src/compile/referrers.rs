//! Who refers to what: the way from an object that changed to those that must be looked at again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sluicegate_table::ObjectKey;

use super::standing::Said;

/// What others refer to, and as what. Only one kind refers to each: Targets to the first three, Upstreams to Targets and
/// to what they fall back to, Rules to Upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Referred {
    Secret,
    ConfigMap,
    Service,
    Target,
    Upstream,
    /// An Upstream, by one that falls back to it.
    Fallback,
}

/// A reference to an object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Reference {
    kind: Referred,
    name: Box<str>,
}

impl Reference {
    pub(super) fn new(kind: Referred, name: &str) -> Self {
        Self { kind, name: name.into() }
    }
}

/// Who refers to what.
#[derive(Default)]
pub(super) struct Referrers {
    /// In order, since few refer to most things and a list takes the least room.
    of: HashMap<(Referred, ObjectKey), Vec<ObjectKey>>,
}

impl Referrers {
    /// Those that refer to the object `key`.
    pub(super) fn of(&self, kind: Referred, key: &ObjectKey) -> &[ObjectKey] {
        self.of.get(&(kind, key.clone())).map_or(&[], Vec::as_slice)
    }

    /// Takes in what the object `key`, of which this is said now, refers to. Gives those that refer to it as each of these,
    /// where they must be looked at again.
    pub(super) fn update<const N: usize>(
        &mut self,
        key: &ObjectKey,
        kinds: [Referred; N],
        before: Option<&Said>,
        now: Option<&Said>,
    ) -> [Vec<ObjectKey>; N] {
        self.replace(key, before, now);
        // A new content is no matter of those that refer to it: they name it by key.
        let standing = |said: Option<&Said>| said.map(|said| said.standing);
        let same = standing(before) == standing(now);
        kinds.map(|kind| if same { Vec::new() } else { self.of(kind, key).to_vec() })
    }

    /// Takes in what the object `key`, of which this is said now, refers to.
    pub(super) fn replace(&mut self, key: &ObjectKey, before: Option<&Said>, now: Option<&Said>) {
        let [before, now] = [before, now].map(|said| said.map_or(&[][..], |said| &said.references));
        for reference in before.iter().filter(|reference| now.binary_search(reference).is_err()) {
            self.remove(key, reference);
        }
        for reference in now.iter().filter(|reference| before.binary_search(reference).is_err()) {
            let referrers = self.of.entry(id(key, reference)).or_insert_with(|| Vec::with_capacity(1));
            if let Err(position) = referrers.binary_search(key) {
                referrers.insert(position, key.clone());
            }
        }
    }

    fn remove(&mut self, key: &ObjectKey, reference: &Reference) {
        if let Entry::Occupied(mut entry) = self.of.entry(id(key, reference)) {
            if let Ok(position) = entry.get().binary_search(key) {
                entry.get_mut().remove(position);
            }
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }
}

fn id(referrer: &ObjectKey, reference: &Reference) -> (Referred, ObjectKey) {
    (reference.kind, ObjectKey::new(referrer.namespace.clone(), &*reference.name))
}
