//! More attempts: what becomes of a request whose first one failed, or came to an answer that is tried again.
//!
//! ```text
//! nothing was sent ──────────────▶ another member, then down the levels, then as the Rule's retries say
//! sent, and the Rule retries ────▶ wait, then another member where there is one
//! sent, and there is a lower level ▶ that level, if a second request does no more than the first
//! otherwise ─────────────────────▶ the client gets what there is
//! ```
//!
//! An answer is kept until it is certain that another attempt takes its place. Nothing is tried again once an answer's
//! head went to the client. Upgrades and gRPC are tried again only as long as nothing was sent: what their streams carry
//! cannot be seen here, and gRPC's clients have retries of their own (its proposal A6).

use std::rc::Rc;

use http::Request;
use http::request::Parts;

use super::admit::Admitted;
use super::answer_body::drain;
use super::elsewhere::Elsewhere;
use super::outgoing::{Outgoing, Replaced};
use super::reach::{Reached, Wanted, Way};
use super::record::Record;
use super::send::{Answered, Failed, attempt};
use super::spare::Spare;
use super::view::{Seen, View};
use super::{Refusal, Routed, fallback};
use crate::answer::{Form, Reason};
use crate::forward::client::ClientConnection;
use crate::forward::error::ForwardError;
use crate::forward::last_good::Asked;
use crate::forward::retry::{Failure, is_idempotent, retry_after};
use crate::forward::upstream::RequestBody;
use crate::matching::RouteIndex;
use crate::observe::metrics::{AttemptOutcome, RetryDecision};
use crate::pick::Picked;
use crate::request::RequestView;
use crate::worker::LocalSnapshot;

/// What a request may do after its first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeats {
    /// It may be sent again although a target may have acted on it, and there is somebody who has that done: the Rule's
    /// retries, or a lower level.
    allowed: bool,
    /// It is kept for another attempt.
    keeps: bool,
}

impl Repeats {
    /// What this request may do. Asked while it is as the client sent it.
    pub(super) fn of(
        form: Form,
        admitted: &Admitted,
        view: &View<'_>,
        parts: &Parts,
        snapshot: &LocalSnapshot,
        reached: &Reached<'_>,
    ) -> Self {
        let routed = reached.routed;
        let retry = routed.route.retry.as_deref();
        let limited = routed.route.route.timeouts.per_try.is_some();
        let allowed = (retry.is_some_and(|retry| retry.covers_any(limited)) || reached.has_lower_level()) && {
            let stream = admitted.upgrade() || form == Form::Grpc;
            let fits = admitted.content_length.is_none_or(|length| length <= routed.route.route.buffer_size);
            let (method, headers) = (&parts.method, &parts.headers);
            let may = match retry {
                Some(retry) => retry.allows(method, &view.path, headers),
                None => is_idempotent(method, headers),
            };
            may && fits && !stream
        };
        // Of what comes back unsent another attempt can be made without a copy; but then picks would see it as the last
        // target was to get it. And what a target has refused over HTTP/2 does not come back.
        let keeps = allowed || reached.http2() || fallback::reads_headers(snapshot, routed.pool);
        Self { allowed, keeps }
    }

    /// Whether the request is kept for another attempt.
    pub(super) fn keeps(self) -> bool {
        self.keeps
    }

    /// Whether an answer is to be looked at again.
    pub(super) fn doubts(self, routed: Routed<'_>, answered: &Answered) -> bool {
        let failure = Failure::Status(answered.0.status);
        self.allowed
            && (routed.route.retry.as_ref().is_some_and(|retry| retry.covers(failure))
                || routed.pool.pool.levels.len() > 1 && failure.fails_over())
    }
}

/// A request that was sent, or would have been.
pub(super) struct Attempts<'r, 'a> {
    pub(super) client: &'r Rc<ClientConnection>,
    pub(super) snapshot: &'a Rc<LocalSnapshot>,
    pub(super) route: RouteIndex,
    pub(super) seen: Seen<'r>,
    /// What it asks for, where good answers are kept.
    pub(super) last_good: Option<&'r Asked>,
    /// The length of the matched prefix.
    pub(super) prefix: usize,
    pub(super) record: &'r mut Record,
    pub(super) repeats: Repeats,
    pub(super) spare: Option<Box<Spare>>,
    /// What the last target's part of the head replaced.
    pub(super) replaced: Replaced,
}

/// The next attempt, and the one before it.
struct Following<'a> {
    last: Reached<'a>,
    /// The pool that it goes on in.
    routed: Routed<'a>,
    picked: Picked,
    head: Head,
    body: RequestBody,
    first: Option<Refusal>,
}

/// A request that is sent again.
struct Replay<'a> {
    routed: Routed<'a>,
    picked: Picked,
    head: Parts,
    body: RequestBody,
}

/// The head that another attempt begins with.
enum Head {
    /// As the client sent it.
    Asked(Parts),
    /// As the last target was to get it: of a request that was not kept, and comes back unsent.
    Unsent(Parts),
}

impl Head {
    fn parts(&self) -> &Parts {
        match self {
            Self::Asked(parts) | Self::Unsent(parts) => parts,
        }
    }
}

impl<'a> Attempts<'_, 'a> {
    /// Goes on from what became of the first attempt until there is an answer to give.
    pub(super) async fn go_on(
        mut self,
        mut reached: Reached<'a>,
        mut outcome: Result<Answered, Failed>,
    ) -> Result<(Reached<'a>, Answered), Refusal> {
        loop {
            let following = match outcome {
                Ok(answered) if !self.repeats.doubts(reached.routed, &answered) => return Ok((reached, answered)),
                Ok(answered) => match self.after_answer(reached, answered).await {
                    Ok(following) => following,
                    Err(given) => return *given,
                },
                Err(failed) => self.after_failure(reached, failed).await?,
            };
            (reached, outcome) = self.follow(following).await?;
        }
    }

    /// What follows an answer that is to be tried again; `Err`: what the client gets, which is this answer or what stands in.
    async fn after_answer(
        &mut self,
        mut reached: Reached<'a>,
        answered: Answered,
    ) -> Result<Following<'a>, Box<Result<(Reached<'a>, Answered), Refusal>>> {
        let status = answered.0.status;
        let mut tries = reached.tries.take().unwrap_or_default();
        tries.tried.push(reached.member);
        if let Some(rest) = retry_after(status, &answered.0.headers) {
            tries.rests(reached.member, rest);
        }
        reached.tries = Some(tries);
        let Some(replay) = self.replay(&mut reached, Failure::Status(status)).await else {
            return Err(Box::new(Ok((reached, answered))));
        };
        if !reached.routed.fallback {
            self.record.count_attempt(reached.routed, AttemptOutcome::Answered);
        }
        drain(answered);
        let Replay { routed, picked, head, body } = replay.map_err(|stands_in| Box::new(Err(stands_in)))?;
        Ok(Following { last: reached, routed, picked, head: Head::Asked(head), body, first: None })
    }

    /// What follows a failure.
    async fn after_failure(&mut self, mut reached: Reached<'a>, failed: Failed) -> Result<Following<'a>, Refusal> {
        if let Some(outcome) = failed.outcome() {
            self.record.count_attempt(reached.routed, outcome);
        }
        let Failed { cause, unsent, clients } = failed;
        let failure = match &cause {
            _ if clients => return Err(cause.into()),
            ForwardError::RequestTimeout | ForwardError::Internal(_) => return Err(cause.into()),
            ForwardError::TryTimeout => Failure::Timeout,
            _ => Failure::Connection,
        };
        let mut tries = reached.tries.take().unwrap_or_default();
        tries.tried.push(reached.member);
        let refused = matches!(cause, ForwardError::Refused { .. });
        let refusal = Refusal::from(cause);
        if let Some((head, body)) = self.unsent(unsent, refused)? {
            let view = self.seen.view(head.parts())?;
            let view = view.request(head.parts(), self.seen.facts);
            let elsewhere = self.elsewhere(&reached, &view);
            let goes = elsewhere.unsent(&mut tries, true, refused).await;
            reached.tries = Some(tries);
            let Some(goes) = goes else { return Err(refusal) };
            let (routed, picked) = goes?;
            return Ok(Following { last: reached, routed, picked, head, body, first: Some(refusal) });
        }
        reached.tries = Some(tries);
        let Replay { routed, picked, head, body } = self.replay(&mut reached, failure).await.unwrap_or(Err(refusal))?;
        Ok(Following { last: reached, routed, picked, head: Head::Asked(head), body, first: None })
    }

    /// Where a request can go on to that was at `reached`.
    fn elsewhere<'v>(&'v self, reached: &'v Reached<'a>, request: &'v RequestView<'v>) -> Elsewhere<'v, 'a> {
        let wanted = self.wanted(request, reached.upgrade);
        Elsewhere { wanted, routed: reached.routed, record: self.record, deadline: reached.deadline.as_ref() }
    }

    fn wanted<'v>(&'v self, request: &'v RequestView<'v>, upgrade: bool) -> Wanted<'v, 'a> {
        let Self { client, snapshot, route, last_good, .. } = self;
        Wanted { client, snapshot, route: *route, request, upgrade, last_good: *last_good }
    }

    /// A request that no target has done anything with: it came back `unsent`, or was `refused` and is there to be sent
    /// again.
    fn unsent(
        &self,
        unsent: Option<Box<Request<RequestBody>>>,
        refused: bool,
    ) -> Result<Option<(Head, RequestBody)>, Refusal> {
        let body = match (unsent, &self.spare) {
            (Some(request), None) => {
                let (parts, body) = (*request).into_parts();
                return Ok(Some((Head::Unsent(parts), body)));
            }
            (Some(request), Some(_)) => Some((*request).into_body()),
            (None, Some(spare)) if refused => spare.body(),
            (None, _) => None,
        };
        let (Some(body), Some(spare)) = (body, &self.spare) else { return Ok(None) };
        let head = spare.head().ok_or(Reason::InternalError)?;
        Ok(Some((Head::Asked(head), body)))
    }

    /// How the request is sent again, or what stands in for its targets' answer; `None`: neither.
    async fn replay(&mut self, reached: &mut Reached<'a>, failure: Failure) -> Option<Result<Replay<'a>, Refusal>> {
        let Some(spare) = self.spare.as_deref().filter(|_| self.repeats.allowed) else {
            if reached.routed.route.retry.as_ref().is_some_and(|retry| retry.covers(failure)) {
                self.record.count(|shard| shard.decided(RetryDecision::Excluded));
            }
            return None;
        };
        let head = spare.head()?;
        let view = self.seen.view(&head).ok()?;
        let view = view.request(&head, self.seen.facts);
        let mut tries = reached.tries.take().unwrap_or_default();
        let elsewhere = self.elsewhere(reached, &view);
        let goes = elsewhere.sent(&mut tries, reached.member, failure, spare.is_whole()).await;
        if !matches!(goes, Some(Ok(_))) {
            tries.settle();
        }
        reached.tries = Some(tries);
        match goes? {
            Ok((routed, picked)) => Some(Ok(Replay { routed, picked, head, body: spare.body()? })),
            Err(stands_in) => Some(Err(stands_in)),
        }
    }

    /// Makes the next attempt.
    async fn follow(&mut self, following: Following<'a>) -> Result<(Reached<'a>, Result<Answered, Failed>), Refusal> {
        let Following { mut last, routed, picked, head, body, first } = following;
        let last_reach = last.reach()?;
        let way = Way {
            routed,
            picked,
            connections: None,
            deadline: last.deadline.take(),
            tries: last.tries.take().unwrap_or_default(),
            first,
        };
        let upgrade = last.upgrade;
        // Neither its place in flight nor its connection is held on to.
        drop(last);
        let seen = self.seen;
        let view = seen.view(head.parts())?;
        let request = view.request(head.parts(), seen.facts);
        let (client, snapshot, route, last_good) = (self.client, self.snapshot, self.route, self.last_good);
        let wanted = Wanted { client, snapshot, route, request: &request, upgrade, last_good };
        let mut reached = wanted.open(way, self.record).await?;
        let outgoing = match &head {
            Head::Asked(parts) => Some(Outgoing::of(&view, parts, &reached, self.prefix)?),
            Head::Unsent(_) => None,
        };
        let (Head::Asked(mut parts) | Head::Unsent(mut parts)) = head;
        self.replaced = if let Some(outgoing) = outgoing {
            outgoing.apply(self.client, seen.admitted, &reached, &mut parts)?
        } else {
            let last = (last_reach, std::mem::take(&mut self.replaced));
            Outgoing::apply_again(self.prefix, last, &reached, &mut parts)?
        };
        let request = Request::from_parts(parts, body);
        let outcome = attempt(self.client, seen.admitted.version, &mut reached, request).await;
        Ok((reached, outcome))
    }
}
