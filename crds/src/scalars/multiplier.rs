//! Multipliers with up to three decimals, for waits that grow.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::decimal;

/// Decimals that it may have.
const PLACES: usize = 3;

/// A factor from 1 to 10 with up to three decimals, written as a whole number (`2`) or a string (`"1.5"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Multiplier(u32);

impl Multiplier {
    /// The factor in thousandths: `2` is 2,000.
    pub fn thousandths(self) -> u32 {
        self.0
    }
}

/// Why a text is no multiplier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAMultiplier(String);

impl fmt::Display for NotAMultiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no multiplier: write a number from 1 to 10, such as 2 or \"1.5\"", self.0)
    }
}

impl std::error::Error for NotAMultiplier {}

impl FromStr for Multiplier {
    type Err = NotAMultiplier;

    fn from_str(text: &str) -> Result<Self, NotAMultiplier> {
        let number = decimal::parse(text, PLACES, "10").filter(|number| (1_000..=10_000).contains(number));
        number.map(Self).ok_or_else(|| NotAMultiplier(text.to_owned()))
    }
}

impl fmt::Display for Multiplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0, PLACES)
    }
}

read_from_text!(Multiplier);

impl Serialize for Multiplier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(serializer, self)
    }
}

impl JsonSchema for Multiplier {
    fn schema_name() -> Cow<'static, str> {
        "Multiplier".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^(10(\\.0{1,3})?|[1-9](\\.[0-9]{1,3})?)$",
            "minimum": 1, "maximum": 10, "maxLength": 6,
        })
    }
}
