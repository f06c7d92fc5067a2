//! The chart `charts/sluicegate`: what it renders, what it refuses, what rights it asks for and what its documents say.
//!
//! `UPDATE=1 cargo test -p sluicegate-tests --test chart` writes the golden renders and the list of values anew; read the
//! difference before committing it.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod configuration;
mod effects;
mod golden;
mod helm;
mod monitoring;
mod pods;
mod readme;
mod refusals;
mod rights;
mod schemas;
mod server;
