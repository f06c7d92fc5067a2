//! What the test tiers stand on: the layout's rules, and a harness that runs the program between scripted targets and
//! scripted clients.
//!
//! A harness fails by panicking, with a message that says what was expected: that is what a test is for.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod layout;
