//! Compile: checked objects in, table and conditions out. A pure function; golden tests hold pairs of YAML.
//!
//! Each object becomes one entry of the table, and entries depend on other objects only where a value of theirs is part
//! of the entry (a Secret's text in a Target). That something refers to an object that is not there is said in its
//! conditions and leaves its entry as it is. So one edit changes one entry, and what comes later needs no second one.
//!
//! There is one way to compile: [`Compiler`] takes changes one by one, and [`compile`] takes everything as changes to
//! nothing. What conditions say follows from the objects alone, so that a controller that starts anew writes no status.

mod circuit_breaker;
mod claims;
mod compiler;
mod conditions;
mod credentials;
mod durations;
mod entries;
mod fallbacks;
mod faults;
mod headers;
mod health_checks;
mod inline;
mod matches;
mod methods;
mod names;
mod numbers;
mod overlap;
mod paths;
mod references;
mod referrers;
mod regular_expression;
mod retry;
mod roots;
mod rule;
mod services;
mod standing;
mod target;
mod unreadable;
mod upstream;
mod urls;
mod weights;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use imbl::OrdSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_table::Table;
use sluicegate_table::watch::EntryId;

pub use self::claims::{Claims, NotAHostname};
pub use self::compiler::{Compiler, Step};
pub use self::standing::Standing;
use crate::objects::{ObjectId, Objects};
use crate::problem::Problem;

/// What compile made of the objects.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The table: one version after the last, or the last version where nothing changed.
    pub table: Table,
    /// As [`Step::keep`].
    pub keep: OrdSet<EntryId>,
    /// What is said of each object; every object of the input is here.
    pub statuses: BTreeMap<ObjectId, ObjectStatus>,
}

/// What is said of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectStatus {
    /// `Accepted` and `ResolvedRefs`, and `PartiallyInvalid` where it applies; without transition times.
    pub conditions: Vec<Condition>,
    /// The problems behind them.
    pub problems: Vec<Problem>,
    /// What the object came to.
    pub standing: Standing,
    /// The object is refused and its last valid version is in this table. For what the process says of itself; a status
    /// must not depend on it, since a controller that starts anew does not know.
    pub stale: bool,
}

/// Compiles the objects. `last` is the table in force: refused objects keep their entry of it, unchanged entries are
/// shared with it.
pub fn compile(objects: &Objects, last: &Table) -> Compiled {
    compile_within(&Claims::default(), objects, last)
}

/// Compiles the objects of an installation in which namespaces have these claims.
pub fn compile_within(claims: &Claims, objects: &Objects, last: &Table) -> Compiled {
    whole(claims, objects, last, true)
}

fn whole(claims: &Claims, objects: &Objects, last: &Table, suggests: bool) -> Compiled {
    let (step, table_changed) = Compiler::over(objects.clone(), claims.clone(), last.clone(), suggests).advance();
    let Step { table, keep, statuses, .. } = step;
    // What is to be kept is no part of the table, and the last table does not tell what it was.
    let version = last.version + u64::from(table_changed);
    let statuses = statuses.into_iter().filter_map(|(id, status)| Some((id, status?))).collect();
    Compiled { table: Table { version, ..table }, keep, statuses }
}
