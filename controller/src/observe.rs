//! What a controller shows of itself: to the kubelet and Prometheus, and to people who ask `sluicegate status`.
//!
//! [`observe`] has the probes and metrics alone. [`admin`] is for the machine itself and adds the fleet and the table,
//! whose secrets are never shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sluicegate_table::watch::Report;
use tokio::sync::watch;

use crate::collect::Fleet;
use crate::lead::{Leadership, Standing};
use crate::publish::Published;

/// What the endpoints show.
#[derive(Clone, Debug)]
pub struct Observed {
    published: watch::Receiver<Published>,
    fleet: Arc<Fleet>,
    leadership: Leadership,
    listed: Arc<watch::Sender<bool>>,
}

/// What `sluicegate status` learns from the leader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetStatus {
    /// Whether this controller leads; if not, the rest is empty.
    pub leads: bool,
    /// Where the leader's watch channel is, as far as a follower knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The version in force; `None`: nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many Rules are in force.
    pub rules: usize,
    /// How many Upstreams are in force.
    pub upstreams: usize,
    /// How many Targets are in force.
    pub targets: usize,
    /// The proxies that watch, by the names of their pods.
    pub proxies: BTreeMap<String, Report>,
}

impl Observed {
    /// What there is to show.
    pub fn new(published: watch::Receiver<Published>, fleet: Arc<Fleet>, leadership: Leadership) -> Self {
        Self { published, fleet, leadership, listed: Arc::default() }
    }

    /// Every kind has been listed: from here on the controller is of use, as leader or as follower.
    pub fn listed(&self) {
        self.listed.send_replace(true);
    }

    /// Returns once every kind has been listed.
    pub async fn until_listed(&self) {
        // The sender is held here, so that it cannot fail.
        let _ = self.listed.subscribe().wait_for(|listed| *listed).await;
    }

    fn status(&self) -> FleetStatus {
        let leader = match self.leadership.standing() {
            Standing::Follows { leader } => leader,
            Standing::Leads { .. } => None,
        };
        if !self.leadership.leads() {
            return FleetStatus { leader, ..FleetStatus::default() };
        }
        let proxies = self.fleet.proxies().into_values().map(|proxy| (proxy.pod, proxy.report)).collect();
        let status = FleetStatus { leads: true, leader, proxies, ..FleetStatus::default() };
        let published = self.published.borrow();
        if published.epoch.is_empty() {
            return status;
        }
        FleetStatus {
            version: Some(published.version().to_string()),
            rules: published.table.routes.len(),
            upstreams: published.table.pools.len(),
            targets: published.table.targets.len(),
            ..status
        }
    }
}

/// Everything: for the machine itself.
pub fn admin(observed: Observed) -> Router {
    probes().route("/status", get(status)).route("/table", get(table)).with_state(observed)
}

/// `/healthz`, `/readyz` and `/metrics` alone.
pub fn observe(observed: Observed) -> Router {
    probes().with_state(observed)
}

fn probes() -> Router<Observed> {
    let healthz = || async { "ok\n" };
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

async fn readyz(State(observed): State<Observed>) -> Response {
    if *observed.listed.borrow() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: the objects have not been listed yet\n").into_response()
    }
}

async fn status(State(observed): State<Observed>) -> Json<FleetStatus> {
    Json(observed.status())
}

async fn table(State(observed): State<Observed>) -> Response {
    let table = observed.published.borrow().table.clone();
    Json(table).into_response()
}

async fn metrics(State(observed): State<Observed>) -> Response {
    let status = observed.status();
    let behind = |report: &&Report| report.applied.as_ref().map(ToString::to_string) != status.version;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let gauges = [
        ("leader", "Whether this controller leads.", i64::from(status.leads)),
        ("rules", "Rules in force.", count(status.rules)),
        ("upstreams", "Upstreams in force.", count(status.upstreams)),
        ("targets", "Targets in force.", count(status.targets)),
        ("proxies", "Proxies that watch.", count(status.proxies.len())),
        (
            "proxies_behind",
            "Proxies that do not serve from the version in force yet.",
            count(status.proxies.values().filter(behind).count()),
        ),
        (
            "refused_entries",
            "Entries that proxies refused, over all proxies.",
            count(status.proxies.values().map(|report| report.refused.len()).sum()),
        ),
    ];
    let mut text = String::new();
    for (name, help, value) in gauges {
        let name = format!("sluicegate_controller_{name}");
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::sync::Arc;
    use std::time::Duration;

    use sluicegate_table::Table;
    use sluicegate_table::watch::{Report, Version};
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::{FleetStatus, Observed};
    use crate::collect::{Fleet, ProxyId};
    use crate::lead::{Leadership, Standing};
    use crate::publish::Published;

    #[tokio::test(start_paused = true)]
    async fn only_a_leader_speaks_of_the_fleet() {
        let published = Published {
            epoch: "e".to_owned(),
            table: Table { version: 3, ..Table::default() },
            ..Published::default()
        };
        let fleet = Arc::new(Fleet::default());
        let id = ProxyId("uid".to_owned());
        let report = Report { applied: Some(Version { epoch: "e".to_owned(), number: 3 }), ..Report::default() };
        fleet.connected(&id, "proxy-1");
        fleet.reported(&id, report.clone());
        let until = Instant::now() + Duration::from_secs(10);
        let (standing, stands) = watch::channel(Standing::Leads { term: 1, until });
        let observed = Observed::new(watch::channel(published).1, fleet, Leadership::new(stands));

        let status = observed.status();
        assert_eq!((status.leads, status.version.as_deref()), (true, Some("e.3")));
        assert_eq!(status.proxies["proxy-1"], report);

        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(observed.status(), FleetStatus::default(), "the lease has run out unnoticed");
        standing.send_replace(Standing::Follows { leader: Some("10.0.0.7:8443".to_owned()) });
        assert_eq!(observed.status().leader.as_deref(), Some("10.0.0.7:8443"));
    }
}
