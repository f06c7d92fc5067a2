//! What users write: the kinds `Upstream`, `Target` and `Rule` of `sluicegate.dev/v1alpha1`.
//!
//! One file per kind, and one for each part that stands by itself. The Rust types are the single source: their doc comments are the text of `kubectl explain`, their
//! attributes the structural schema and its CEL rules, and `crds/*.yaml`, the chart of the definitions and the reference
//! pages are generated from them.

pub mod breaker;
pub mod definitions;
pub mod health;
pub mod retry;
pub mod rule;
pub mod scalars;
mod shapes;
pub mod status;
pub mod target;
pub mod upstream;

pub use definitions::{definitions, yaml};
pub use rule::Rule;
pub use target::Target;
pub use upstream::Upstream;

/// The API group of every kind.
pub const GROUP: &str = "sluicegate.dev";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
