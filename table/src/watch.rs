//! The watch channel's messages, between the controller and the proxies.
//!
//! Modelled on Kubernetes' own watch: one JSON object a line. A proxy that reads a type, kind or field that it does not
//! know refuses that one entry, says so in its report and keeps what it had; so proxies and controllers of neighbouring
//! releases work together, and no proxy serves what it understands by half.

mod line;
mod report;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::ObjectKey;

pub use line::Unreadable;
pub use report::{BreakerState, EndpointReport, EndpointState, Refusal, Report, UnhealthyReason, UpstreamReport};

/// What an entry of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum EntryKind {
    /// A Rule's.
    Route,
    /// An Upstream's.
    Pool,
    /// A Target's.
    Target,
    /// The addresses behind a Target.
    Endpoints,
}

impl EntryKind {
    /// The kind of that name, where this release knows it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "Route" => Some(Self::Route),
            "Pool" => Some(Self::Pool),
            "Target" => Some(Self::Target),
            "Endpoints" => Some(Self::Endpoints),
            _ => None,
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Names one entry of the table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub struct EntryId {
    /// Its kind.
    pub kind: EntryKind,
    /// Its key.
    pub key: ObjectKey,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// Not `KIND NAMESPACE/NAME` with a kind that this release knows.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} names no entry: it must be KIND NAMESPACE/NAME")]
pub struct NotAnEntry(String);

impl FromStr for EntryId {
    type Err = NotAnEntry;

    fn from_str(text: &str) -> Result<Self, NotAnEntry> {
        let parsed = text
            .split_once(' ')
            .and_then(|(kind, key)| Some(Self { kind: EntryKind::named(kind)?, key: ObjectKey::from(key.to_owned()) }));
        parsed.ok_or_else(|| NotAnEntry(text.to_owned()))
    }
}

/// A version of the table as it goes over the channel: numbers of different controllers cannot be compared, so each
/// controller's term as leader has an epoch of its own. Written `EPOCH.NUMBER`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// Drawn at random when a controller begins to lead.
    pub epoch: String,
    /// [`Table::version`](crate::Table::version).
    pub number: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.number)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// Not `EPOCH.NUMBER`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a version: it must be EPOCH.NUMBER")]
pub struct NotAVersion(String);

impl TryFrom<String> for Version {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, NotAVersion> {
        let parsed = text
            .rsplit_once('.')
            .and_then(|(epoch, number)| Some(Self { epoch: epoch.to_owned(), number: number.parse().ok()? }));
        parsed.ok_or(NotAVersion(text))
    }
}

/// The hash of an entry's text, as messages carry it: the first half of its SHA-256 in hexadecimal. Users choose what
/// entries say, so it must not be one for which two texts with the same hash can be made.
pub fn content_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).fold(String::with_capacity(32), |mut hash, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

/// What a proxy has, as it tells a controller that does not know its version: the entries' names, as [`EntryId`] is
/// written, and their hashes. An entry that came without a hash has an empty one.
pub type Hashes = BTreeMap<String, String>;

/// One line from the controller. Read with [`Message::read`].
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Message {
    /// An entry that the proxy does not have.
    Added {
        /// Which.
        #[serde(flatten)]
        id: EntryId,
        /// The [`content_hash`] of `entry`'s text.
        hash: String,
        /// The entry.
        entry: Box<RawValue>,
    },
    /// An entry that the proxy has in another form.
    Modified {
        /// Which.
        #[serde(flatten)]
        id: EntryId,
        /// The [`content_hash`] of `entry`'s text.
        hash: String,
        /// The entry.
        entry: Box<RawValue>,
    },
    /// An entry that is no more.
    Deleted {
        /// Which.
        #[serde(flatten)]
        id: EntryId,
    },
    /// The object is refused as it is now. What the proxy has under this name stays in force; a proxy that has nothing
    /// takes `otherwise`, and says so in its report.
    Keep {
        /// Which.
        #[serde(flatten)]
        id: EntryId,
        /// An entry that answers for the object where nothing better is known: a route that answers 503.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<Box<RawValue>>,
    },
    /// Everything since the last one belongs together and is now whole.
    Commit {
        /// What the proxy then has.
        version: Version,
    },
    /// Nothing has changed; the connection lives.
    Heartbeat,
}
