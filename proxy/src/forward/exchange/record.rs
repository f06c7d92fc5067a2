//! What is told of an exchange when it ends: metrics and the access log.

use std::rc::Rc;
use std::time::Instant;

use http::request::Parts;
use http::{Method, StatusCode, Version};
use sluicegate_table::ObjectKey;

use super::Routed;
use super::view::View;
use crate::answer::Reason;
use crate::forward::client::ClientConnection;
use crate::forward::retry::RetryRuntime;
use crate::forward::upstream::BodyWatch;
use crate::matching::RouteIndex;
use crate::observe::access_log::Entry;
use crate::observe::metrics::{AttemptOutcome, FallbackKind, RouteShard};
use crate::receive::PoolRuntime;
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
    /// A target of the route's own pool gave the answer.
    by_pool: bool,
    log: Option<Box<Logged>>,
    /// HTTP/2: others go on where this one's client reads nothing, so that its connection alone does not tell.
    shares: bool,
    /// What there is of the answer was handed on, and no more has been asked for.
    at_client: bool,
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
            by_pool: false,
            log,
            shares: parts.version == Version::HTTP_2,
            at_client: false,
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
        if self.route.as_ref().is_some_and(|(old, same)| Rc::ptr_eq(old, snapshot) && *same == route) {
            return;
        }
        // What is read ahead of a body may make it another route's.
        self.leave();
        self.route = Some((Rc::clone(snapshot), route));
        if let Some(retry) = self.retry() {
            retry.budget.enter(self.started);
        }
    }

    /// The retries of the matched route.
    fn retry(&self) -> Option<&RetryRuntime> {
        let (snapshot, route) = self.route.as_ref()?;
        snapshot.route(*route)?.retry.as_deref()
    }

    fn leave(&self) {
        if let Some(retry) = self.retry() {
            retry.budget.leave();
        }
    }

    /// An attempt begins.
    pub(super) fn attempt(&mut self, target: &ObjectKey) {
        if let Some(log) = &mut self.log {
            log.entry.target = Some(target.to_string());
            log.entry.attempts += 1;
        }
    }

    /// Counts something of the matched route.
    #[cold]
    pub(super) fn count(&self, count: impl FnOnce(&RouteShard)) {
        if let Some((snapshot, route)) = &self.route {
            snapshot.count(&self.client.worker, *route, count);
        }
    }

    /// Counts an attempt that gave no answer to the client.
    #[cold]
    pub(super) fn count_attempt(&self, routed: Routed<'_>, outcome: AttemptOutcome) {
        if routed.fallback {
            let metrics = self.client.worker.metrics();
            metrics.route(&routed.route.key, &routed.pool.key.to_string()).attempted(outcome);
        } else {
            self.count(|shard| shard.attempted(outcome));
        }
    }

    /// The pool of an answer: a fallback's, or the one that the matched route goes to.
    pub(super) fn pool(&self, fallback: Option<&ObjectKey>) -> Option<&PoolRuntime> {
        let (snapshot, route) = self.route.as_ref()?;
        match fallback {
            Some(key) => snapshot.pool(key),
            None => snapshot.route(*route)?.pool.as_deref(),
        }
    }

    pub(super) fn watch(&mut self, watch: Option<&Rc<BodyWatch>>) {
        if let Some(log) = &mut self.log {
            log.watch = watch.map(Rc::clone);
        }
    }

    /// A target answered: one of the route's own pool, or of the one that stands in for it.
    pub(super) fn answered(&mut self, status: StatusCode, fallback: Option<&ObjectKey>) {
        self.status = Some(status);
        self.hands_on();
        self.by_pool = fallback.is_none();
        if let Some(fallback) = fallback {
            self.stood_in(fallback);
        }
    }

    #[cold]
    fn stood_in(&self, fallback: &ObjectKey) {
        self.count(|shard| shard.fell_back(FallbackKind::Upstream));
        if let Some((snapshot, route)) = &self.route
            && let Some(route) = snapshot.route(*route)
        {
            let metrics = self.client.worker.metrics();
            metrics.route(&route.key, &fallback.to_string()).attempted(AttemptOutcome::Answered);
        }
    }

    /// We answered ourselves.
    pub(super) fn refused(&mut self, status: StatusCode, reason: Reason) {
        self.status = Some(status);
        self.hands_on();
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
        self.hands_on();
    }

    /// The head, or another piece, of the answer is the client's to take.
    fn hands_on(&mut self) {
        if self.shares {
            let first = !std::mem::replace(&mut self.at_client, true);
            self.client.state.handed_on(first);
        }
    }

    /// More of the answer was asked for than the target has sent.
    pub(super) fn awaits(&mut self) {
        if std::mem::replace(&mut self.at_client, false) {
            self.client.state.not_at_client();
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.awaits();
        self.client.state.end_exchange();
        let took = self.started.elapsed();
        let gone = StatusCode::from_u16(CLIENT_CLOSED_REQUEST).unwrap_or(StatusCode::BAD_REQUEST);
        let status = self.status.unwrap_or(gone);
        match &self.route {
            Some((snapshot, route)) => {
                self.leave();
                snapshot.record(&self.client.worker, *route, (&self.method, status, took), self.by_pool);
            }
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
