//! The program under clients that other people wrote.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod curl;
mod h2load;
mod h2spec;
mod python;
