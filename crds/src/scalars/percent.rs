//! Percentages with up to four decimals.
//!
//! Kubernetes' conventions keep floating-point numbers out of APIs, so decimals are written as strings; a whole number
//! needs no quotes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::decimal;

/// Decimals that it may have.
const PLACES: usize = 4;

/// A percentage from 0 to 100 with up to four decimals, written as a whole number (`10`) or a string (`"0.1"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// The percentage in millionths of the whole: `10` is 100,000.
    pub fn millionths(self) -> u32 {
        self.0
    }
}

/// Why a text is no percentage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAPercent(String);

impl fmt::Display for NotAPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no percentage: write a number from 0 to 100, such as 10 or \"0.1\"", self.0)
    }
}

impl std::error::Error for NotAPercent {}

impl FromStr for Percent {
    type Err = NotAPercent;

    fn from_str(text: &str) -> Result<Self, NotAPercent> {
        let number = decimal::parse(text, PLACES, "100").filter(|number| (0..=1_000_000).contains(number));
        number.map(Self).ok_or_else(|| NotAPercent(text.to_owned()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.0, PLACES)
    }
}

read_from_text!(Percent);

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(serializer, self)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^(100(\\.0{1,4})?|[0-9]{1,2}(\\.[0-9]{1,4})?)$",
            "minimum": 0, "maximum": 100, "maxLength": 8,
        })
    }
}
