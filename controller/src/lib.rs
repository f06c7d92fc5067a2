//! The controller: source (cluster or folder) → validate → compile (a pure function) → push → collect → status.

pub mod collect;
pub mod compile;
pub mod config;
pub mod kubernetes;
pub mod lead;
pub mod objects;
pub mod observe;
pub mod problem;
pub mod publish;
pub mod push;
pub mod run;
pub mod source;
pub mod status;
