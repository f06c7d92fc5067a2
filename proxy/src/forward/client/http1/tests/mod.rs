#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod against_hyper;
mod allocations;
mod answers;
mod bodies;
mod heads;
mod requests;
