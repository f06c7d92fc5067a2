//! A whole version of the routing table.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::{Endpoints, ObjectKey, Pool, Route, Target};

/// A whole version of the table. Its maps are persistent: a clone shares everything, and two versions are compared in the
/// time that their difference takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Grows by one with each version; 0 is the empty table.
    pub version: u64,
    /// Rules.
    pub routes: Entries<Route>,
    /// Upstreams.
    pub pools: Entries<Pool>,
    /// Targets.
    pub targets: Entries<Target>,
    /// Where the Targets whose place is [discovered](Target::discovered) are, under the same keys.
    #[serde(default, skip_serializing_if = "OrdMap::is_empty")]
    pub endpoints: Entries<Endpoints>,
}

/// The entries of one kind.
pub type Entries<T> = OrdMap<ObjectKey, Entry<T>>;

/// One entry, shared between versions of the table.
pub type Entry<T> = Arc<T>;
