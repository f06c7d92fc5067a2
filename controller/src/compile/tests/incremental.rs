//! Change by change, the compiler comes to what compiling everything at once comes to.
//!
//! Both have the same history: before each batch, what is in force is the table after the last. So a refused object keeps
//! the same entry in both.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use proptest::prelude::*;
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{Entries, ObjectKey, Table};

use super::changes::batches;
use crate::compile::{Claims, Compiled, Compiler, ObjectStatus, Step, whole};
use crate::config::HostnameClaim;
use crate::objects::{ObjectId, Objects};

/// Some claims, or none.
fn claims() -> BoxedStrategy<Claims> {
    let claim = |namespace: &str, hostnames: &[&str]| HostnameClaim {
        namespaces: vec![namespace.to_owned()],
        hostnames: hostnames.iter().map(|&name| name.to_owned()).collect(),
    };
    let some = [claim("default", &["example.com", "*.b"]), claim("other", &["*"])];
    prop_oneof![3 => Just(Claims::default()), 1 => Just(Claims::new(&some).unwrap())].boxed()
}

/// The keys under which two tables have different entries, by kind.
fn changed(before: &Table, after: &Table) -> Vec<EntryId> {
    fn of<E: PartialEq>(kind: EntryKind, before: &Entries<E>, after: &Entries<E>) -> Vec<EntryId> {
        let diff = before.diff(after).map(|item| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => key,
        });
        diff.map(|key: &ObjectKey| EntryId { kind, key: key.clone() }).collect()
    }
    [
        of(EntryKind::Route, &before.routes, &after.routes),
        of(EntryKind::Pool, &before.pools, &after.pools),
        of(EntryKind::Target, &before.targets, &after.targets),
        of(EntryKind::Endpoints, &before.endpoints, &after.endpoints),
    ]
    .concat()
}

/// That entries which are equal are shared.
fn assert_shared(before: &Table, after: &Table) {
    fn of<E: PartialEq>(before: &Entries<E>, after: &Entries<E>) {
        for (key, entry) in after {
            let Some(last) = before.get(key) else { continue };
            assert!(last != entry || Arc::ptr_eq(last, entry), "{key} is made anew without need");
        }
    }
    of(&before.routes, &after.routes);
    of(&before.pools, &after.pools);
    of(&before.targets, &after.targets);
    of(&before.endpoints, &after.endpoints);
}

/// That the step's books are right: what became something else has the step's version, all else the version it had.
fn assert_books(last: &Step, step: &Step) {
    let changed = changed(&last.table, &step.table);
    let kept = |id: &EntryId| step.keep.contains(id) != last.keep.contains(id);
    let any = !changed.is_empty() || last.keep != step.keep;
    assert_eq!(step.table.version, last.table.version + u64::from(any));
    for (id, since) in &step.since {
        let expected = match last.since.get(id) {
            Some(before) if !changed.contains(id) && !kept(id) => *before,
            _ => step.table.version,
        };
        assert_eq!(*since, expected, "{id}");
    }
    let entries = changed.iter().filter(|id| contains(&step.table, id));
    assert!(entries.chain(&step.keep).all(|id| step.since.contains_key(id)));
}

fn contains(table: &Table, id: &EntryId) -> bool {
    match id.kind {
        EntryKind::Route => table.routes.contains_key(&id.key),
        EntryKind::Pool => table.pools.contains_key(&id.key),
        EntryKind::Target => table.targets.contains_key(&id.key),
        EntryKind::Endpoints => table.endpoints.contains_key(&id.key),
    }
}

/// What was said last of every object.
type Statuses = BTreeMap<ObjectId, ObjectStatus>;

/// Takes in what a step says; each must be news.
fn take_in(statuses: &mut Statuses, step: &Step) {
    for (id, status) in &step.statuses {
        let before = match status {
            Some(status) => statuses.insert(id.clone(), status.clone()),
            None => statuses.remove(id),
        };
        assert_ne!(&before, status, "{id}: nothing else is said of it than before");
    }
}

/// What follows from the objects alone.
fn memoryless(compiled: &Compiled) -> Vec<String> {
    let statuses = compiled.statuses.iter();
    statuses.map(|(id, status)| format!("{id}: {:?} {:?}", status.standing, status.conditions)).collect()
}

proptest! {
    #[test]
    fn any_changes_come_to_what_compiling_everything_comes_to(claims in claims(), batches in batches()) {
        let mut compiler = Compiler::new(claims.clone(), Table::default());
        let mut objects = Objects::default();
        let mut statuses = Statuses::new();
        let mut last = Step { since: OrdMap::new(), ..Step::default() };
        for batch in batches {
            batch.iter().cloned().for_each(|change| objects.apply(change));
            let step = compiler.apply(batch);
            let all = whole(&claims, &objects, &last.table, false);
            prop_assert_eq!(&step.table, &Table { version: step.table.version, ..all.table });
            prop_assert_eq!(&step.keep, &all.keep);
            take_in(&mut statuses, &step);
            prop_assert_eq!(&statuses, &all.statuses);
            assert_shared(&last.table, &step.table);
            assert_books(&last, &step);
            last = step;
        }
    }

    #[test]
    fn a_compiler_that_starts_anew_says_the_same(claims in claims(), batches in batches()) {
        let mut objects = Objects::default();
        let mut last = Table::default();
        for batch in batches {
            for change in batch {
                objects.apply(change);
            }
            let knowing = whole(&claims, &objects, &last, false);
            let anew = whole(&claims, &objects, &Table::default(), false);
            prop_assert_eq!(memoryless(&knowing), memoryless(&anew));
            last = knowing.table;
        }
    }

    #[test]
    fn the_same_objects_again_say_nothing_new(batches in batches()) {
        let mut compiler = Compiler::new(Claims::default(), Table::default());
        let mut objects = Objects::default();
        for batch in &batches {
            batch.iter().cloned().for_each(|change| objects.apply(change));
        }
        let first = compiler.apply(batches.into_iter().flatten());
        let again = compiler.apply(objects.into_changes());
        prop_assert_eq!(again.table.version, first.table.version);
        prop_assert!(again.statuses.is_empty(), "{:?}", again.statuses);
        prop_assert_eq!(again.since, first.since);
    }
}
