//! Where objects come from.

pub mod cluster;
pub mod folder;
mod requests;
