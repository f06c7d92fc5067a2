//! Who is checked, how, and over which way.

use std::net::SocketAddr;
use std::sync::Arc;

use sluicegate_table::{ActiveCheck, EgressProxy, ObjectKey, Probe, Protocol, Target};

use crate::endpoint::Endpoint;

/// Who is checked, how, and over which way.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// The Target's key.
    pub(super) key: ObjectKey,
    /// The address, where the Target's place is discovered; `None`: what its host resolves to.
    pub(super) address: Option<SocketAddr>,
    /// Where it is and how to talk to it.
    pub(super) target: Arc<Target>,
    /// What is asked.
    pub(super) check: ActiveCheck,
    /// What all of the Upstream's traffic goes through.
    pub(super) egress_proxy: Option<EgressProxy>,
}

impl Subject {
    /// An endpoint that is asked what `check` says, by way of what goes for all of the Upstream's traffic.
    pub(crate) fn new(endpoint: &Endpoint, check: &ActiveCheck, egress_proxy: Option<&EgressProxy>) -> Self {
        Self {
            key: endpoint.key.clone(),
            address: endpoint.address,
            target: Arc::clone(&endpoint.target),
            check: check.clone(),
            egress_proxy: egress_proxy.cloned(),
        }
    }

    /// Whether the other is asked the same over the same way, so that one need not begin anew with the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let (this, that) = (&self.target, &other.target);
        self.key == other.key
            && self.address == other.address
            && self.check == other.check
            && self.egress_proxy == other.egress_proxy
            && (Arc::ptr_eq(this, that)
                || (this.host == that.host
                    && this.port == that.port
                    && this.protocol == that.protocol
                    && this.tls == that.tls))
    }

    /// Whether it is HTTP/2 that is spoken, whatever TLS says: gRPC knows nothing else.
    pub(super) fn is_grpc(&self) -> bool {
        matches!(self.check.probe, Probe::Grpc { .. })
    }

    /// Whether the egress proxy reads requests, which then name the target in absolute form, as real ones do. Not for one
    /// of several addresses: the proxy would send them to any.
    pub(super) fn absolute_form(&self) -> bool {
        self.egress_proxy.is_some()
            && self.target.protocol == Protocol::Http
            && self.address.is_none()
            && matches!(self.check.probe, Probe::Http(_))
    }
}
