//! Scalars that users write as strings: durations (`1m30s`), sizes (`10Mi`), percentages (`0.1`),
//! multipliers (`1.5`) and statuses (`500-599`).
//!
//! They are parsed where they are read, so that no later stage meets a malformed one. Each type's schema accepts exactly
//! the texts that its parser accepts; a property test holds the two together.

/// Reads a scalar from its text, or from a whole number in place of it.
macro_rules! read_from_text {
    ($scalar:ident) => {
        impl<'de> serde::Deserialize<'de> for $scalar {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let written = <super::IntOrString as serde::Deserialize>::deserialize(deserializer)?;
                written.into_text().parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

mod decimal;
mod duration;
mod multiplier;
mod percent;
mod size;
mod statuses;
#[cfg(test)]
mod tests;

use serde::Deserialize;

pub use duration::{Duration, NotADuration};
pub use multiplier::{Multiplier, NotAMultiplier};
pub use percent::{NotAPercent, Percent};
pub use size::{NotASize, Size};
pub use statuses::{NotStatuses, Statuses};

/// What `x-kubernetes-int-or-string` lets through.
#[derive(Deserialize)]
#[serde(untagged)]
enum IntOrString {
    Int(u64),
    String(String),
}

impl IntOrString {
    fn into_text(self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::String(text) => text,
        }
    }
}
