//! Sending: the request to the target, the answer's head back.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, StatusCode, Version, response};
use hyper::client::conn::TrySendError;
use sluicegate_table::Timeouts;

use super::Routed;
use super::answer_body::Carrier;
use super::reach::{Reached, enough};
use crate::forward::client::ClientConnection;
use crate::forward::clock::{Clock, Deadline};
use crate::forward::error::ForwardError;
use crate::forward::grpc_status;
use crate::forward::headers::Protocols;
use crate::forward::retry::retry_after;
use crate::forward::upstream::{Again, BodyWatch, Checkout, Http1, Http1Error, Http2Body, RequestBody};
use crate::health::{Outcome, Probe};
use crate::observe::metrics::AttemptOutcome;

/// How often a request that was never sent is given to a fresh connection.
const UNSENT: u32 = 3;

/// An answer's head, and what carries its body.
pub(super) type Answered = (response::Parts, Carrier);

/// An attempt without an answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) cause: ForwardError,
    /// The request, where nothing of it was sent.
    pub(super) unsent: Option<Box<Request<RequestBody>>>,
    /// It failed because of the client, so that no target can help.
    pub(super) clients: bool,
}

impl Failed {
    /// What it counts as; `None`: the client's.
    pub(super) fn outcome(&self) -> Option<AttemptOutcome> {
        if self.clients {
            return None;
        }
        Some(match &self.cause {
            ForwardError::RequestTimeout | ForwardError::TryTimeout => AttemptOutcome::TimedOut,
            ForwardError::Overloaded => AttemptOutcome::Overloaded,
            ForwardError::Refused { .. } => AttemptOutcome::Refused,
            cause if cause.is_connect() => AttemptOutcome::NotConnected,
            _ => AttemptOutcome::Reset,
        })
    }
}

/// Makes one attempt, and has it judged where somebody judges.
pub(super) async fn attempt(
    client: &Rc<ClientConnection>,
    version: Version,
    reached: &mut Reached<'_>,
    request: Request<RequestBody>,
) -> Result<Answered, Failed> {
    let watch = request.body().watch().cloned();
    let balancer = &reached.routed.pool.balancer;
    // Reading the clock costs as much as matching does, so it is read for the pools that compare times only.
    let sent = balancer.compares_latency().then(Instant::now);
    let result = carry(client, version, reached, request, watch.as_deref()).await;
    match result {
        Ok(answered) => {
            if let Some(sent) = sent {
                reached.in_flight.answered_after(sent.elapsed());
            }
            if balancer.judges_attempt(&reached.in_flight) {
                let (head, _) = &answered;
                let status = grpc_status::for_health(head.status, &head.headers);
                let retry_after = retry_after(status, &head.headers);
                balancer.judge(reached.member, &reached.in_flight, Outcome::Answered { status, retry_after });
            }
            tracing::debug!(target = %reached.target(), status = %answered.0.status, "a target answered");
            Ok(answered)
        }
        Err(failed) => {
            let had = client.worker.clock().since(reached.began);
            Err(failed_for(failed, reached, watch.as_deref(), had, sent.is_some()))
        }
    }
}

/// Finds out whose failure it is, of an attempt that had so much time.
#[cold]
fn failed_for(
    mut failed: Failed,
    reached: &Reached<'_>,
    watch: Option<&BodyWatch>,
    had: Duration,
    compares: bool,
) -> Failed {
    if let Some(cause) = watch.and_then(BodyWatch::take_failure) {
        failed.cause = cause;
        failed.clients = true;
    }
    tracing::debug!(target = %reached.target(), error = %failed.cause, "no answer from a target");
    if failed.clients || failed.cause.is_closing() || reached.connections.link().was_cut() {
        return failed;
    }
    let outcome = match failed.outcome() {
        Some(AttemptOutcome::NotConnected | AttemptOutcome::Refused) => Outcome::NotConnected,
        Some(AttemptOutcome::Reset) => Outcome::Reset,
        Some(AttemptOutcome::TimedOut) if held_up(reached, &failed.cause, watch, had) => Outcome::TimedOut,
        _ => return failed,
    };
    if compares {
        reached.in_flight.unanswered();
    }
    if reached.routed.pool.balancer.judges_attempt(&reached.in_flight) {
        reached.routed.pool.balancer.judge(reached.member, &reached.in_flight, outcome);
    }
    failed
}

/// Whether it is the target that let a time limit pass: it has had all of the request for long enough, or has stopped reading
/// for as long. While it has all that has come and the client still sends, it may well wait for the client.
fn held_up(reached: &Reached<'_>, cause: &ForwardError, watch: Option<&BodyWatch>, had: Duration) -> bool {
    let Timeouts { request, per_try, .. } = reached.routed.route.route.timeouts;
    let limit = if matches!(cause, ForwardError::TryTimeout) { per_try } else { request };
    let held_for = watch.map_or(Some(had), BodyWatch::given_for);
    held_for.is_some_and(|held_for| held_for >= enough(limit))
}

/// Sends over the connection that was checked out. One of HTTP/2 may close before it takes the request; then it goes over a
/// fresh one.
async fn carry(
    client: &Rc<ClientConnection>,
    version: Version,
    reached: &mut Reached<'_>,
    mut request: Request<RequestBody>,
    watch: Option<&BodyWatch>,
) -> Result<Answered, Failed> {
    // HTTP/1.0 has no interim answers, and hyper has no way to send them over HTTP/2.
    let interim_to = (version == Version::HTTP_11).then_some(&**client);
    let mut fresh = None;
    let mut left = UNSENT;
    let asked = reached.upgrade.then(|| Protocols::asked(request.headers()));
    loop {
        let checkout = fresh.take().or_else(|| reached.checkout.take());
        let limits = Limits::begin(client.worker.clock(), reached, watch);
        let failed = match checkout.ok_or(ForwardError::Internal("a request without a connection"))? {
            Checkout::Http1(mut connection) => {
                connection.begin(request);
                let head = limits.hold(poll_fn(|cx| connection.poll_head(cx, interim_to))).await?;
                let head = match head {
                    Ok(head) => head,
                    Err(error) => {
                        let again = connection.into_again();
                        let unheard = Unheard { client, reached, watch, interim_to };
                        let head;
                        (connection, head) = Box::pin(unheard.once_more(again, error)).await?;
                        head
                    }
                };
                if head.status == StatusCode::SWITCHING_PROTOCOLS
                    && !asked.is_some_and(|asked| asked.include(&head.headers))
                {
                    return Err(ForwardError::Switched.into());
                }
                let connections = Rc::clone(&reached.connections);
                return Ok((head, Carrier::http1(connection, connections, client.worker.clock())));
            }
            Checkout::Http2(stream) => {
                let sending = stream.sender().try_send_request(request.map(Http2Body::new));
                match limits.hold(sending).await? {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        return Ok((head, Carrier::Http2 { body, stream }));
                    }
                    Err(failed) => failed,
                }
            }
        };
        let unsent;
        (request, unsent) = unsent_request(failed)?;
        left -= 1;
        let opened = if left == 0 {
            Err(ForwardError::Http2(unsent))
        } else {
            Box::pin(reached.open(client, reached.upgrade)).await
        };
        match opened {
            Ok(checkout) => fresh = Some(checkout),
            Err(cause) => return Err(Failed { cause, unsent: Some(Box::new(request)), clients: false }),
        }
    }
}

/// A request that went over a kept connection which the target closed without a word, as it may at any time: it was on its
/// way already.
struct Unheard<'r, 'a> {
    client: &'r Rc<ClientConnection>,
    reached: &'r Reached<'a>,
    watch: Option<&'r BodyWatch>,
    interim_to: Option<&'r ClientConnection>,
}

impl Unheard<'_, '_> {
    /// Sends it over a new connection to the same target, where it may be sent again.
    async fn once_more(self, again: Option<Again>, error: Http1Error) -> Result<(Http1, response::Parts), Failed> {
        let Self { client, reached, watch, interim_to } = self;
        let Some(again) = again else { return Err(ForwardError::Http1(error).into()) };
        tracing::debug!(target = %reached.target(), %error, "a kept connection was closed; asking over a new one");
        let limits = Limits::begin(client.worker.clock(), reached, watch);
        // HTTP/1.1, whatever else the target speaks: what is written again is a head of that.
        match reached.open(client, true).await? {
            Checkout::Http1(mut connection) => {
                connection.begin_again(again);
                let head = limits.hold(poll_fn(|cx| connection.poll_head(cx, interim_to))).await?;
                Ok((connection, head.map_err(ForwardError::Http1)?))
            }
            Checkout::Http2(_) => Err(ForwardError::Http1(error).into()),
        }
    }
}

/// The request, where nothing of it was sent, and why.
fn unsent_request(
    mut failed: TrySendError<Request<Http2Body>>,
) -> Result<(Request<RequestBody>, hyper::Error), ForwardError> {
    match failed.take_message() {
        Some(request) => Ok((request.map(Http2Body::into_inner), failed.into_error())),
        None => Err(ForwardError::of_http2(failed.into_error())),
    }
}

impl From<ForwardError> for Failed {
    fn from(cause: ForwardError) -> Self {
        Self { cause, unsent: None, clients: false }
    }
}

/// How long one sending may take until the answer's head.
struct Limits<'a> {
    /// `timeouts.request`.
    whole: Option<&'a Deadline>,
    trial: Option<Trial<'a>>,
}

/// `timeouts.perTry`, and the circuit breaker's `timeout`.
struct Trial<'a> {
    reached: &'a Reached<'a>,
    watch: Option<&'a BodyWatch>,
    per_try: Option<Deadline>,
    /// `None`: it does not count, or has been counted.
    slow: Option<Slow>,
    /// That of the circuit breaker that the request is a probe of, be it another pool's; `None`: it is none, or no longer.
    probe: Option<Slow>,
    /// The probe's time was extended, once.
    extended: bool,
}

/// A circuit breaker's `timeout`. It runs while the target has all that the client has given.
struct Slow {
    after: Duration,
    /// It cannot be over earlier.
    deadline: Deadline,
}

impl<'a> Limits<'a> {
    fn begin(clock: &Rc<Clock>, reached: &'a Reached<'a>, watch: Option<&'a BodyWatch>) -> Self {
        let Routed { route, pool, .. } = reached.routed;
        if let Some(watch) = watch {
            // What has come already, for an earlier attempt, is with the target: it is its turn.
            watch.wait_for_client(false);
        }
        let whole = reached.deadline.as_ref();
        let per_try = route.route.timeouts.per_try;
        let slow = pool.balancer.slow_after().filter(|slow| per_try.is_none_or(|limit| *slow < limit));
        let probe = reached.in_flight.probe().and_then(Probe::patience);
        if slow.is_none() && per_try.is_none() && probe.is_none() {
            return Self { whole, trial: None };
        }
        let per_try = per_try.map(|limit| clock.deadline(limit));
        let until = |after| Slow { after, deadline: clock.deadline(after) };
        let (slow, probe) = (slow.map(until), probe.map(until));
        Self { whole, trial: Some(Trial { reached, watch, per_try, slow, probe, extended: false }) }
    }

    async fn hold<F: Future>(mut self, future: F) -> Result<F::Output, ForwardError> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if self.whole.is_some_and(|whole| whole.poll_passed(cx)) {
                return Poll::Ready(Err(ForwardError::RequestTimeout));
            }
            if let Some(trial) = &mut self.trial
                && trial.poll_passed(cx)
            {
                return Poll::Ready(Err(ForwardError::TryTimeout));
            }
            Poll::Pending
        })
        .await
    }
}

impl Trial<'_> {
    fn poll_passed(&mut self, cx: &Context<'_>) -> bool {
        while let Some(slow) = &self.slow
            && slow.deadline.poll_passed(cx)
        {
            self.may_be_slow();
        }
        while let Some(probe) = &self.probe
            && probe.deadline.poll_passed(cx)
        {
            self.may_be_no_probe();
        }
        self.per_try.as_ref().is_some_and(|limit| limit.poll_passed(cx))
    }

    /// Judges the attempt, or sets the earliest moment from which it can be slow.
    #[cold]
    fn may_be_slow(&mut self) {
        let Some(slow) = &self.slow else { return };
        let left = self.left_of(slow.after);
        if !left.is_zero() {
            return slow.deadline.reset(left);
        }
        self.slow = None;
        let Reached { routed, member, in_flight, .. } = self.reached;
        routed.pool.balancer.judge(*member, in_flight, Outcome::Slow);
    }

    /// Has the probe fail, or lets go of its place, which others wait for, where its client is slow. Where it is the target's
    /// turn, but has been for less than it may, sets the moment at which that is over: once, lest an upload without an end
    /// keeps the place.
    #[cold]
    fn may_be_no_probe(&mut self) {
        let (Some(slow), Some(probe)) = (&self.probe, self.reached.in_flight.probe()) else { return };
        let left = self.left_of(slow.after);
        if left.is_zero() {
            probe.fail();
        } else if left < slow.after && !std::mem::replace(&mut self.extended, true) {
            return slow.deadline.reset(left);
        } else {
            probe.let_go();
        }
        self.probe = None;
    }

    /// What is left of the time that the target may take.
    fn left_of(&self, after: Duration) -> Duration {
        let given_for = self.watch.map_or(Some(after), BodyWatch::given_for);
        after.saturating_sub(given_for.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
