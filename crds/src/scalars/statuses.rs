//! Statuses of answers: one (`503`) or from one to another (`500-599`).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// A status from 100 to 599 or a range of them, both ends included, written as a number (`503`) or a string
/// (`"500-599"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statuses {
    from: u16,
    to: u16,
}

impl Statuses {
    /// 500 to 599.
    pub(crate) const SERVER_ERRORS: Self = Self { from: 500, to: 599 };
    /// 429.
    pub(crate) const TOO_MANY_REQUESTS: Self = Self { from: 429, to: 429 };
    /// 502.
    pub(crate) const BAD_GATEWAY: Self = Self { from: 502, to: 502 };
    /// 503.
    pub(crate) const SERVICE_UNAVAILABLE: Self = Self { from: 503, to: 503 };
    /// 504.
    pub(crate) const GATEWAY_TIMEOUT: Self = Self { from: 504, to: 504 };

    /// The first and the last of them.
    pub fn bounds(self) -> (u16, u16) {
        (self.from, self.to)
    }
}

/// Why a text names no statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStatuses(String);

impl fmt::Display for NotStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no status from 100 to 599 and no range of them: write \"503\", or \"500-599\" with the lower one first",
            self.0
        )
    }
}

impl std::error::Error for NotStatuses {}

impl FromStr for Statuses {
    type Err = NotStatuses;

    fn from_str(text: &str) -> Result<Self, NotStatuses> {
        let status = |digits: &str| {
            let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|status| three && (100..=599).contains(status))
        };
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        match (status(from), status(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self { from, to }),
            _ => Err(NotStatuses(text.to_owned())),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{}-{}", self.from, self.to) }
    }
}

read_from_text!(Statuses);

impl Serialize for Statuses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$",
            "minimum": 100, "maximum": 599, "maxLength": 7,
            "x-kubernetes-validations": [{
                // Numbers of three digits are in the order of their texts.
                "rule": "string(self).size() < 7 || string(self).substring(0, 3) <= string(self).substring(4, 7)",
                "message": "the range is empty: write the lower status first",
            }],
        })
    }
}
