//! The atomics of what workers share about health, in one place: the model check puts its own here.

pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
