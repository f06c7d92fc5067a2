//! What is written in the file, field by field, and how it becomes a [`Config`].
//!
//! Every field is optional here and every value keeps its place in the text. Values are checked one by one while they are
//! read, so that a bad one is reported at its place; then those that depend on each other, all problems at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use http::header::HeaderName;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};
use sluicegate_table::scalars::{format_duration, format_size, parse_duration, parse_size};

use super::{CertificateFiles, Config, ConfigError, ConfigProblem, Echo, Listener, controller};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    listeners: Option<Spanned<Vec<ListenerEntry>>>,
    admin: Option<AddressEntry>,
    observe: Option<AddressEntry>,
    workers: Option<Spanned<usize>>,
    trusted_proxies: Option<Vec<Network>>,
    forwarded_header: Option<bool>,
    identity: Option<IdentityEntry>,
    access_log: Option<AccessLogEntry>,
    limits: Option<LimitsEntry>,
    shutdown: Option<ShutdownEntry>,
    echo: Option<Vec<EchoEntry>>,
    controller: Option<controller::Entry>,
    saved_table: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenerEntry {
    address: Spanned<Address>,
    tls: Option<TlsEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsEntry {
    certificates: Spanned<Vec<CertificateEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateEntry {
    certificate: Spanned<String>,
    key: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddressEntry {
    address: Spanned<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityEntry {
    #[serde(rename = "userHeader")]
    user: Option<Header>,
    #[serde(rename = "tierHeader")]
    tier: Option<Header>,
    #[serde(rename = "segmentHeader")]
    segment: Option<Header>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessLogEntry {
    #[serde(rename = "format")]
    _format: Option<AccessLogFormat>,
    sample: Option<u32>,
}

/// The formats of the access log. There is one, so nothing needs to be kept of it.
#[derive(Deserialize)]
enum AccessLogFormat {
    #[serde(rename = "JSON")]
    Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LimitsEntry {
    request_headers: Option<Spanned<Size>>,
    request_body: Option<Size>,
    header_timeout: Option<Spanned<Time>>,
    body_timeout: Option<Spanned<Time>>,
    idle_timeout: Option<Spanned<Time>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ShutdownEntry {
    drain_timeout: Option<Spanned<Time>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EchoEntry {
    address: Spanned<Address>,
    name: Spanned<String>,
}

/// A value that is read from its text with a parser whose error says what to write instead.
fn from_text<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

struct Address(SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| {
            SocketAddr::from_str(text)
                .map(Self)
                .map_err(|_| format!("`{text}` is no IP address with a port: write it as 0.0.0.0:8080 or [::1]:8080"))
        })
    }
}

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| {
            let single = || text.parse::<std::net::IpAddr>().map(IpNet::from);
            IpNet::from_str(text)
                .or_else(|_| single())
                .map(|network| Self(network.trunc()))
                .map_err(|_| format!("`{text}` is no network: write it as 10.0.0.0/8, 192.0.2.7 or fd00::/8"))
        })
    }
}

struct Header(HeaderName);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| {
            HeaderName::from_str(text)
                .map(Self)
                .map_err(|_| format!("`{text}` is no header name: write letters, digits and dashes, such as X-User-ID"))
        })
    }
}

struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| parse_duration(text).map(Self))
    }
}

struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, |text| parse_size(text).map(Self))
    }
}

/// Less than 8 KiB is less than clients rightly send; more than 1 MiB of header fields is an attack.
const REQUEST_HEADERS: RangeInclusive<u64> = 8 * 1024..=1024 * 1024;
/// Time limits are kept with coarse ticks, and none of them means anything beyond a day.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);
const MOST_WORKERS: usize = 1024;

pub(super) fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
    if is_empty(text) {
        return Ok(Config::default());
    }
    let read = read(text).map_err(|problem| ConfigError::Invalid(vec![problem.in_file(file)]))?;
    let mut checks = Checks { file, problems: Vec::new(), taken: Vec::new() };
    let config = checks.config(read);
    checks.problems.sort_by_key(|problem| (problem.line, problem.column));
    if checks.problems.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(checks.problems)) }
}

/// A file of nothing but comments is as good as none.
fn is_empty(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

struct Misread {
    location: Option<Location>,
    field: String,
    message: String,
}

impl Misread {
    fn in_file(self, file: &Path) -> ConfigProblem {
        let (line, column) = self.location.map_or((1, 1), |location| (location.line(), location.column()));
        ConfigProblem { file: file.to_owned(), line, column, field: self.field, message: self.message }
    }
}

fn read(text: &str) -> Result<File, Misread> {
    let field = RefCell::new(String::new());
    serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            // A value that keeps its place is read as a struct with a field `value`, which nobody has written.
            *field.borrow_mut() = error.path().to_string().replace(".value", "");
            error.into_inner()
        })
    })
    .map_err(|error: serde_saphyr::Error| Misread {
        location: error.location(),
        field: Some(field.take()).filter(|field| field != ".").unwrap_or_default(),
        message: message_of(&error),
    })
}

/// The reader's message on one line, without the place and the excerpt, which it adds itself.
fn message_of(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let message = line.split_once(" at line ").map_or(line, |(message, _)| message);
    message.trim_end_matches([',', ' ']).to_owned()
}

/// Turns what was read into a configuration and notes what cannot be.
pub(super) struct Checks<'a> {
    file: &'a Path,
    problems: Vec<ConfigProblem>,
    /// The addresses so far, with their fields.
    taken: Vec<(SocketAddr, String)>,
}

impl Checks<'_> {
    fn config(&mut self, file: File) -> Config {
        let defaults = Config::default();
        let listeners = file.listeners.map_or(defaults.listeners, |listeners| self.listeners(listeners));
        let admin = file.admin.map_or(defaults.admin, |entry| self.address(&entry.address, "admin.address"));
        let observe = file.observe.map(|entry| self.address(&entry.address, "observe.address"));
        let echo = file.echo.unwrap_or_default();
        let echo = echo.into_iter().enumerate().map(|(index, entry)| self.echo(index, entry)).collect();
        let workers = file.workers.map_or(defaults.workers, |workers| {
            if workers.value > MOST_WORKERS {
                let message = format!("more than {MOST_WORKERS} workers: write 0 for as many as there are CPUs");
                self.problem(workers.referenced, "workers", message);
            }
            workers.value
        });
        let identity = file.identity.map_or(defaults.identity.clone(), |entry| crate::request::IdentityHeaders {
            user: entry.user.map_or(defaults.identity.user, |header| header.0),
            tier: entry.tier.map_or(defaults.identity.tier, |header| header.0),
            segment: entry.segment.map_or(defaults.identity.segment, |header| header.0),
        });
        Config {
            listeners,
            admin,
            observe,
            workers,
            trusted_proxies: file.trusted_proxies.unwrap_or_default().into_iter().map(|network| network.0).collect(),
            forwarded_header: file.forwarded_header.unwrap_or(defaults.forwarded_header),
            identity,
            access_log: super::AccessLogConfig {
                sample: file.access_log.and_then(|entry| entry.sample).unwrap_or(defaults.access_log.sample),
            },
            limits: file.limits.map_or(defaults.limits, |entry| self.limits(entry)),
            shutdown: super::Shutdown {
                drain_timeout: self.time(
                    file.shutdown.and_then(|entry| entry.drain_timeout),
                    "shutdown.drainTimeout",
                    defaults.shutdown.drain_timeout,
                ),
            },
            echo,
            controller: file.controller.map(|entry| entry.checked(self)),
            saved_table: file.saved_table.map(|path| self.path(path, "savedTable")),
        }
    }

    fn listeners(&mut self, listeners: Spanned<Vec<ListenerEntry>>) -> Vec<Listener> {
        if listeners.value.is_empty() {
            let message = "no listener: write at least one, or leave the field out for 0.0.0.0:8080".to_owned();
            self.problem(listeners.referenced, "listeners", message);
        }
        listeners.value.into_iter().enumerate().map(|(index, entry)| self.listener(index, entry)).collect()
    }

    fn listener(&mut self, index: usize, entry: ListenerEntry) -> Listener {
        let field = format!("listeners[{index}]");
        let address = self.address(&entry.address, &format!("{field}.address"));
        let certificates = entry.tls.map(|tls| {
            let field = format!("{field}.tls.certificates");
            if tls.certificates.value.is_empty() {
                let message = "no certificate: write at least one, or leave `tls` out for clear text".to_owned();
                self.problem(tls.certificates.referenced, &field, message);
            }
            let mut seen = BTreeSet::new();
            let entries = tls.certificates.value.into_iter().enumerate();
            entries
                .map(|(index, entry)| {
                    let field = format!("{field}[{index}]");
                    if !seen.insert(entry.certificate.value.clone()) {
                        let message = format!("`{}` is listed twice: remove one", entry.certificate.value);
                        self.problem(entry.certificate.referenced, &format!("{field}.certificate"), message);
                    }
                    CertificateFiles {
                        certificate: self.path(entry.certificate, &format!("{field}.certificate")),
                        key: self.path(entry.key, &format!("{field}.key")),
                    }
                })
                .collect()
        });
        Listener { address, certificates: certificates.unwrap_or_default() }
    }

    fn echo(&mut self, index: usize, entry: EchoEntry) -> Echo {
        let field = format!("echo[{index}]");
        let address = self.address(&entry.address, &format!("{field}.address"));
        if entry.name.value.is_empty() || entry.name.value.chars().any(char::is_control) {
            let message = "the name is empty or holds control characters: write a word".to_owned();
            self.problem(entry.name.referenced, &format!("{field}.name"), message);
        }
        Echo { address, name: entry.name.value }
    }

    /// Two sockets cannot have one port, unless it is at different addresses or to be chosen by the system.
    fn address(&mut self, address: &Spanned<Address>, field: &str) -> SocketAddr {
        let Address(new) = address.value;
        let overlaps = |old: &SocketAddr| {
            new.port() != 0
                && old.port() == new.port()
                && (old.ip() == new.ip() || old.ip().is_unspecified() || new.ip().is_unspecified())
        };
        if let Some((old, by)) = self.taken.iter().find(|(old, _)| overlaps(old)) {
            let message = format!("{new} is taken by {by} ({old}): choose another port");
            self.problem(address.referenced, field, message);
        }
        self.taken.push((new, field.to_owned()));
        new
    }

    pub(super) fn path(&mut self, path: Spanned<String>, field: &str) -> PathBuf {
        if path.value.is_empty() {
            self.problem(path.referenced, field, "the path is empty: write where the PEM file is".to_owned());
        }
        self.file.parent().unwrap_or(Path::new("")).join(path.value)
    }

    fn limits(&mut self, entry: LimitsEntry) -> super::Limits {
        let defaults = super::Limits::default();
        let request_headers = entry.request_headers.map_or(defaults.request_headers, |size| {
            let Size(bytes) = size.value;
            if !REQUEST_HEADERS.contains(&bytes) {
                let (least, most) = (format_size(*REQUEST_HEADERS.start()), format_size(*REQUEST_HEADERS.end()));
                self.problem(size.referenced, "limits.requestHeaders", format!("write a size from {least} to {most}"));
            }
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        super::Limits {
            request_headers,
            request_body: entry.request_body.map_or(defaults.request_body, |size| size.0),
            header_timeout: self.time(entry.header_timeout, "limits.headerTimeout", defaults.header_timeout),
            body_timeout: self.time(entry.body_timeout, "limits.bodyTimeout", defaults.body_timeout),
            idle_timeout: self.time(entry.idle_timeout, "limits.idleTimeout", defaults.idle_timeout),
        }
    }

    fn time(&mut self, time: Option<Spanned<Time>>, field: &str, default: Duration) -> Duration {
        let Some(time) = time else { return default };
        let Time(duration) = time.value;
        if !TIMES.contains(&duration) {
            let (least, most) = (format_duration(*TIMES.start()), format_duration(*TIMES.end()));
            self.problem(time.referenced, field, format!("write a duration from {least} to {most}"));
        }
        duration
    }

    pub(super) fn problem(&mut self, location: Location, field: &str, message: String) {
        self.problems.push(ConfigProblem {
            file: self.file.to_owned(),
            line: location.line(),
            column: location.column(),
            field: field.to_owned(),
            message,
        });
    }
}
