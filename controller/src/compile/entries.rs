//! The entries of one kind and what is said of its objects: how what an object came to changes them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{Backend, Entries, ObjectKey, Pool, Route, Target};

use super::faults::Problems;
use super::referrers::Reference;
use super::standing::{Said, Standing};
use crate::objects::{Kind, ObjectId};

/// An entry that an object becomes.
pub(super) trait ObjectEntry: PartialEq {
    /// The object's kind.
    const KIND: Kind;
    /// The entry's kind.
    const ENTRY: EntryKind;

    /// Whether it merely answers for an object of which no valid version is known.
    fn is_stand_in(&self) -> bool {
        false
    }
}

impl ObjectEntry for Route {
    const KIND: Kind = Kind::Rule;
    const ENTRY: EntryKind = EntryKind::Route;

    fn is_stand_in(&self) -> bool {
        self.backend == Backend::Invalid
    }
}

impl ObjectEntry for Pool {
    const KIND: Kind = Kind::Upstream;
    const ENTRY: EntryKind = EntryKind::Pool;
}

impl ObjectEntry for Target {
    const KIND: Kind = Kind::Target;
    const ENTRY: EntryKind = EntryKind::Target;
}

/// What compiling one object came to.
pub(super) enum Verdict<E> {
    /// It has this entry.
    Entry(E),
    /// It is valid and has none, because its user switched it off.
    SwitchedOff,
    /// It is refused. This answers for it where no valid version is known.
    Refused(Otherwise<E>),
    /// It is not its to ask for, and nothing of it may be in force.
    NotPermitted,
}

/// What is in force of a refused object of which no valid version is known.
pub(super) enum Otherwise<E> {
    /// An entry that answers for it.
    Entry(E),
    /// Nothing, as its user wants.
    Nothing,
    /// It does not say. What answered for it before, if anything, still does: to stop would let other objects take over.
    Unknown,
}

impl<E> Verdict<E> {
    /// An object without an entry is refused.
    pub(super) fn of(entry: Option<E>) -> Self {
        entry.map_or(Self::Refused(Otherwise::Unknown), Self::Entry)
    }
}

/// An object, compiled.
pub(super) struct Made<E> {
    pub(super) verdict: Verdict<E>,
    pub(super) generation: Option<i64>,
    pub(super) problems: Problems,
    /// What it depends on, each once.
    pub(super) references: BTreeSet<Reference>,
}

/// The entries of one kind and what is said of its objects.
pub(super) struct OfKind<E> {
    pub(super) entries: Entries<E>,
    pub(super) said: HashMap<ObjectKey, Said>,
}

/// What becomes of an entry.
enum Next<E> {
    Stays,
    Is(Option<E>),
}

impl<E: ObjectEntry> OfKind<E> {
    /// Nothing is said yet of what `entries` came from.
    pub(super) fn new(entries: Entries<E>) -> Self {
        Self { entries, said: HashMap::new() }
    }

    pub(super) fn standing(&self, key: &ObjectKey) -> Option<Standing> {
        self.said.get(key).map(|said| said.standing)
    }

    /// Takes in what an object came to; `None`: it is no more. Gives what was said of it before.
    pub(super) fn settle(&mut self, key: &ObjectKey, made: Option<Made<E>>, ledger: &mut Ledger) -> Option<Said> {
        let id = EntryId { kind: E::ENTRY, key: key.clone() };
        let object = || ObjectId { kind: E::KIND, key: key.clone() };
        let Some(Made { verdict, generation, problems, references }) = made else {
            let had_entry = self.entries.remove(key).is_some();
            ledger.gone(&id, had_entry);
            let before = self.said.remove(key);
            if before.is_some() {
                ledger.statuses.insert(object());
            }
            return before;
        };
        let has_valid = self.entries.get(key).is_some_and(|entry| !entry.is_stand_in());
        let (standing, next) = match verdict {
            Verdict::Entry(entry) => (Standing::InForce, Next::Is(Some(entry))),
            Verdict::SwitchedOff => (Standing::SwitchedOff, Next::Is(None)),
            Verdict::NotPermitted => (Standing::NotPermitted, Next::Is(None)),
            Verdict::Refused(_) if has_valid => (Standing::Refused, Next::Stays),
            Verdict::Refused(Otherwise::Unknown) => (Standing::Refused, Next::Stays),
            Verdict::Refused(Otherwise::Nothing) => (Standing::Refused, Next::Is(None)),
            Verdict::Refused(Otherwise::Entry(entry)) => (Standing::Refused, Next::Is(Some(entry))),
        };
        let stale = standing == Standing::Refused && has_valid;
        let changed = self.put(key, next);
        ledger.entry(id, changed, standing == Standing::Refused && !stale);

        let mut said = Said {
            standing,
            stale,
            generation,
            problems: problems.into_vec().into(),
            hidden: Box::default(),
            references: references.into_iter().collect(),
        };
        let before = self.said.remove(key);
        if before.as_ref().is_none_or(|before| !before.agrees_with(&said)) {
            ledger.statuses.insert(object());
        }
        // What other objects hide is found later; until then it is what it was.
        said.hidden = before.as_ref().map_or_else(Box::default, |before| before.hidden.clone());
        self.said.insert(key.clone(), said);
        before
    }

    /// Whether the entry is another one now.
    fn put(&mut self, key: &ObjectKey, next: Next<E>) -> bool {
        match next {
            Next::Stays => false,
            Next::Is(None) => self.entries.remove(key).is_some(),
            Next::Is(Some(entry)) => put(&mut self.entries, key, entry),
        }
    }
}

/// Puts an entry in, unless it is there already; whether it was not.
pub(super) fn put<E: PartialEq>(entries: &mut Entries<E>, key: &ObjectKey, entry: E) -> bool {
    let same = entries.get(key).is_some_and(|before| **before == entry);
    if !same {
        entries.insert(key.clone(), Arc::new(entry));
    }
    !same
}

/// What changes, over all kinds, and the books that are kept of it.
#[derive(Default)]
pub(super) struct Ledger {
    /// As in [`Step`](super::Step).
    pub(super) keep: OrdSet<EntryId>,
    /// As in [`Step`](super::Step).
    pub(super) since: OrdMap<EntryId, u64>,
    /// Objects of which something else is said now.
    pub(super) statuses: BTreeSet<ObjectId>,
    /// Entries that became something else.
    changed: Vec<EntryId>,
    /// Objects' entries that were not known before, in whatever form.
    fresh: Vec<EntryId>,
    /// The table is another one.
    table_changed: bool,
    /// What proxies are told to keep is something else.
    keep_changed: bool,
}

impl Ledger {
    /// Notes what became of an entry whose object is there.
    pub(super) fn entry(&mut self, id: EntryId, changed: bool, keep: bool) {
        let was_kept = if keep { self.keep.insert(id.clone()).is_some() } else { self.keep.remove(&id).is_some() };
        let keep_changed = was_kept != keep;
        self.table_changed |= changed;
        self.keep_changed |= keep_changed;
        if changed || keep_changed {
            self.changed.push(id);
        } else if !self.since.contains_key(&id) {
            self.fresh.push(id);
        }
    }

    /// Notes that an entry's object is no more.
    pub(super) fn gone(&mut self, id: &EntryId, had_entry: bool) {
        self.since.remove(id);
        self.table_changed |= had_entry;
        self.keep_changed |= self.keep.remove(id).is_some();
    }

    /// Closes a version: whether the table, and whether anything at all, is another than after the last call. Gives the
    /// version's number.
    pub(super) fn close(&mut self, last: u64) -> Closed {
        let table_changed = std::mem::take(&mut self.table_changed);
        let keep_changed = std::mem::take(&mut self.keep_changed);
        let version = last + u64::from(table_changed || keep_changed);
        for id in self.changed.drain(..).chain(self.fresh.drain(..)) {
            self.since.insert(id, version);
        }
        Closed { version, table_changed }
    }
}

/// A version, closed.
pub(super) struct Closed {
    /// Its number.
    pub(super) version: u64,
    /// Whether its table is another one than the last.
    pub(super) table_changed: bool,
}
