//! Compile as a whole. What it makes of each field is held by the golden pairs of YAML; here are the laws that hold for
//! all objects, and what YAML cannot show (secrets, shared entries).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod arbitrary;
mod changes;
mod entries;
mod incremental;
mod laws;
mod secrets;
mod services;
mod tenancy;
