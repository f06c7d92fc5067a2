//! What the monitor found, for those who tell others.

use std::sync::Arc;
use std::time::SystemTime;

use sluicegate_table::watch::{EndpointReport, UpstreamReport};
use tokio::sync::watch;

/// What the monitor found, for those who tell others.
#[derive(Debug, Default)]
pub struct Findings(watch::Sender<Found>);

/// What is known of the endpoints and of the process beside its table.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The endpoints that are not healthy, in the order of their Targets and addresses.
    pub endpoints: Arc<[Finding]>,
    /// The Upstreams whose own circuit breaker is not closed, in the order of their keys.
    pub upstreams: Arc<[UpstreamReport]>,
    /// Whether the process ends, and takes no new requests.
    pub stopping: bool,
}

/// An endpoint that is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is said of it.
    pub report: EndpointReport,
    /// Since when that holds.
    pub since: SystemTime,
}

impl Findings {
    /// What is known now, and word of each change.
    pub fn subscribe(&self) -> watch::Receiver<Found> {
        self.0.subscribe()
    }

    /// What is known now.
    pub fn now(&self) -> Found {
        self.0.borrow().clone()
    }

    /// The process ends.
    pub fn stop(&self) {
        self.0.send_modify(|found| found.stopping = true);
    }

    pub(super) fn publish(&self, endpoints: Arc<[Finding]>, upstreams: Arc<[UpstreamReport]>) {
        self.0.send_modify(|found| (found.endpoints, found.upstreams) = (endpoints, upstreams));
    }
}
