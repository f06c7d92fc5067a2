//! A whole version of the routing table.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ObjectKey, Pool, Route, Target};

/// A whole version of the table. Entries are shared, so that a new version costs only what changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Grows by one with each version; 0 is the empty table.
    pub version: u64,
    /// Rules.
    pub routes: BTreeMap<ObjectKey, Entry<Route>>,
    /// Upstreams.
    pub pools: BTreeMap<ObjectKey, Entry<Pool>>,
    /// Targets.
    pub targets: BTreeMap<ObjectKey, Entry<Target>>,
}

/// One entry, shared between versions of the table.
pub type Entry<T> = Arc<T>;
