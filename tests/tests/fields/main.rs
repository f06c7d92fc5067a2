//! Fields of the kinds that no other test looks at: each is written in a manifest, and what it does is seen from outside.
//!
//! `tests/fields.yaml` says which test exercises which field.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod breaker;
mod checks;
mod others;
mod passive;
mod retries;
