//! What the controller has in force, as the watch channel sends it and as status counts it.

use imbl::{OrdMap, OrdSet};
use sluicegate_table::Table;
use sluicegate_table::watch::{EntryId, Version};

/// A version of the table and what belongs to it. Cheap to clone: everything in it is shared between versions.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Identifies this controller's term as leader, see [`Version`]; empty: nothing was published yet.
    pub epoch: String,
    /// The table.
    pub table: Table,
    /// Objects that are refused and of which this controller has seen no valid version: proxies keep what they have. Their
    /// entry in `table`, where there is one, is what a proxy without one takes.
    pub keep: OrdSet<EntryId>,
    /// The table's version in which each entry became what it is now.
    pub since: OrdMap<EntryId, u64>,
}

impl Published {
    /// The version as it goes over the channel.
    pub fn version(&self) -> Version {
        Version { epoch: self.epoch.clone(), number: self.table.version }
    }
}
