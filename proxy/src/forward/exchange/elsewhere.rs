//! Where a request goes on to: another member of its pool, or what stands in for the pool.
//!
//! ```text
//! no target has done anything with it ─▶ another member, then down the levels, then as the Rule's retries say
//! a target may have, and it is tried again ─▶ as the Rule's retries say, then a lower level
//! none of these, and circuit breakers leave the pool no target ─▶ what stands in for the pool
//! ```

use super::fallback::{self, LONGEST_CHAIN};
use super::reach::Wanted;
use super::record::Record;
use super::tries::{Asked, MayRepeat, Tries};
use super::{Refusal, Routed};
use crate::forward::clock::Deadline;
use crate::forward::retry::Failure;
use crate::pick::{MemberIndex, NoUsableTarget, Picked};

/// A request that goes on.
#[derive(Clone, Copy)]
pub(super) struct Elsewhere<'r, 'a> {
    pub(super) wanted: Wanted<'r, 'a>,
    pub(super) routed: Routed<'a>,
    pub(super) record: &'r Record,
    pub(super) deadline: Option<&'r Deadline>,
}

/// Where it goes: to a member of a pool, or to an answer that stands in for all of them. `None`: nowhere.
pub(super) type Goes<'a> = Option<Result<(Routed<'a>, Picked), Refusal>>;

impl<'a> Elsewhere<'_, 'a> {
    /// Of which no target has done anything. `connection`: for want of a connection, so that the Rule may want to wait;
    /// `refused`: a target has refused it.
    pub(super) async fn unsent(self, tries: &mut Tries, connection: bool, refused: bool) -> Goes<'a> {
        let none = match self.routed.pool.balancer.pick(self.wanted.request, &tries.tried) {
            Ok(picked) => return Some(Ok((self.routed, picked))),
            Err(none) => none,
        };
        if none == NoUsableTarget::Open
            && let Some(stands_in) = self.instead(tries)
        {
            return Some(stands_in);
        }
        let mut picked = if refused { tries.once_more(self.asked()) } else { None };
        if picked.is_none() && connection {
            picked = tries.again(self.asked(), Failure::Connection, MayRepeat::YES).await;
        }
        self.goes(picked, tries)
    }

    /// That may be sent again although `failed` may have acted on it. `body`: all of that is there.
    pub(super) async fn sent(self, tries: &mut Tries, failed: MemberIndex, failure: Failure, body: bool) -> Goes<'a> {
        let picked = tries.again(self.asked(), failure, MayRepeat { allowed: true, body }).await;
        if picked.is_some() || !body {
            return picked.map(|picked| Ok((self.routed, picked)));
        }
        let Routed { route, pool, .. } = self.routed;
        let fails_over = pool.pool.levels.len() > 1 && failure.fails_over();
        let picked = if fails_over { tries.lower_level(self.asked(), failed) } else { None };
        if fails_over || route.retry.as_ref().is_some_and(|retry| retry.covers(failure)) {
            self.goes(picked, tries)
        } else {
            None
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked { request: self.wanted.request, routed: self.routed, record: self.record, deadline: self.deadline }
    }

    /// To the member that was picked; else to what stands in, where circuit breakers leave nobody.
    fn goes(self, picked: Option<Picked>, tries: &mut Tries) -> Goes<'a> {
        match picked {
            Some(picked) => Some(Ok((self.routed, picked))),
            None if fallback::of(self.routed.pool).is_none() => None,
            None if self.routed.pool.balancer.is_open(self.wanted.request) => self.instead(tries),
            None => None,
        }
    }

    fn instead(self, tries: &mut Tries) -> Goes<'a> {
        // The table has no loops; should it ever have one, this is where it ends.
        if tries.stood_in >= LONGEST_CHAIN {
            return None;
        }
        let mut routed = self.routed;
        match fallback::instead(self.wanted, &mut routed, NoUsableTarget::Open) {
            Ok(picked) => {
                tries.begin_elsewhere();
                Some(Ok((routed, picked)))
            }
            Err(stands_in @ Refusal::StandsIn(_)) => Some(Err(stands_in)),
            Err(_) => None,
        }
    }
}
