//! Things that break, over real sockets: what clients see of it, how long it takes, and what comes back.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod breakers;
mod breaking_off;
mod checked;
mod each_fault;
mod ejected;
mod killed;
mod names;
mod storms;
mod waiting;
