//! From a pool to a connection: pick a member and check out a connection to it.
//!
//! A target that takes no connection has seen nothing of the request, so the next one is tried, whatever the request is:
//! those of the same level first, then down the levels.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use http::HeaderValue;
use sluicegate_table::ObjectKey;

use super::elsewhere::Elsewhere;
use super::record::Record;
use super::tries::Tries;
use super::{Refusal, Routed, fallback};
use crate::answer::Reason;
use crate::endpoint::InFlight;
use crate::forward::client::ClientConnection;
use crate::forward::clock::{Clock, Deadline, Millis, TICK};
use crate::forward::deadline::within;
use crate::forward::error::ForwardError;
use crate::forward::last_good::Asked;
use crate::forward::upstream::{Checkout, Connections};
use crate::health::Outcome;
use crate::matching::RouteIndex;
use crate::observe::metrics::AttemptOutcome;
use crate::pick::{MemberIndex, Picked};
use crate::receive::Reach;
use crate::request::RequestView;
use crate::worker::LocalSnapshot;

/// Whoever lets so much time pass has held up the request.
const LONG: Duration = Duration::from_secs(1);

/// A picked member and a connection to it.
#[derive(Debug)]
pub(super) struct Reached<'a> {
    /// The pool that it is a member of.
    pub(super) routed: Routed<'a>,
    pub(super) member: MemberIndex,
    pub(super) connections: Rc<Connections>,
    /// `None` once the request is sent over it.
    pub(super) checkout: Option<Checkout>,
    /// The request wants a connection that speaks HTTP/1.1 to itself.
    pub(super) upgrade: bool,
    pub(super) in_flight: InFlight,
    /// When it was its turn.
    pub(super) began: Millis,
    pub(super) set_cookie: Option<HeaderValue>,
    /// `timeouts.request`, running since the first pick.
    pub(super) deadline: Option<Deadline>,
    /// What came before, where there was anything.
    pub(super) tries: Option<Box<Tries>>,
}

impl<'a> Reached<'a> {
    /// The member as the pool knows it.
    pub(super) fn reach(&self) -> Result<&'a Reach, Refusal> {
        self.routed.pool.member(self.member).ok_or_else(|| Reason::InternalError.into())
    }

    /// The Target's key.
    pub(super) fn target(&self) -> &'a ObjectKey {
        self.routed.pool.member(self.member).map_or(&self.routed.pool.key, |member| &member.endpoint.key)
    }

    /// Whether the pool has a level below the member's.
    pub(super) fn has_lower_level(&self) -> bool {
        let pool = self.routed.pool;
        pool.pool.levels.len() > 1 && (pool.level_of(self.member).end as usize) < pool.members().len()
    }

    /// Opens another connection to the member, within the limits of the request and of one attempt.
    pub(super) async fn open(&self, client: &ClientConnection, upgrade: bool) -> Result<Checkout, ForwardError> {
        let opening = self.connections.open(client.worker.dialer(), self.routed.route.route.priority, upgrade);
        let opening = for_one_try(client, self.routed, &self.connections, opening);
        within(self.deadline.as_ref(), opening).await.unwrap_or(Err(ForwardError::RequestTimeout))
    }

    /// Whether the request goes over HTTP/2.
    pub(super) fn http2(&self) -> bool {
        matches!(self.checkout, Some(Checkout::Http2(_)))
    }
}

/// A request that wants a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'r, 'a> {
    pub(super) client: &'r ClientConnection,
    pub(super) snapshot: &'a Rc<LocalSnapshot>,
    pub(super) route: RouteIndex,
    pub(super) request: &'r RequestView<'r>,
    pub(super) upgrade: bool,
    /// What it asks for, where good answers are kept.
    pub(super) last_good: Option<&'r Asked>,
}

/// Picks a member and checks out a connection.
pub(super) async fn reach<'a>(
    wanted: Wanted<'_, 'a>,
    mut routed: Routed<'a>,
    record: &mut Record,
) -> Result<Reached<'a>, Refusal> {
    let mut picked = match routed.pool.balancer.pick(wanted.request, &[]) {
        Ok(picked) => picked,
        Err(none) => fallback::instead(wanted, &mut routed, none)?,
    };
    let member = routed.pool.member(picked.member).ok_or(Reason::NoHealthyTarget)?;
    let connections = wanted.connections(routed, picked.member, member);
    record.attempt(&member.endpoint.key);
    let deadline = routed.route.route.timeouts.request.map(|limit| wanted.client.worker.clock().deadline(limit));
    if let Some(checkout) = connections.ready(wanted.upgrade) {
        return Ok(Reached {
            routed,
            member: picked.member,
            connections,
            checkout: Some(checkout),
            upgrade: wanted.upgrade,
            in_flight: InFlight::begin_as(&member.endpoint.load, picked.probe.take()),
            began: wanted.client.worker.clock().now(),
            set_cookie: picked.set_cookie,
            deadline,
            tries: None,
        });
    }
    let way = Way { routed, picked, connections: Some(connections), deadline, tries: Box::default(), first: None };
    Box::pin(wanted.open(way, record)).await
}

/// A request on its way to a connection.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) routed: Routed<'a>,
    pub(super) picked: Picked,
    /// Those to the picked member; `None`: not looked up yet.
    pub(super) connections: Option<Rc<Connections>>,
    pub(super) deadline: Option<Deadline>,
    pub(super) tries: Box<Tries>,
    /// The answer should nothing come of it: the first cause.
    pub(super) first: Option<Refusal>,
}

impl<'a> Wanted<'_, 'a> {
    /// The worker's connections to a member that was picked.
    fn connections(&self, routed: Routed<'a>, member: MemberIndex, reach: &Reach) -> Rc<Connections> {
        let worker = &self.client.worker;
        if routed.fallback {
            return LocalSnapshot::picked_elsewhere(worker, routed.pool, reach);
        }
        self.snapshot.picked(worker, self.route, routed.pool, member, reach)
    }

    /// The cold path: opens a connection to the picked member, or to others should that fail.
    pub(super) async fn open(self, mut way: Way<'a>, record: &mut Record) -> Result<Reached<'a>, Refusal> {
        loop {
            let routed = way.routed;
            let member = routed.pool.member(way.picked.member).ok_or(Reason::NoHealthyTarget)?;
            let connections = way.connections.take().unwrap_or_else(|| {
                record.attempt(&member.endpoint.key);
                self.connections(routed, way.picked.member, member)
            });
            let in_flight = InFlight::begin_as(&member.endpoint.load, way.picked.probe.take());
            let clock = self.client.worker.clock();
            let began = clock.now();
            let opened = if let Some(checkout) = connections.ready(self.upgrade) {
                Ok(checkout)
            } else {
                let opening = connections.open(self.client.worker.dialer(), routed.route.route.priority, self.upgrade);
                let opening = pin!(for_one_try(self.client, routed, &connections, opening));
                let queued = || connections.link().pending() > 0;
                let opening = holding_no_place_in_line(clock, &in_flight, queued, opening);
                within(way.deadline.as_ref(), opening).await.unwrap_or(Err(ForwardError::RequestTimeout))
            };
            let error = match opened {
                Ok(checkout) => {
                    return Ok(Reached {
                        routed,
                        member: way.picked.member,
                        connections,
                        checkout: Some(checkout),
                        upgrade: self.upgrade,
                        in_flight,
                        began,
                        set_cookie: way.picked.set_cookie,
                        deadline: way.deadline,
                        tries: Some(way.tries),
                    });
                }
                Err(error) => error,
            };
            if error.is_connect() && connections.link().tells() {
                tracing::warn!(target = %member.endpoint.key, %error, "no connection to a target; told once a minute");
            } else {
                tracing::debug!(target = %member.endpoint.key, %error, "no connection to a target");
            }
            let had = clock.since(began);
            let outcome = Self::not_connected(&way, &in_flight, &error, &connections, had);
            record.count_attempt(routed, outcome);
            drop(in_flight);
            if !error.was_never_sent() {
                return Err(error.into());
            }
            way.picked = self.next(&mut way, record, error).await?;
        }
    }

    /// Has an attempt judged for which no connection came about, and which had so much time.
    fn not_connected(
        way: &Way<'a>,
        in_flight: &InFlight,
        error: &ForwardError,
        connections: &Connections,
        had: Duration,
    ) -> AttemptOutcome {
        let judge = |outcome| {
            if way.routed.pool.balancer.judges_attempt(in_flight) {
                way.routed.pool.balancer.judge(way.picked.member, in_flight, outcome);
            }
        };
        match error {
            error if error.is_connect() => {
                in_flight.unanswered();
                judge(Outcome::NotConnected);
                AttemptOutcome::NotConnected
            }
            ForwardError::RequestTimeout => {
                // Who waits in our own queue does not wait for the target.
                if connections.link().pending() == 0 && had >= enough(way.routed.route.route.timeouts.request) {
                    judge(Outcome::TimedOut);
                }
                AttemptOutcome::TimedOut
            }
            _ => AttemptOutcome::Overloaded,
        }
    }

    /// The next member for a request of which nothing was sent.
    async fn next(&self, way: &mut Way<'a>, record: &mut Record, error: ForwardError) -> Result<Picked, Refusal> {
        let connection = error.is_connect();
        let cause = way.first.take().unwrap_or_else(|| error.into());
        way.tries.tried.push(way.picked.member);
        let (wanted, routed, deadline) = (*self, way.routed, way.deadline.as_ref());
        let elsewhere = Elsewhere { wanted, routed, record, deadline };
        match elsewhere.unsent(&mut way.tries, connection, false).await {
            Some(Ok((routed, picked))) => {
                (way.routed, way.first) = (routed, Some(cause));
                Ok(picked)
            }
            Some(Err(stands_in)) => Err(stands_in),
            None => Err(cause),
        }
    }
}

/// How long a target must have held an attempt up for this time limit to be its failure: half of it, or a second where that
/// is less. What came before, be it the client or another target, may have left it too little.
pub(super) fn enough(limit: Option<Duration>) -> Duration {
    // What began within two ticks may count as so long ago.
    (limit.unwrap_or_default() / 2).clamp(2 * TICK, LONG)
}

/// A connection that is opened for an attempt takes no longer than the attempt may.
pub(super) async fn for_one_try(
    client: &ClientConnection,
    routed: Routed<'_>,
    connections: &Connections,
    opening: impl Future<Output = Result<Checkout, ForwardError>>,
) -> Result<Checkout, ForwardError> {
    let limit = routed.route.route.timeouts.per_try.map(|limit| client.worker.clock().deadline(limit));
    // Who waits in our own queue does not wait for the target.
    let late =
        || if connections.link().pending() == 0 { ForwardError::ConnectTimeout } else { ForwardError::Overloaded };
    within(limit.as_ref(), opening).await.unwrap_or_else(|| Err(late()))
}

/// Who waits in our own queue finds nothing out about the target: a probe that does so for as long as probes may take lets go
/// of its place, which others wait for.
async fn holding_no_place_in_line<F: Future>(
    clock: &Rc<Clock>,
    in_flight: &InFlight,
    queued: impl Fn() -> bool,
    mut opening: Pin<&mut F>,
) -> F::Output {
    let Some((probe, patience)) = in_flight.probe().and_then(|probe| Some((probe, probe.patience()?))) else {
        return opening.await;
    };
    let late = clock.deadline(patience);
    let mut held = true;
    poll_fn(|cx| {
        let opened = opening.as_mut().poll(cx);
        while held && opened.is_pending() && late.poll_passed(cx) {
            if queued() {
                probe.let_go();
                held = false;
            } else {
                late.reset(patience);
            }
        }
        opened
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluicegate_table::Timeouts;
    use tokio::time::sleep;

    use super::*;
    use crate::forward::exchange::fixture::Fixture;

    #[tokio::test(start_paused = true)]
    async fn a_probe_in_line_lets_go_of_its_place_and_one_that_connects_keeps_it() {
        for in_line in [true, false] {
            let fixture = Fixture::new(1, None, Timeouts::default(), |_| {});
            fixture.half_open(Duration::from_secs(2)).await;
            let probe = fixture.begin().unwrap();
            let opening = async {
                sleep(Duration::from_secs(1)).await;
                assert!(fixture.begin().is_none(), "it may find something out yet");
                sleep(Duration::from_secs(9)).await;
                assert_eq!(fixture.begin().is_some(), in_line);
            };
            let opening = pin!(opening);
            fixture.timed(holding_no_place_in_line(fixture.clock(), &probe, || in_line, opening)).await;
        }
    }
}
