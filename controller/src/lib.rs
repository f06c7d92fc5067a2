//! The controller: source (cluster or folder) → validate → compile (a pure function) → push → status.

pub mod compile;
pub mod objects;
pub mod problem;
pub mod source;
