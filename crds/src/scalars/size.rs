//! Sizes in bytes as Kubernetes quantities: `512`, `64Ki`, `10Mi`, `1Gi`.
//!
//! Of the quantities' grammar only whole numbers of bytes remain: no fractions, exponents or `m`. A plain number needs no
//! quotes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::IntOrString;

/// A number of bytes: a whole number with the suffix `Ki`, `Mi`, `Gi`, `k`, `M`, `G` or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotASize(String);

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no size: write it as 512, 64Ki or 10Mi", self.0)
    }
}

impl std::error::Error for NotASize {}

/// The units from large to small: the largest that divides a size writes it shortest, within the digits that are read.
const UNITS: [(&str, u64); 6] =
    [("Gi", 1 << 30), ("G", 1_000_000_000), ("Mi", 1 << 20), ("M", 1_000_000), ("Ki", 1 << 10), ("k", 1_000)];

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
            .unwrap_or((text, 1));
        // Ten digits of the largest unit fit into 64 bits.
        let digits = (1..=10).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        number
            .parse::<u64>()
            .ok()
            .filter(|_| digits)
            .and_then(|number| number.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| NotASize(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        match whole {
            Some((suffix, unit)) => write!(f, "{}{suffix}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IntOrString::deserialize(deserializer)?.into_text().parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^[0-9]{1,10}(Ki|Mi|Gi|k|M|G)?$",
            "minimum": 0, "maximum": 9_999_999_999_u64, "maxLength": 12,
        })
    }
}
