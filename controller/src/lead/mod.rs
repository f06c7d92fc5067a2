//! Who leads: one controller compiles, pushes, collects and writes; the others wait and point to it.

mod election;
mod leadership;
mod leases;

pub use election::{Election, Identity};
pub use leadership::{Leadership, Standing};
pub use leases::{ClusterLease, LeaseError, Leases};
