//! Compile: checked objects in, table and conditions out. A pure function; golden tests hold pairs of YAML.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_table::Table;

use crate::objects::{ObjectId, Objects};
use crate::problem::Problem;

/// What compile made of the objects.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The table, one version after the last.
    pub table: Table,
    /// What is said of each object; every object of the input is here.
    pub statuses: BTreeMap<ObjectId, ObjectStatus>,
}

/// What is said of one object.
#[derive(Clone, Debug, Default)]
pub struct ObjectStatus {
    /// `Accepted` and `ResolvedRefs`, without transition times.
    pub conditions: Vec<Condition>,
    /// The problems behind them.
    pub problems: Vec<Problem>,
    /// The object is refused and its last valid version stays in force.
    pub stale: bool,
}

/// Compiles the objects. `last` is the table in force: refused objects keep their entry of it, unchanged entries are
/// shared with it.
pub fn compile(_objects: &Objects, last: &Table) -> Compiled {
    Compiled { table: Table { version: last.version + 1, ..Table::default() }, statuses: BTreeMap::new() }
}
