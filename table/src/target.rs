//! A target entry: where requests go and how to talk to it.

use serde::{Deserialize, Serialize};

use crate::{HealthChecks, SecretText};

/// One place that requests can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Host name or IP address (IPv6 without brackets), lower case.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Requests go to the addresses in [`Table::endpoints`](crate::Table::endpoints) under the same key, rather than to
    /// what `host` resolves to; host and port then name the Service.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub discovered: bool,
    /// Protocol to speak.
    pub protocol: Protocol,
    /// Put in front of the request's path: empty, or begins with `/` and does not end with one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What a person wants of it.
    #[serde(default)]
    pub state: TargetState,
    /// Headers set on each request: valid names in lower case, valid values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The header that authenticates requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// TLS settings; only used with [`Protocol::Https`].
    #[serde(default, skip_serializing_if = "Tls::is_default")]
    pub tls: Tls,
    /// Checks that go before those of its pools, active and passive each for itself.
    #[serde(default, skip_serializing_if = "HealthChecks::is_none")]
    pub health_checks: HealthChecks,
    /// The region that it is in, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The zone that it is in, where that is known; for one with discovered addresses, each says its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl Target {
    /// A Target with all else as it is where nothing is written.
    pub fn new(host: impl Into<String>, port: u16, protocol: Protocol) -> Self {
        Self {
            host: host.into(),
            port,
            discovered: false,
            protocol,
            path: String::new(),
            state: TargetState::Enabled,
            headers: Vec::new(),
            credential: None,
            tls: Tls::default(),
            health_checks: HealthChecks::default(),
            region: None,
            zone: None,
        }
    }
}

/// The protocols spoken to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Protocol {
    /// HTTP/1.1 in clear text.
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP/2 or HTTP/1.1 by ALPN, over TLS.
    #[serde(rename = "HTTPS")]
    Https,
    /// HTTP/2 in clear text, with prior knowledge.
    #[serde(rename = "H2C")]
    H2c,
}

/// What a person wants of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum TargetState {
    /// Gets requests.
    #[default]
    Enabled,
    /// Finishes what is in flight, gets nothing new.
    Draining,
    /// Gets nothing.
    Disabled,
}

/// A header that authenticates requests to a target. Without its value the target is unusable.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The header's name, lower case.
    pub header: String,
    /// Its whole value, or `None` while the Secret is missing: nothing may then be sent.
    pub value: Option<SecretText>,
}

/// TLS settings of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The name the certificate must have, also sent as SNI; `None`: the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Certificate authorities to trust, PEM.
    #[serde(default, skip_serializing_if = "TrustRoots::is_system")]
    pub roots: TrustRoots,
}

impl Tls {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which certificate authorities a target's certificate is checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum TrustRoots {
    /// The system's.
    #[default]
    System,
    /// Exactly these, PEM.
    Pem(String),
    /// Those of a `ConfigMap` that is missing or unusable: no connection may be made.
    Missing,
}

impl TrustRoots {
    fn is_system(&self) -> bool {
        *self == Self::System
    }
}
