//! Weights: whole percentages.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A whole percentage from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Weight(u8);

/// A number above 100 given as a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a weight is a percentage from 0 to 100, not {0}")]
pub struct NotAWeight(u8);

impl Weight {
    /// The weight of a member that gets no requests.
    pub const ZERO: Self = Self(0);

    /// The weight of each member of a level in which all that get requests get equally many.
    pub const EQUAL: Self = Self(1);

    /// The weight as a number from 0 to 100.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Weight {
    type Error = NotAWeight;

    fn try_from(number: u8) -> Result<Self, NotAWeight> {
        if number <= 100 { Ok(Self(number)) } else { Err(NotAWeight(number)) }
    }
}

impl From<Weight> for u8 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}
