//! Durations as Kubernetes and the Gateway API write them: `1h30m`, `15s`, `100ms`.
//!
//! The grammar is that of GEP-2257, made stricter where its freedom has no use: units go from large to small, each at most
//! once, and the whole is above zero. A zero would have to mean "none" for one field and "at once" for another; leaving the
//! field out says the first, and nothing needs the second.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration above zero in the units `h`, `m`, `s` and `ms`, such as `1m30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration(std::time::Duration);

impl Duration {
    /// The duration as the standard library has it.
    pub fn get(self) -> std::time::Duration {
        self.0
    }
}

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotADuration(String);

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no duration above zero: write it as 15s, 1m30s or 100ms", self.0)
    }
}

impl std::error::Error for NotADuration {}

/// The units from large to small: name, milliseconds, and the most digits of its number. So bounded, no sum overflows and
/// every sum can be written again.
const UNITS: [(&str, u64, u32); 4] = [("h", 3_600_000, 4), ("m", 60_000, 5), ("s", 1_000, 5), ("ms", 1, 5)];

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let refused = || NotADuration(text.to_owned());
        let mut rest = text;
        let mut total: u64 = 0;
        let mut units = UNITS.iter();
        while !rest.is_empty() {
            let (number, tail) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
            let (unit, tail) = tail.split_at(tail.bytes().take_while(u8::is_ascii_alphabetic).count());
            let (_, millis, digits) = units.find(|(name, ..)| *name == unit).ok_or_else(refused)?;
            if number.len() > *digits as usize {
                return Err(refused());
            }
            total += number.parse::<u64>().map_err(|_| refused())? * millis;
            rest = tail;
        }
        if total == 0 { Err(refused()) } else { Ok(Self(std::time::Duration::from_millis(total))) }
    }
}

impl TryFrom<String> for Duration {
    type Error = NotADuration;

    fn try_from(text: String) -> Result<Self, NotADuration> {
        text.parse()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        for (unit, size, digits) in UNITS {
            let size = u128::from(size);
            // No more digits than are read; what is left goes to the smaller units, as it was when it was read.
            let most = 10_u128.pow(digits) - 1;
            let number = (millis / size).min(most);
            if number > 0 {
                write!(f, "{number}{unit}")?;
                millis -= number * size;
            }
        }
        Ok(())
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 2,
            "maxLength": 24,
            "pattern": "^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$",
            "x-kubernetes-validations": [{
                "rule": "self.matches('[1-9]')",
                "message": "a duration is above zero: write it as 15s, 1m30s or 100ms",
            }],
        })
    }
}
