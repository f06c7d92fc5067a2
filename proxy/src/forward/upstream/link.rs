//! A link: one endpoint of a target on one pool's terms, shared by all workers.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::uri::{Authority, Scheme};
use sluicegate_table::{Connections, EgressProxy, Pool, Protocol, Target, Tls};
use tokio::time::Instant;

use super::gate::Gate;
use crate::tls::{Alpn, TargetTls, TargetTlsCache, TargetTlsError};

/// How often the log is told that no connection comes about, however many requests find that out.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Tells links apart; never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId(u64);

/// One endpoint of a target on one pool's terms. An edit that changes neither keeps the link, and with it the open connections.
#[derive(Debug)]
pub struct Link {
    pub(super) id: LinkId,
    pub(super) terms: Terms,
    pub(super) gate: Arc<Gate>,
    pub(super) idle: AtomicU32,
    retired: AtomicBool,
    /// Shared with the links that come after this one for the same place.
    leaving: Arc<AtomicBool>,
    /// What was under way was cut, since the endpoint left and its time was over.
    cut: AtomicBool,
    /// When the log was last told that no connection came about.
    told: Mutex<Option<Instant>>,
    /// `host` or `host:port`, as in a URI and a `Host` header; `None` when the host is no valid authority.
    authority: Option<(Authority, HeaderValue)>,
    /// TLS settings by what is offered, kept so that sessions can be resumed.
    tls: OnceLock<TargetTls>,
    tls_http1: OnceLock<TargetTls>,
}

/// Everything that decides whether a connection serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Where connections go, where that has been discovered; `None`: to what the host resolves to. What is said over them
    /// (`Host`, SNI) names the host all the same.
    pub(super) address: Option<SocketAddr>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    pub(super) tls: Tls,
    pub(super) egress_proxy: Option<EgressProxy>,
    pub(super) connections: Connections,
}

impl Link {
    /// The link of `last` where the terms are the same, else a new one.
    pub(crate) fn shared_or_new(
        target: &Target,
        address: Option<SocketAddr>,
        pool: &Pool,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let terms = Terms {
            address,
            host: target.host.clone(),
            port: target.port,
            protocol: target.protocol,
            tls: target.tls.clone(),
            egress_proxy: pool.egress_proxy.clone(),
            connections: pool.connections.clone(),
        };
        let leaving = last.filter(|last| last.terms.place() == terms.place()).map(|last| Arc::clone(&last.leaving));
        match last {
            Some(last) if last.terms == terms => Arc::clone(last),
            _ => Arc::new(Self {
                id: LinkId(NEXT.fetch_add(1, Ordering::Relaxed)),
                gate: Gate::new(terms.connections.max, terms.connections.max_pending),
                idle: AtomicU32::new(0),
                retired: AtomicBool::new(false),
                leaving: leaving.unwrap_or_default(),
                cut: AtomicBool::new(false),
                told: Mutex::default(),
                authority: authority(&terms.host, terms.port, terms.protocol),
                tls: OnceLock::new(),
                tls_http1: OnceLock::new(),
                terms,
            }),
        }
    }

    /// Tells this link from all others.
    pub fn id(&self) -> LinkId {
        self.id
    }

    /// Says that the table in force leads here no more: workers let go of their connections.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Whether the table in force leads here no more.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Says whether the endpoint is on its way out of the pool: removed, or wanted Draining or Disabled. What is under way
    /// has until `shutdown.drainTimeout`; an endpoint that comes back before that is not cut.
    pub(crate) fn set_leaving(&self, leaving: bool) {
        // Mostly nothing changes, and workers read what shares its cache line.
        if self.is_leaving() != leaving {
            self.leaving.store(leaving, Ordering::Relaxed);
            self.cut.store(false, Ordering::Relaxed);
        }
    }

    /// Says that what was under way is cut.
    pub(super) fn set_cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// Whether what was under way was cut by this side: that it broke off is no failure of the endpoint.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Whether the endpoint is on its way out of the pool.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether the log is to be told that no connection came about. For the cold path.
    pub(crate) fn tells(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if due {
            *told = Some(Instant::now());
        }
        due
    }

    /// The target's host.
    pub(crate) fn host(&self) -> &str {
        &self.terms.host
    }

    /// Connections that are open or being opened, in all workers.
    pub fn open(&self) -> u32 {
        self.gate.open()
    }

    /// Connections that wait for a request, in all workers.
    pub fn idle(&self) -> u32 {
        self.idle.load(Ordering::Relaxed)
    }

    /// Requests that wait for a connection, in all workers.
    pub fn pending(&self) -> u32 {
        self.gate.pending()
    }

    /// TLS to this link's target.
    pub(super) fn tls(&self, cache: &TargetTlsCache, alpn: Alpn) -> Result<&TargetTls, TargetTlsError> {
        let kept = match alpn {
            Alpn::Http2OrHttp1 => &self.tls,
            Alpn::Http1 => &self.tls_http1,
        };
        if let Some(tls) = kept.get() {
            return Ok(tls);
        }
        let tls = cache.get(&self.terms.host, &self.terms.tls, alpn)?;
        Ok(kept.get_or_init(|| tls))
    }

    pub(crate) fn authority(&self) -> Option<(&Authority, &HeaderValue)> {
        self.authority.as_ref().map(|(authority, value)| (authority, value))
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self.terms.protocol {
            Protocol::Http | Protocol::H2c => Scheme::HTTP,
            Protocol::Https => Scheme::HTTPS,
        }
    }

    /// Whether requests name the target in absolute form, because a forward proxy reads them. Not for one of several
    /// addresses: the proxy would send them to any.
    pub(crate) fn absolute_form(&self) -> bool {
        let terms = &self.terms;
        terms.egress_proxy.is_some() && terms.protocol == Protocol::Http && terms.address.is_none()
    }
}

impl Terms {
    /// Where connections lead, whatever is said about them.
    fn place(&self) -> (Option<SocketAddr>, &str, u16) {
        (self.address, &self.host, self.port)
    }
}

/// `host` or `host:port`, as in a URI and a `Host` header; `None` when the host is no valid authority.
pub(crate) fn authority(host: &str, port: u16, protocol: Protocol) -> Option<(Authority, HeaderValue)> {
    let host = if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) };
    let usual = if protocol == Protocol::Https { 443 } else { 80 };
    let text = if port == usual { host } else { Cow::Owned(format!("{host}:{port}")) };
    Some((text.parse().ok()?, text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_log_is_told_once_a_minute() {
        let target: Target =
            serde_json::from_value(serde_json::json!({ "host": "127.0.0.1", "port": 1, "protocol": "HTTP" })).unwrap();
        let pool: Pool =
            serde_json::from_value(serde_json::json!({ "algorithm": "RoundRobin", "levels": [] })).unwrap();
        let link = Link::shared_or_new(&target, None, &pool, None);
        assert_eq!([link.tells(), link.tells()], [true, false]);
        tokio::time::advance(TOLD_EVERY).await;
        assert_eq!([link.tells(), link.tells()], [true, false]);
    }
}
