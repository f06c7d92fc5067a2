//! What holds on a real API server, without a node.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod channel;
mod definitions;
mod faults;
mod harness;
mod health;
mod lead;
mod live;
mod refusals;
mod secrets;
mod source;
mod status;
