//! The admin endpoints: what the process tells people, probes and scrapers.
//!
//! Two routers share their handlers. [`admin`] has all of it and is for the machine itself, since `/table` and `/explain`
//! tell how everything is set up; [`observe`] has what kubelet and Prometheus need and tells nothing else. Both run on
//! the control runtime, so that a slow scrape costs no request anything.

mod explaining;
mod health;
mod host;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::metrics::{Format, Gauges, Metrics};
use crate::receive::Current;
use crate::request::IdentityHeaders;

/// What the endpoints show.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The snapshot in force.
    pub current: Arc<Current>,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// Which headers say who the user is, for explaining.
    pub identity: Arc<IdentityHeaders>,
    listening: Arc<AtomicBool>,
}

impl Observed {
    /// What there is to show of a process that does not listen for requests yet.
    pub fn new(current: Arc<Current>, metrics: Arc<Metrics>, identity: IdentityHeaders) -> Self {
        Self { current, metrics, identity: Arc::new(identity), listening: Arc::default() }
    }

    /// Every listener is bound: from here on `/readyz` may answer 200.
    pub fn listens(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Makes `/readyz` answer 503, and reports say the same, so that no new traffic is sent here while what is in flight
    /// finishes.
    pub fn stop(&self) {
        self.current.findings().stop();
    }

    /// Why the process should get no traffic, if it should not.
    fn unready(&self) -> Option<&'static str> {
        if self.current.findings().now().stopping {
            Some("the process is stopping")
        } else if self.current.generation() == 0 {
            Some("no table is in force yet")
        } else if !self.listening.load(Ordering::Relaxed) {
            Some("the listeners are not bound yet")
        } else {
            None
        }
    }
}

/// Everything: for the machine itself.
pub fn admin(observed: Observed) -> Router {
    let routes = Router::new()
        .route("/", get(index))
        .route("/table", get(table))
        .route("/health", get(health::health))
        .route("/explain", get(explaining::asked_by_query).post(explaining::asked_by_body));
    for_this_machine(routes.merge(probes()).fallback(nothing_here).with_state(observed))
}

/// Refuses requests for names that are not this machine's, so that no web page can have a browser read what is said here.
pub fn for_this_machine(routes: Router) -> Router {
    routes.layer(axum::middleware::from_fn(host::only_this_machine))
}

/// `/healthz`, `/readyz` and `/metrics` alone: for kubelet and Prometheus.
pub fn observe(observed: Observed) -> Router {
    probes().fallback(nothing_here).with_state(observed)
}

fn probes() -> Router<Observed> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(observed): State<Observed>) -> Response {
    match observed.unready() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
        None => format!("ready: table version {}\n", observed.current.load().table.version).into_response(),
    }
}

async fn metrics(State(observed): State<Observed>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()));
    let gauges = Arc::clone(&observed.current) as Arc<dyn Gauges>;
    match observed.metrics.scrape(gauges, format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn table(State(observed): State<Observed>) -> Response {
    json(&*observed.current.load().table)
}

async fn nothing_here(request: Request) -> Response {
    (StatusCode::NOT_FOUND, format!("there is no {} here\n", request.uri().path())).into_response()
}

async fn index() -> Html<&'static str> {
    Html(include_str!("admin/index.html"))
}

/// JSON for people: indented, with a line's end.
fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_string_pretty(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
