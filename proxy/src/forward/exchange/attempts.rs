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

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use http::Request;
use http::request::Parts;

use super::admit::Admitted;
use super::answer_body::drain;
use super::outgoing::{Outgoing, Replaced};
use super::reach::{Reached, Wanted, Way};
use super::record::Record;
use super::send::{Answered, Failed, attempt};
use super::tries::{Asked, MayRepeat};
use super::view::View;
use super::{Refusal, Routed};
use crate::answer::Form;
use crate::forward::client::ClientConnection;
use crate::forward::error::ForwardError;
use crate::forward::retry::{Failure, is_idempotent, retry_after};
use crate::forward::upstream::{Kept, RequestBody};
use crate::matching::RouteIndex;
use crate::observe::metrics::{AttemptOutcome, RetryDecision};
use crate::pick::Picked;
use crate::request::{BodyFacts, IdentityHeaders, RequestView};
use crate::worker::LocalSnapshot;

/// What a request may do once it was sent. Neither on the plain path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeats {
    /// The Rule may have it tried again.
    retry: bool,
    /// It may go to a lower level.
    fail_over: bool,
}

impl Repeats {
    /// What this request may do. Asked while it is as the client sent it.
    pub(super) fn of(form: Form, admitted: &Admitted, view: &View<'_>, parts: &Parts, routed: Routed<'_>) -> Self {
        let levels = routed.pool.pool.levels.len() > 1;
        match &routed.route.retry {
            None if !levels => Self { retry: false, fail_over: false },
            retry => {
                let stream = admitted.upgrade() || form == Form::Grpc;
                let fits = admitted.content_length.is_none_or(|length| length <= routed.route.route.buffer_size);
                let (method, headers) = (&parts.method, &parts.headers);
                let allowed = match retry {
                    Some(retry) => retry.allows(method, &view.path, headers),
                    None => is_idempotent(method, headers),
                };
                let may = allowed && fits && !stream;
                Self { retry: retry.is_some() && may, fail_over: levels && may }
            }
        }
    }

    /// Whether a second attempt may follow a first that was sent.
    pub(super) fn any(self) -> bool {
        self.retry || self.fail_over
    }

    /// Whether an answer of the first attempt is to be looked at again.
    pub(super) fn doubts(self, routed: Routed<'_>, answered: &Answered) -> bool {
        let failure = Failure::Status(answered.0.status());
        self.retry && routed.route.retry.as_ref().is_some_and(|retry| retry.covers(failure))
            || self.fail_over && failure.fails_over()
    }
}

/// What a second attempt is made from.
#[derive(Debug)]
pub(super) struct Spare {
    /// The head as the first target got it.
    pub(super) parts: Parts,
    /// The body; `None`: there is none.
    pub(super) body: Option<Kept>,
}

/// A request that was sent, or would have been.
pub(super) struct Attempts<'r, 'a> {
    pub(super) client: &'r Rc<ClientConnection>,
    pub(super) snapshot: &'a Rc<LocalSnapshot>,
    pub(super) route: RouteIndex,
    pub(super) seen: Seen<'r>,
    /// The length of the matched prefix.
    pub(super) prefix: usize,
    pub(super) record: &'r mut Record,
    pub(super) repeats: Repeats,
    pub(super) spare: Option<Box<Spare>>,
    /// What the last target's part of the head replaced.
    pub(super) replaced: Replaced,
}

/// What picking may know of the request besides its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'r> {
    pub(super) admitted: &'r Admitted,
    pub(super) identity: &'r IdentityHeaders,
    pub(super) tls: bool,
    pub(super) client_ip: IpAddr,
    pub(super) received: Instant,
    pub(super) facts: Option<&'r BodyFacts>,
}

impl<'r> Seen<'r> {
    /// The request as picking sees it, with the header fields that it has after the Rule's changes.
    fn view<'v>(self, head: &'v Parts) -> RequestView<'v>
    where
        'r: 'v,
    {
        RequestView {
            method: &head.method,
            host: "",
            path: head.uri.path(),
            query: head.uri.query(),
            headers: &head.headers,
            content_length: self.admitted.content_length,
            client_ip: self.client_ip,
            tls: self.tls,
            received: self.received,
            identity: self.identity,
            body: self.facts,
        }
    }
}

/// The next attempt, and the one before it.
struct Following<'a> {
    last: Reached<'a>,
    picked: Picked,
    head: Parts,
    body: Option<RequestBody>,
    first: Option<Refusal>,
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
                    Err(given) => return Ok(*given),
                },
                Err(failed) => self.after_failure(reached, failed).await?,
            };
            (reached, outcome) = self.follow(following).await?;
        }
    }

    /// What follows an answer that is to be tried again; `Err`: the answer, which the client gets.
    async fn after_answer(
        &mut self,
        mut reached: Reached<'a>,
        answered: Answered,
    ) -> Result<Following<'a>, Box<(Reached<'a>, Answered)>> {
        let status = answered.0.status();
        let mut tries = reached.tries.take().unwrap_or_default();
        tries.tried.push(reached.member);
        if let Some(rest) = retry_after(status, answered.0.headers()) {
            tries.rests(reached.member, rest);
        }
        reached.tries = Some(tries);
        let Some((picked, head, body)) = self.replay(&mut reached, Failure::Status(status)).await else {
            return Err(Box::new((reached, answered)));
        };
        if !reached.routed.fallback {
            self.record.count_attempt(reached.routed, AttemptOutcome::Answered);
        }
        drain(answered);
        Ok(Following { last: reached, picked, head, body, first: None })
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
        let refusal = Refusal::from(cause);
        if let Some(request) = unsent {
            let (head, body) = (*request).into_parts();
            let view = self.seen.view(&head);
            let (record, deadline) = (&*self.record, reached.deadline.as_ref());
            let asked = Asked { request: &view, routed: reached.routed, record, deadline };
            let picked = match reached.routed.pool.balancer.pick(&view, &tries.tried) {
                Ok(picked) => Some(picked),
                Err(_) => tries.again(asked, failure, MayRepeat::YES).await,
            };
            reached.tries = Some(tries);
            return match picked {
                Some(picked) => Ok(Following { last: reached, picked, head, body: Some(body), first: Some(refusal) }),
                None => Err(refusal),
            };
        }
        reached.tries = Some(tries);
        match self.replay(&mut reached, failure).await {
            Some((picked, head, body)) => Ok(Following { last: reached, picked, head, body, first: None }),
            None => Err(refusal),
        }
    }

    /// The member that gets the request once more, and the request.
    async fn replay(
        &mut self,
        reached: &mut Reached<'a>,
        failure: Failure,
    ) -> Option<(Picked, Parts, Option<RequestBody>)> {
        let Some(spare) = &self.spare else {
            let retry = reached.routed.route.retry.as_ref();
            if retry.is_some_and(|retry| retry.covers(failure)) {
                self.record.count(|shard| shard.decided(RetryDecision::Excluded));
            }
            return None;
        };
        let mut tries = reached.tries.take().unwrap_or_default();
        let body = spare.body.as_ref().is_none_or(Kept::is_whole);
        let view = self.seen.view(&spare.parts);
        let (record, deadline) = (&*self.record, reached.deadline.as_ref());
        let asked = Asked { request: &view, routed: reached.routed, record, deadline };
        let mut picked = tries.again(asked, failure, MayRepeat { allowed: self.repeats.retry, body }).await;
        if picked.is_none() && self.repeats.fail_over && body && failure.fails_over() {
            picked = tries.lower_level(asked, reached.member);
        }
        if picked.is_none() {
            tries.settle();
        }
        reached.tries = Some(tries);
        let picked = picked?;
        let body = match &spare.body {
            None => None,
            Some(kept) => Some(kept.read()?),
        };
        Some((picked, spare.parts.clone(), body))
    }

    /// Makes the next attempt.
    async fn follow(&mut self, following: Following<'a>) -> Result<(Reached<'a>, Result<Answered, Failed>), Refusal> {
        let Following { mut last, picked, head: mut parts, body, first } = following;
        let last_reach = last.reach()?;
        let way = Way {
            routed: last.routed,
            picked,
            connections: None,
            deadline: last.deadline.take(),
            tries: last.tries.take().unwrap_or_default(),
            first,
        };
        let upgrade = last.upgrade;
        // Neither its place in flight nor its connection is held on to.
        drop(last);
        let view = self.seen.view(&parts);
        let wanted =
            Wanted { client: self.client, snapshot: self.snapshot, route: self.route, request: &view, upgrade };
        let mut reached = wanted.open(way, self.record).await?;
        let replaced = std::mem::take(&mut self.replaced);
        self.replaced =
            Outgoing::apply_again(self.seen.admitted, self.prefix, (last_reach, replaced), &reached, &mut parts)?;
        if let Some(spare) = &mut self.spare {
            spare.parts = parts.clone();
        }
        let request = Request::from_parts(parts, body.unwrap_or_else(RequestBody::empty));
        let outcome = attempt(self.client, self.seen.admitted.version, &mut reached, request).await;
        Ok((reached, outcome))
    }
}
