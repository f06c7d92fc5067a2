//! What a request remembers of its attempts, and whether and when there is another.

use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::Routed;
use super::record::Record;
use crate::forward::clock::Deadline;
use crate::forward::retry::{Failure, Permit, longest_rest, wait};
use crate::observe::metrics::RetryDecision;
use crate::pick::{MemberIndex, NoUsableTarget, Picked, fast_random};
use crate::request::RequestView;

/// How long a rest that is over may take to be seen by picks.
const REST_OVER: Duration = Duration::from_millis(150);

/// What a request remembers of its attempts.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Members that it has been to, since all were last tried.
    pub(super) tried: SmallVec<[MemberIndex; 8]>,
    /// Until when members asked to be left alone.
    resting: SmallVec<[(MemberIndex, Instant); 4]>,
    retries: u32,
    /// How often another pool has stood in.
    pub(super) stood_in: usize,
    /// A target that had refused it was asked once more.
    asked_again: bool,
    /// Its part of the budget, held until there is an answer.
    permit: Option<Permit>,
}

/// A request that another attempt is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'r> {
    pub(super) request: &'r RequestView<'r>,
    pub(super) routed: Routed<'r>,
    pub(super) record: &'r Record,
    pub(super) deadline: Option<&'r Deadline>,
}

impl<'r> Asked<'r> {
    fn wish(self) -> Wish<'r> {
        let Self { request, routed, deadline, .. } = self;
        Wish { request, routed, deadline }
    }
}

/// What decides on another attempt.
#[derive(Clone, Copy, Debug)]
struct Wish<'r> {
    request: &'r RequestView<'r>,
    routed: Routed<'r>,
    deadline: Option<&'r Deadline>,
}

/// Whether a request may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MayRepeat {
    /// The Rule allows it, or nothing of it was sent.
    pub(super) allowed: bool,
    /// All of its body is there.
    pub(super) body: bool,
}

impl MayRepeat {
    /// Nothing of it was sent.
    pub(super) const YES: Self = Self { allowed: true, body: true };
}

impl Tries {
    /// The member asked to be left alone.
    pub(super) fn rests(&mut self, member: MemberIndex, rest: Duration) {
        self.resting.retain(|(other, _)| *other != member);
        self.resting.push((member, Instant::now() + rest));
    }

    /// A member for a request that was refused unprocessed, where all others were tried: any, once. It may have been the
    /// connection alone that was about to be closed.
    pub(super) fn once_more(&mut self, asked: Asked<'_>) -> Option<Picked> {
        if std::mem::replace(&mut self.asked_again, true) {
            return None;
        }
        self.tried.clear();
        asked.routed.pool.balancer.pick(asked.request, &[]).ok()
    }

    /// It goes on in another pool, whose members are others.
    pub(super) fn begin_elsewhere(&mut self) {
        self.tried.clear();
        self.resting.clear();
        self.stood_in += 1;
    }

    /// Gives back its part of the budget.
    pub(super) fn settle(&mut self) {
        self.permit = None;
    }

    /// Decides whether the Rule has the request tried again. If so, returns the member for it when it is time: another one
    /// than before, as long as there is one.
    pub(super) async fn again(&mut self, asked: Asked<'_>, failure: Failure, may: MayRepeat) -> Option<Picked> {
        match self.decide(asked.wish(), failure, may).await? {
            Ok(picked) => {
                asked.record.count(|shard| shard.decided(RetryDecision::Retried));
                Some(picked)
            }
            Err(decision) => {
                tracing::debug!(decision = decision.word(), "not tried again");
                asked.record.count(|shard| shard.decided(decision));
                None
            }
        }
    }

    /// `None`: no retry was asked for.
    async fn decide(
        &mut self,
        wish: Wish<'_>,
        failure: Failure,
        may: MayRepeat,
    ) -> Option<Result<Picked, RetryDecision>> {
        let retry = wish.routed.route.retry.as_deref().filter(|retry| retry.covers(failure))?;
        if !may.allowed {
            return Some(Err(RetryDecision::Excluded));
        }
        if self.retries >= retry.settings.attempts {
            return Some(Err(RetryDecision::Attempts));
        }
        if !may.body {
            return Some(Err(RetryDecision::Body));
        }
        let now = Instant::now().into_std();
        self.permit = retry.budget.retry(retry.settings.budget_percent, now, self.permit.take());
        if self.permit.is_none() {
            return Some(Err(RetryDecision::Budget));
        }
        let backoff = wait(&retry.settings.backoff, self.retries, fast_random::bits());
        let longest = longest_rest(&retry.settings.backoff);
        self.retries += 1;
        Some(self.next(wish, backoff, longest).await)
    }

    /// Picks a member and waits: for the backoff, and for the rest that this member, or all of them, asked for. Decides
    /// before it waits whether that is worth it, and picks again should the health of any endpoint change meanwhile: what
    /// a circuit breaker that has opened since keeps off is not to be sent all the same.
    async fn next(&mut self, wish: Wish<'_>, mut wait: Duration, longest: Duration) -> Result<Picked, RetryDecision> {
        let balancer = &wish.routed.pool.balancer;
        loop {
            let generation = balancer.health_generation();
            let (picked, rest) = match self.pick(wish) {
                Ok(picked) => {
                    let rest = self.rest(picked.member);
                    (Some(picked), rest)
                }
                Err(NoUsableTarget::Resting(rest)) => (None, rest + REST_OVER),
                Err(NoUsableTarget::None | NoUsableTarget::Open) => return Err(RetryDecision::NoTarget),
            };
            if rest > longest + REST_OVER {
                return Err(RetryDecision::Wait);
            }
            wait = wait.max(rest);
            // While it waits it holds no place for a probe, which others could find something out with.
            let picked = picked.filter(|picked| wait.is_zero() || picked.probe.is_none());
            if wish.deadline.is_some_and(|deadline| deadline.remaining() <= wait) {
                return Err(RetryDecision::Wait);
            }
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            match picked {
                Some(picked) if wait.is_zero() || balancer.health_generation() == generation => return Ok(picked),
                _ => wait = Duration::ZERO,
            }
        }
    }

    /// Another member than those tried; where there is none, any.
    fn pick(&mut self, wish: Wish<'_>) -> Result<Picked, NoUsableTarget> {
        let balancer = &wish.routed.pool.balancer;
        let other = balancer.pick(wish.request, &self.tried);
        if other.is_ok() || self.tried.is_empty() {
            return other;
        }
        self.tried.clear();
        balancer.pick(wish.request, &[])
    }

    /// What is left of the rest that a member asked for.
    fn rest(&self, member: MemberIndex) -> Duration {
        let until = self.resting.iter().find(|(other, _)| *other == member).map(|(_, until)| *until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// A member of a lower level than that of `failed`, where there is one.
    pub(super) fn lower_level(&mut self, asked: Asked<'_>, failed: MemberIndex) -> Option<Picked> {
        let level = asked.routed.pool.level_of(failed);
        self.tried.extend(level.clone().map(MemberIndex));
        let picked = asked.routed.pool.balancer.pick(asked.request, &self.tried).ok()?;
        if picked.member.0 < level.end {
            return None;
        }
        asked.record.count(|shard| shard.decided(RetryDecision::FailedOver));
        Some(picked)
    }
}

#[cfg(test)]
mod tests;
