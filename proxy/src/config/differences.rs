//! What two configurations do not have in common, by the names of their fields.
//!
//! Each field is taken apart here, so that one that is added is not forgotten: this does not compile without it.

use super::{AccessLogConfig, Config, Limits, Shutdown};
use crate::request::IdentityHeaders;

impl Config {
    /// The fields, as they are written, that have another value in `other`.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            listeners,
            admin,
            observe,
            workers,
            trusted_proxies,
            forwarded_header,
            identity: IdentityHeaders { user, tier, segment },
            access_log: AccessLogConfig { sample },
            limits: Limits { request_headers, request_body, header_timeout, body_timeout, idle_timeout },
            shutdown: Shutdown { drain_timeout },
            echo,
            controller,
            saved_table,
        } = self;
        let fields = [
            ("listeners", *listeners == other.listeners),
            ("admin", *admin == other.admin),
            ("observe", *observe == other.observe),
            ("workers", *workers == other.workers),
            ("trustedProxies", *trusted_proxies == other.trusted_proxies),
            ("forwardedHeader", *forwarded_header == other.forwarded_header),
            ("identity.userHeader", *user == other.identity.user),
            ("identity.tierHeader", *tier == other.identity.tier),
            ("identity.segmentHeader", *segment == other.identity.segment),
            ("accessLog.sample", *sample == other.access_log.sample),
            ("limits.requestHeaders", *request_headers == other.limits.request_headers),
            ("limits.requestBody", *request_body == other.limits.request_body),
            ("limits.headerTimeout", *header_timeout == other.limits.header_timeout),
            ("limits.bodyTimeout", *body_timeout == other.limits.body_timeout),
            ("limits.idleTimeout", *idle_timeout == other.limits.idle_timeout),
            ("shutdown.drainTimeout", *drain_timeout == other.shutdown.drain_timeout),
            ("echo", *echo == other.echo),
            ("controller", *controller == other.controller),
            ("savedTable", *saved_table == other.saved_table),
        ];
        fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}
