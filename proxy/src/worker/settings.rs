//! What a worker takes from the installation's configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Limits};
use crate::forward::headers::{ForwardingPolicy, TrustedProxies};
use crate::request::IdentityHeaders;

/// What a worker takes from the installation's configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) identity: IdentityHeaders,
    pub(crate) forwarding: Arc<ForwardingPolicy>,
    /// How long what is under way may take, be it the worker or a target that goes.
    pub(crate) drain_timeout: Duration,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Arc<Self> {
        let trusted = TrustedProxies::new(config.trusted_proxies.clone());
        Arc::new(Self {
            limits: config.limits,
            identity: config.identity.clone(),
            forwarding: Arc::new(ForwardingPolicy { trusted, forwarded_header: config.forwarded_header }),
            drain_timeout: config.shutdown.drain_timeout,
        })
    }
}
