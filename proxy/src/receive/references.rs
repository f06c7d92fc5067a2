//! Who refers to whom: what has to be made anew with an entry.

use imbl::OrdSet;
use sluicegate_table::ObjectKey;

/// Pairs of what is referred to and who does. One set of pairs rather than a map of sets: most sets would hold one.
#[derive(Clone, Debug, Default)]
pub(super) struct References(OrdSet<(ObjectKey, ObjectKey)>);

impl References {
    /// Those that refer to `to`.
    pub(super) fn to(&self, to: &ObjectKey) -> impl Iterator<Item = ObjectKey> {
        let first = (to.clone(), ObjectKey::new("", ""));
        self.0.range(first..).take_while(move |(other, _)| other == to).map(|(_, from)| from.clone())
    }

    pub(super) fn add(&mut self, to: &ObjectKey, from: &ObjectKey) {
        self.0.insert((to.clone(), from.clone()));
    }

    pub(super) fn remove(&mut self, to: &ObjectKey, from: &ObjectKey) {
        self.0.remove(&(to.clone(), from.clone()));
    }
}
