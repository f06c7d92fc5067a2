//! The entries of one kind: made anew, shared with the last table, or kept from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Resource;
use sluicegate_crds::status::Reason;
use sluicegate_table::{Entries, ObjectKey};

use super::ObjectStatus;
use super::conditions::{Standing, conditions};
use super::faults::{Fault, Problems};
use crate::objects::{Candidate, Kind, ObjectId};
use crate::problem::FieldPath;

/// What compiling one object came to.
pub(super) enum Verdict<E> {
    /// It has this entry.
    Entry(E),
    /// It is valid and has none, because its user switched it off.
    SwitchedOff,
    /// It is refused.
    Refused,
}

impl<E> Verdict<E> {
    /// An object without an entry is refused.
    pub(super) fn of(entry: Option<E>) -> Self {
        entry.map_or(Self::Refused, Self::Entry)
    }
}

/// The entries of one kind and what is said of its objects.
pub(super) struct OfKind<E> {
    pub(super) entries: Entries<E>,
    said: BTreeMap<ObjectKey, Said>,
}

struct Said {
    standing: Standing,
    generation: Option<i64>,
    problems: Problems,
}

impl<E: PartialEq> OfKind<E> {
    /// Compiles each object by itself.
    pub(super) fn compile<T: Resource>(
        objects: &BTreeMap<ObjectKey, Candidate<T>>,
        last: &Entries<E>,
        compile_one: impl Fn(&ObjectKey, &T, &mut Problems) -> Verdict<E>,
    ) -> Self {
        let mut of_kind = Self { entries: Entries::default(), said: BTreeMap::new() };
        for (key, candidate) in objects {
            let (verdict, generation, problems) = match candidate {
                Candidate::Valid(object) => {
                    let mut problems = Problems::default();
                    let verdict = compile_one(key, object, &mut problems);
                    (verdict, object.meta().generation, problems)
                }
                Candidate::Refused(found) => (Verdict::Refused, None, Problems::found(found)),
            };
            let before = last.get(key);
            let (entry, standing) = match verdict {
                Verdict::Entry(entry) => {
                    let shared = before.filter(|before| ***before == entry).cloned();
                    (Some(shared.unwrap_or_else(|| Arc::new(entry))), Standing::InForce)
                }
                Verdict::SwitchedOff => (None, Standing::SwitchedOff),
                Verdict::Refused => match before {
                    Some(before) => (Some(Arc::clone(before)), Standing::Stale),
                    None => (None, Standing::Absent),
                },
            };
            of_kind.entries.extend(entry.map(|entry| (key.clone(), entry)));
            of_kind.said.insert(key.clone(), Said { standing, generation, problems });
        }
        of_kind
    }

    /// Adds what looking up the references of each valid object finds.
    pub(super) fn look_up<T>(
        &mut self,
        objects: &BTreeMap<ObjectKey, Candidate<T>>,
        look_up_one: impl Fn(&ObjectKey, &T, &mut Problems),
    ) {
        for (key, candidate) in objects {
            if let (Candidate::Valid(object), Some(said)) = (candidate, self.said.get_mut(key)) {
                look_up_one(key, object, &mut said.problems);
            }
        }
    }

    /// Says that part of an object is done in another way than written.
    pub(super) fn altered(&mut self, key: &ObjectKey, field: &FieldPath, reason: Reason, fault: Fault) {
        if let Some(said) = self.said.get_mut(key) {
            said.problems.altered(field, reason, fault);
        }
    }

    /// What is said of each object. Taken once, when all problems are found.
    pub(super) fn take_statuses(&mut self, kind: Kind) -> impl Iterator<Item = (ObjectId, ObjectStatus)> + use<E> {
        std::mem::take(&mut self.said).into_iter().map(move |(key, said)| {
            let problems = said.problems.into_vec();
            let conditions = conditions(said.generation, said.standing, &problems);
            (ObjectId { kind, key }, ObjectStatus { conditions, problems, stale: said.standing == Standing::Stale })
        })
    }

    /// Whether these are the very entries of the last table.
    pub(super) fn same_as(&self, last: &Entries<E>) -> bool {
        same_entries(&self.entries, last)
    }
}

/// Whether all entries are shared.
pub(super) fn same_entries<E>(entries: &Entries<E>, last: &Entries<E>) -> bool {
    entries.len() == last.len()
        && entries
            .iter()
            .zip(last)
            .all(|((key, entry), (last_key, last_entry))| key == last_key && Arc::ptr_eq(entry, last_entry))
}
