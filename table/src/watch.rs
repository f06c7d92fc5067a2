//! The watch channel's messages, between the controller and the proxies.
//!
//! Modelled on Kubernetes' own watch: one JSON object a line. A proxy that reads a type, kind or field that it does not
//! know refuses that one entry, says so in its report and keeps what it had; so proxies and controllers of neighbouring
//! releases work together, and no proxy serves what it understands by half.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ObjectKey;

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

/// One line from the controller.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Message {
    /// An entry that the proxy does not have.
    Added {
        /// Which.
        #[serde(flatten)]
        id: EntryId,
        /// Of `entry`'s text.
        hash: String,
        /// The entry.
        entry: Box<RawValue>,
    },
    /// An entry that the proxy has in another form.
    Modified {
        /// Which.
        #[serde(flatten)]
        id: EntryId,
        /// Of `entry`'s text.
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

/// What a proxy says of itself, whenever it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version that it serves from; `None`: none of this controller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Version>,
    /// Entries of that version which it refused, and why. What it had before them stays in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Entries that it was told to keep and does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<EntryId>,
    /// The endpoints that are not as healthy as they should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointReport>,
    /// Whether it takes requests.
    #[serde(default)]
    pub ready: bool,
    /// The program's version.
    #[serde(default)]
    pub program: String,
}

/// An entry that a proxy could not use.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Which.
    #[serde(flatten)]
    pub id: EntryId,
    /// Why, in words for the user; no secrets.
    pub reason: String,
}

/// The health of one endpoint as one proxy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    /// The Target.
    pub target: ObjectKey,
    /// The address, where the Target has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Its state.
    pub state: EndpointState,
}

/// The states of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum EndpointState {
    /// Gets requests.
    Healthy,
    /// Gets none while others do.
    Unhealthy,
    /// Finishes what is in flight.
    Draining,
    /// Gets none.
    Disabled,
}
