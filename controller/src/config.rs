//! The controller's own configuration: which objects are its own, where it listens, who its proxies are.
//!
//! Its keys are the chart's values under the same names. Unknown keys are refused, so that a misspelt setting of tenancy
//! never means "everything".

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use sluicegate_table::scalars::parse_duration;

use crate::compile::Claims;

/// The controller's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The namespaces whose objects are read; empty: all.
    pub watch_namespaces: Vec<String>,
    /// A label selector: Upstreams, Targets and Rules that it does not select belong to another installation. Empty: all.
    pub object_selector: String,
    /// Who may claim which host names; empty: any namespace may claim any.
    pub hostnames: Vec<HostnameClaim>,
    /// The watch channel.
    pub channel: Channel,
    /// The proxies that the channel serves.
    pub proxies: Proxies,
    /// The lease that elects the leader.
    pub lease: Lease,
    /// Where the admin endpoints are.
    pub admin: Admin,
    /// Where `/healthz`, `/readyz` and `/metrics` are.
    pub observe: Observe,
}

/// Host names that some namespaces may claim, and no other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostnameClaim {
    /// The namespaces.
    pub namespaces: Vec<String>,
    /// Host names; `*.example.com` stands for every name below it. `*` alone: every name, and Rules without host names.
    pub hostnames: Vec<String>,
}

/// The watch channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Channel {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name in its certificate, by which proxies know it. Empty: `sluicegate-controller.NAMESPACE.svc`.
    pub server_name: String,
    /// The audience that the proxies' tokens must have.
    pub audience: String,
    /// The Secret, in the controller's namespace, with its certificate (`tls.crt`, `tls.key`, and `ca.crt`).
    pub certificate_secret: String,
    /// Whether the controller makes and rotates that certificate, and its CA, by itself.
    pub managed: bool,
    /// The `ConfigMap`, in the controller's namespace, that tells the proxies the CA, under `ca.crt`.
    pub ca_config_map: String,
}

/// The proxies that the channel serves; they are in the controller's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Proxies {
    /// Their service account: tokens of others are refused.
    pub service_account: String,
    /// Their Service: its `EndpointSlice`s say which proxies there are.
    pub service: String,
}

/// The lease that elects the leader, with the meanings of Kubernetes' own components.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lease {
    /// Its name, in the controller's namespace.
    pub name: String,
    /// How long a lease that is not renewed holds others off.
    #[serde(deserialize_with = "duration")]
    pub duration: Duration,
    /// How long the leader tries to renew before it gives up leading.
    #[serde(deserialize_with = "duration")]
    pub renew_deadline: Duration,
    /// The time between tries.
    #[serde(deserialize_with = "duration")]
    pub retry_period: Duration,
}

/// Where the admin endpoints are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The address; on loopback, since it shows the table.
    pub address: SocketAddr,
}

/// Where the kubelet's and Prometheus' endpoints are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// The address.
    pub address: SocketAddr,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443),
            server_name: String::new(),
            audience: "sluicegate".to_owned(),
            certificate_secret: "sluicegate-channel".to_owned(),
            managed: true,
            ca_config_map: "sluicegate-channel-ca".to_owned(),
        }
    }
}

impl Default for Proxies {
    fn default() -> Self {
        Self { service_account: "sluicegate-proxy".to_owned(), service: "sluicegate-proxy".to_owned() }
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            name: "sluicegate-controller".to_owned(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901) }
    }
}

impl Default for Observe {
    fn default() -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9902) }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is no YAML, or a key or value is not one that there is.
    #[error("{}: {error}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What and where.
        error: Box<serde_saphyr::Error>,
    },
    /// The values contradict each other.
    #[error("{}: {message}", file.display())]
    Contradictory {
        /// The file.
        file: PathBuf,
        /// What is wrong and what to write.
        message: String,
    },
}

impl Config {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| ConfigError::Unreadable { file: file.to_owned(), error })?;
        Self::parse(&text, file)
    }

    /// Reads a text; `file` is named in errors.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let config: Self = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Malformed { file: file.to_owned(), error: Box::new(error) })?;
        match config.contradiction() {
            Some(message) => Err(ConfigError::Contradictory { file: file.to_owned(), message }),
            None => Ok(config),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let Lease { duration, renew_deadline, retry_period, .. } = self.lease;
        if duration <= renew_deadline {
            return Some(
                "lease.duration must be longer than lease.renewDeadline, else two controllers could lead".into(),
            );
        }
        if renew_deadline <= retry_period {
            return Some(
                "lease.renewDeadline must be longer than lease.retryPeriod, else one missed try ends leading".into(),
            );
        }
        if let Err(error) = Claims::new(&self.hostnames) {
            return Some(error.to_string());
        }
        let empty = self.hostnames.iter().position(|claim| claim.namespaces.is_empty() || claim.hostnames.is_empty());
        empty.map(|index| format!("hostnames[{index}] must name at least one namespace and one host name"))
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::path::Path;
    use std::time::Duration;

    use super::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("controller.yaml")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let config = parse("watchNamespaces: [a, b]\nlease: {duration: 30s}\n").unwrap();
        assert_eq!(config.watch_namespaces, ["a", "b"]);
        assert_eq!(config.lease.duration, Duration::from_secs(30));
        assert_eq!(config.lease.retry_period, Duration::from_secs(2));
        assert_eq!(config.channel.address.port(), 8443);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, said) in [
            ("watchNamespace: [a]", "watchNamespace"),
            ("lease: {duration: soon}", "`soon` is no duration"),
            ("lease: {duration: 5s}", "lease.duration must be longer"),
            ("lease: {retryPeriod: 10s}", "lease.renewDeadline must be longer"),
            ("hostnames: [{namespaces: [], hostnames: ['*']}]", "hostnames[0]"),
            ("hostnames: [{namespaces: [a], hostnames: ['https://a']}]", "hostnames[0].hostnames[0]"),
            ("channel: {address: nowhere}", "controller.yaml"),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(said), "{text}: {refusal}");
        }
    }
}
