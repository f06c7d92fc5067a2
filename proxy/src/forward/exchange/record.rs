//! What is told of an exchange when it ends: metrics and the access log.

use std::rc::Rc;
use std::time::Instant;

use http::request::Parts;
use http::{Method, StatusCode};
use sluicegate_table::ObjectKey;

use super::view::View;
use crate::answer::Reason;
use crate::forward::client::ClientConnection;
use crate::forward::upstream::BodyWatch;
use crate::matching::RouteIndex;
use crate::observe::access_log::Entry;
use crate::worker::LocalSnapshot;

/// Tells of an exchange when it is dropped, which is at the end of the answer's body or when the client has gone.
#[derive(Debug)]
pub(crate) struct Record {
    client: Rc<ClientConnection>,
    started: Instant,
    method: Method,
    /// `None` until there is an answer.
    status: Option<StatusCode>,
    route: Option<(Rc<LocalSnapshot>, RouteIndex)>,
    log: Option<Box<Logged>>,
}

/// What only the access log wants to know.
#[derive(Debug)]
struct Logged {
    entry: Box<Entry>,
    watch: Option<Rc<BodyWatch>>,
}

/// What nginx calls a request whose client went away before the answer; there is no registered status for it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Record {
    pub(super) fn begin(client: &Rc<ClientConnection>, parts: &Parts) -> Self {
        client.state.begin_exchange();
        let log = client.worker.access_log().wants().then(|| Box::new(Logged::begin(client, parts)));
        Self {
            client: Rc::clone(client),
            started: Instant::now(),
            method: parts.method.clone(),
            status: None,
            route: None,
            log,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn seen(&mut self, view: &View<'_>) {
        if let Some(log) = &mut self.log {
            log.entry.host = view.host.clone().into_owned();
            log.entry.client_ip = view.client_ip;
        }
    }

    pub(super) fn matched(&mut self, snapshot: &Rc<LocalSnapshot>, route: RouteIndex) {
        if let Some(log) = &mut self.log
            && let Some(matched) = snapshot.route(route)
        {
            log.entry.route = Some(matched.key.to_string());
            log.entry.upstream = matched.pool.as_ref().map(|pool| pool.key.to_string());
        }
        self.route = Some((Rc::clone(snapshot), route));
    }

    pub(super) fn sent_to(&mut self, target: &ObjectKey) {
        if let Some(log) = &mut self.log {
            log.entry.target = Some(target.to_string());
        }
    }

    pub(super) fn watch(&mut self, watch: Option<&Rc<BodyWatch>>) {
        if let Some(log) = &mut self.log {
            log.watch = watch.map(Rc::clone);
        }
    }

    /// A target answered.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// We answered ourselves.
    pub(super) fn refused(&mut self, status: StatusCode, reason: Reason) {
        self.status = Some(status);
        self.client.worker.metrics().answered(reason);
        self.broke_off(reason);
    }

    /// The answer did not come to its end.
    pub(super) fn broke_off(&mut self, reason: Reason) {
        if let Some(log) = &mut self.log {
            log.entry.reason = Some(reason);
        }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(log) = &mut self.log {
            log.entry.bytes_sent += bytes as u64;
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.client.state.end_exchange();
        let took = self.started.elapsed();
        let gone = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST);
        let status = self.status.unwrap_or(gone);
        match &self.route {
            Some((snapshot, route)) => snapshot.record(&self.client.worker, *route, &self.method, status, took),
            None => self.client.worker.record_unmatched(&self.method, status, took),
        }
        if let Some(log) = self.log.take() {
            let mut entry = log.entry;
            entry.status = self.status.map(|status| status.as_u16());
            entry.duration = took;
            entry.bytes_received = log.watch.map_or(0, |watch| watch.received());
            self.client.worker.access_log().write(entry);
        }
    }
}

impl Logged {
    fn begin(client: &ClientConnection, parts: &Parts) -> Self {
        let client_ip = client.forwarded.client_ip(&parts.headers);
        let entry = Entry::begin(&parts.method, "", parts.uri.path(), parts.version, &parts.headers, client_ip);
        Self { entry, watch: None }
    }
}
