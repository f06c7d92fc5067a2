//! What users write: the kinds `Upstream`, `Target` and `Rule` of `sluicegate.dev/v1alpha1`.
//!
//! One file per kind. The Rust types are the single source: their doc comments are the text of `kubectl explain`, their
//! attributes the structural schema and its CEL rules, and `crds/*.yaml` is generated from them.

pub mod rule;
pub mod scalars;
pub mod status;
pub mod target;
pub mod upstream;

pub use rule::Rule;
pub use target::Target;
pub use upstream::Upstream;

/// The API group of every kind.
pub const GROUP: &str = "sluicegate.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
