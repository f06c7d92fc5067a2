//! A route to a pool, and a worker's clock, for the tests of what an exchange decides by time.

#![allow(clippy::unwrap_used)]

use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, Method};
use sluicegate_table::watch::BreakerState;
use sluicegate_table::{
    Algorithm, Backend, Backoff, CircuitBreaker, Level, Match, Member, ObjectKey, PathMatch, Pool, Protocol, Retry,
    Route, StatusRange, Table, Target, Timeouts, Weight,
};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Routed;
use crate::endpoint::InFlight;
use crate::forward::clock::{Clock, Deadline, TICK};
use crate::health::{Outcome, Timekeeper};
use crate::pick::MemberIndex;
use crate::receive::{Reach, Snapshot};
use crate::request::{IdentityHeaders, RequestView};

/// A route to a pool of one level. Made on a runtime.
pub(super) struct Fixture {
    snapshot: Snapshot,
    clock: Rc<Clock>,
    headers: HeaderMap,
    _timekeeper: Timekeeper,
}

/// Retries of connection errors, timeouts and 503, as often as this and with this backoff.
pub(super) fn retry(attempts: u32, backoff: Backoff) -> Retry {
    Retry {
        attempts,
        backoff,
        statuses: vec![StatusRange { from: 503, to: 503 }],
        connection_errors: true,
        timeouts: true,
        excluded_methods: None,
        excluded_paths: Vec::new(),
        budget_percent: 20,
    }
}

impl Fixture {
    /// With so many targets, on these terms of the Rule and of the Upstream.
    pub(super) fn new(targets: usize, retry: Option<Retry>, timeouts: Timeouts, edit: impl FnOnce(&mut Pool)) -> Self {
        let key = |name: &str| ObjectKey::new("default", name);
        let names: Vec<ObjectKey> = (0..targets).map(|number| key(&format!("t{number}"))).collect();
        let weight = Weight::try_from(1).unwrap();
        let members = names.iter().map(|target| Member { target: target.clone(), weight });
        let mut pool = Pool::new(Algorithm::RoundRobin, vec![Level { priority: 1, members: members.collect() }]);
        edit(&mut pool);
        let matches = vec![Match::new(PathMatch::Prefix("/".into()))];
        let route = Route { retry, timeouts, ..Route::new(matches, Backend::Pool(key("pool"))) };
        let target = Arc::new(Target::new("192.0.2.1", 80, Protocol::Http));
        let table = Table {
            version: 1,
            routes: [(key("rule"), Arc::new(route))].into_iter().collect(),
            pools: [(key("pool"), Arc::new(pool))].into_iter().collect(),
            targets: names.into_iter().map(|name| (name, Arc::clone(&target))).collect(),
            ..Table::default()
        };
        let (snapshot, _) = Snapshot::build(Arc::new(table), &Snapshot::default());
        let timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&snapshot.health));
        Self { snapshot, clock: Clock::new(), headers: HeaderMap::new(), _timekeeper: timekeeper }
    }

    /// What the table says of a request.
    pub(super) fn routed(&self) -> Routed<'_> {
        let route = self.snapshot.routes().next().unwrap();
        Routed { route, pool: route.pool.as_deref().unwrap(), fallback: false }
    }

    /// A member as the pool knows it.
    pub(super) fn reach(&self, member: MemberIndex) -> &Reach {
        self.routed().pool.member(member).unwrap()
    }

    /// A request without anything particular.
    pub(super) fn request(&self) -> RequestView<'_> {
        static IDENTITY: LazyLock<IdentityHeaders> = LazyLock::new(IdentityHeaders::default);
        RequestView {
            method: &Method::GET,
            host: "",
            path: "/",
            query: None,
            headers: &self.headers,
            content_length: Some(0),
            client_ip: [192, 0, 2, 1].into(),
            tls: false,
            received: Instant::now().into_std(),
            identity: &IDENTITY,
            body: None,
        }
    }

    /// The worker's clock.
    pub(super) fn clock(&self) -> &Rc<Clock> {
        &self.clock
    }

    /// A deadline `after` from now.
    pub(super) fn deadline(&self, after: Duration) -> Deadline {
        self.clock.deadline(after)
    }

    /// What comes of a future while the worker's clock is swept, and how long it took.
    pub(super) async fn timed<F: Future>(&self, future: F) -> (F::Output, Duration) {
        let begun = Instant::now();
        let sweep = async {
            loop {
                self.clock.tick();
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::select! {
            output = future => (output, begun.elapsed()),
            () = sweep => unreachable!("it is swept for ever"),
        }
    }

    /// Has a circuit breaker of another pool half-open at the only member, and let one probe through that is to be answered
    /// within `timeout`.
    pub(super) async fn half_open(&self, timeout: Duration) {
        let settings = CircuitBreaker {
            failure_threshold: 1,
            open_duration: Duration::from_secs(1),
            probes: 1,
            successes: 1,
            timeout,
            ..CircuitBreaker::default()
        };
        self.reach(MemberIndex(0)).endpoint.load.health().fail_breaker(&settings);
        let opens = async {
            while self.breaker() != BreakerState::HalfOpen {
                tokio::time::sleep(TICK).await;
            }
        };
        self.timed(opens).await;
    }

    /// The state of the circuit breaker at the first member.
    pub(super) fn breaker(&self) -> BreakerState {
        self.reach(MemberIndex(0)).endpoint.load.health().view().breaker
    }

    /// An attempt of a request at the first member, a probe where that is half-open; `None`: it gets none.
    pub(super) fn begin(&self) -> Option<InFlight> {
        let picked = self.routed().pool.balancer.pick(&self.request(), &[]).ok()?;
        Some(InFlight::begin_as(&self.reach(picked.member).endpoint.load, picked.probe))
    }

    /// Has an attempt at a member come to this.
    pub(super) fn judge(&self, member: MemberIndex, outcome: Outcome) {
        let in_flight = InFlight::begin(&self.reach(member).endpoint.load);
        self.routed().pool.balancer.judge(member, &in_flight, outcome);
    }
}
