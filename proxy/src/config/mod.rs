//! The installation's own configuration: `sluicegate.yaml`.
//!
//! It is kept out of the kinds because it belongs to a process and not to the traffic: where to listen, whom to trust,
//! how much to take. What is written (`file`) is read with unknown fields refused and turned into these checked types,
//! so that no other stage meets nonsense. `docs/configuration.md` is the reference.

mod controller;
mod differences;
mod file;
mod problem;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use crate::request::IdentityHeaders;

pub use controller::Controller;
pub use problem::{ConfigError, ConfigProblem};

/// The installation's own configuration. All of it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where requests come in; never empty.
    pub listeners: Vec<Listener>,
    /// Where the admin endpoints are: metrics, table, explain.
    pub admin: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` alone are, for others than this machine.
    pub observe: Option<SocketAddr>,
    /// How many workers; 0: as many as the CPUs that this process may use.
    pub workers: usize,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether requests get a `Forwarded` header even where no trusted proxy has set one.
    pub forwarded_header: bool,
    /// Which headers say who the user is.
    pub identity: IdentityHeaders,
    /// The access log.
    pub access_log: AccessLogConfig,
    /// Limits on what clients may send.
    pub limits: Limits,
    /// How to stop.
    pub shutdown: Shutdown,
    /// Small echo servers, for trying rules out.
    pub echo: Vec<Echo>,
    /// Where the table comes from; for `sluicegate proxy` only.
    pub controller: Option<Controller>,
    /// Where the table in force is kept for the next start; for `sluicegate proxy` only.
    pub saved_table: Option<PathBuf>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens; port 0: one that the system chooses.
    pub address: SocketAddr,
    /// Certificates, where clients speak TLS; empty: clear text.
    pub certificates: Vec<CertificateFiles>,
}

/// Where a certificate and its private key are, both PEM. Relative paths start at the configuration's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate, then its intermediates.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// The access log. JSON, one line a request, is its one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// One in this many requests is logged: 1 all of them, 0 none.
    pub sample: u32,
}

/// Limits on what clients may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a request's head.
    pub request_headers: usize,
    /// The most bytes of a request's body; 0: no limit.
    pub request_body: u64,
    /// How long a request's head may take, from its first byte.
    pub header_timeout: Duration,
    /// How long a request's body may stand still.
    pub body_timeout: Duration,
    /// How long a connection may be without a request.
    pub idle_timeout: Duration,
}

/// How to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long requests in flight may take to finish.
    pub drain_timeout: Duration,
}

/// A small server that answers with what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    /// The name that it answers with.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            listeners: vec![Listener { address: SocketAddr::new(any, 8080), certificates: Vec::new() }],
            admin: SocketAddr::new(loopback, 9901),
            observe: None,
            workers: 0,
            trusted_proxies: Vec::new(),
            forwarded_header: false,
            identity: IdentityHeaders::default(),
            access_log: AccessLogConfig::default(),
            limits: Limits::default(),
            shutdown: Shutdown::default(),
            echo: Vec::new(),
            controller: None,
            saved_table: None,
        }
    }
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self { sample: 100 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_headers: 64 * 1024,
            request_body: 0,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_mins(1),
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_timeout: Duration::from_secs(30) }
    }
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { file: path.to_owned(), error: error.to_string() })?;
        Self::parse(&text, path)
    }

    /// Reads a text. `file` is named in problems, and relative paths start at its folder.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        file::parse(text, file)
    }
}

#[cfg(test)]
mod tests;
