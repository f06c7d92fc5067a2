//! Receiving: from a version of the table to the snapshot that workers serve from.
//!
//! A snapshot is immutable and swapped whole, so that no request sees half an edit. What did not change between two
//! versions is shared: pools keep their sequence and their connections, endpoints their counters.

mod changed_pools;
pub mod channel;
mod current;
mod edit;
mod entry;
mod pool;
mod references;
mod saved;
mod snapshot;

pub(crate) use changed_pools::PoolId;
pub use current::Current;
pub use pool::{MemberRuntime, PoolRuntime, Reach};
pub use snapshot::{RouteRuntime, Snapshot};

#[cfg(test)]
mod tests;
