//! Picking: from a pool to the one target that gets the request.
//!
//! In this order: states (who may get requests at all), priority levels (the first that has a usable member left),
//! affinity (who the request belongs to), algorithm. The first is settled once for each version of the table; the rest
//! runs for each request and takes no lock, makes no system call and allocates nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use sluicegate_table::{Algorithm, ObjectKey, Pool};

use self::affinity::Affinity;
use self::algorithm::{Because, Choice};
use self::levels::{Common, Level};
use self::sequence::{Run, Sequence};
use self::states::State;
use crate::endpoint::{InFlight, TargetRuntime, places};
use crate::health::{CheckState, Outcome, Probe};
use crate::request::RequestView;

mod affinity;
mod algorithm;
mod candidates;
mod draw;
pub mod explain;
pub(crate) mod fast_random;
#[cfg(test)]
mod fixture;
mod least;
mod least_connections;
pub mod least_latency;
mod levels;
mod random;
mod round_robin;
mod sequence;
mod shares;
pub mod states;
mod weighted_round_robin;
mod weights;

/// The position of a member in the flat list of all members of a pool, levels in order. A Target with several endpoints
/// is as many members, next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberIndex(pub u32);

/// Picks the target of each request of one pool. Shared by all workers.
#[derive(Debug)]
pub struct Balancer {
    algorithm: Algorithm,
    levels: Box<[Level]>,
    affinity: Option<Affinity>,
    /// All members, levels in order.
    members: Box<[Member]>,
}

/// A member as `explain` shows it.
#[derive(Debug)]
struct Member {
    key: ObjectKey,
    address: Option<SocketAddr>,
    priority: u16,
    weight: u8,
    state: State,
}

/// A picked member.
#[derive(Debug, PartialEq, Eq)]
pub struct Picked {
    /// Which member.
    pub member: MemberIndex,
    /// A `Set-Cookie` value that the answer must carry (cookie affinity, new or moved client).
    pub set_cookie: Option<HeaderValue>,
    /// The request is one that a half-open circuit breaker lets through.
    pub probe: Option<Probe>,
}

/// No member may get the request, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUsableTarget {
    /// None is there that was not tried.
    #[error("no usable target")]
    None,
    /// Circuit breakers are open.
    #[error("circuit breakers are open")]
    Open,
    /// All that would be usable asked not to be sent requests for a while.
    #[error("the targets asked for a rest of {0:?}")]
    Resting(Duration),
}

impl Balancer {
    /// A balancer over the members of `pool`: `targets` holds one entry per member of the entry, levels in order, `None`
    /// where the Target is missing or unusable. `previous` hands on the sequence of the pool's last version.
    pub fn new(pool: &Pool, targets: &[Option<Arc<TargetRuntime>>], previous: Option<&Self>) -> Self {
        let mut rest = targets;
        let mut members = Vec::with_capacity(targets.len());
        let mut entries = Vec::with_capacity(pool.levels.len());
        for level in &pool.levels {
            let (targets, others) = rest.split_at_checked(level.members.len()).unwrap_or((rest, &[]));
            rest = others;
            entries.push((level, targets, members.len() as u32));
            for (at, member) in level.members.iter().enumerate() {
                let target = targets.get(at).and_then(Option::as_ref);
                let weight = member.weight.get();
                let state = State::of(target.map(AsRef::as_ref), weight.into());
                members.extend(places(target).map(|endpoint| Member {
                    key: member.target.clone(),
                    address: endpoint.and_then(|endpoint| endpoint.address),
                    priority: level.priority,
                    weight,
                    state,
                }));
            }
        }
        let ids = || members.iter().map(|member| affinity::endpoint_id(&member.key, member.address));
        let affinity = pool.affinity.as_ref().map(|affinity| Affinity::new(affinity, ids()));
        let common =
            Common { algorithm: pool.algorithm, affinity: affinity.as_ref(), health_checks: &pool.health_checks };
        let level = |(entry, targets, first): (&sluicegate_table::Level, _, _)| {
            let sequence = previous.and_then(|previous| previous.sequence(entry.priority)).unwrap_or_default();
            Level::new(entry, targets, first, common, sequence)
        };
        let levels = entries.into_iter().map(level).collect();
        Self { algorithm: pool.algorithm, levels, affinity, members: members.into() }
    }

    /// Whether the pick depends on the body of this request ([`crate::request::BodyFacts::conversation`]).
    pub fn needs_body(&self, request: &RequestView<'_>) -> bool {
        self.affinity.as_ref().is_some_and(|affinity| affinity.needs_body(request))
            && self.levels.iter().any(|level| level.candidates.len() > 1)
    }

    /// Whether picks depend on the times that [`InFlight::answered_after`](crate::endpoint::InFlight::answered_after)
    /// records; where they do not, nobody needs to look at the clock for them.
    pub fn compares_latency(&self) -> bool {
        self.algorithm == Algorithm::LeastLatency
    }

    /// The active checks that its members want: those that may get requests as far as the table says.
    pub fn checks(&self) -> impl Iterator<Item = (MemberIndex, &Arc<CheckState>)> {
        let candidates = self.levels.iter().flat_map(|level| &level.candidates);
        candidates.filter_map(|candidate| Some((candidate.member, candidate.check.as_ref()?)))
    }

    /// Whether [`Self::judge`] wants to know what became of attempts; where it does not, nobody needs to find out.
    pub fn judges(&self) -> bool {
        false
    }

    /// How long an attempt may go without an answer's head before it is judged [`Outcome::Slow`].
    pub fn slow_after(&self) -> Option<Duration> {
        None
    }

    /// Judges what became of an attempt of `in_flight` at `member`. The first judgement of an attempt up to its answer's head
    /// counts; a [`Outcome::Reset`] in the answer's body counts besides.
    pub fn judge(&self, _member: MemberIndex, _in_flight: &InFlight, _outcome: Outcome) {}

    /// Picks a member, passing over those already `tried` for this request.
    pub fn pick(&self, request: &RequestView<'_>, tried: &[MemberIndex]) -> Result<Picked, NoUsableTarget> {
        let (level, choice) = self.choose(request, tried, Run::Real).ok_or(NoUsableTarget::None)?;
        let member = level.candidates.get(choice.position).ok_or(NoUsableTarget::None)?.member;
        match &self.affinity {
            Some(affinity) if choice.because != Because::Affine => {
                Ok(Picked { member, set_cookie: affinity.set_cookie(member, request.tls), probe: None })
            }
            _ => Ok(Picked { member, set_cookie: None, probe: None }),
        }
    }

    /// The level in use and the choice within it.
    fn choose(&self, request: &RequestView<'_>, tried: &[MemberIndex], run: Run) -> Option<(&Level, Choice)> {
        for level in &self.levels {
            let among = level.candidates(request, tried);
            if among.any_free() {
                return level.choose(self.affinity.as_ref(), request, &among, run).map(|choice| (level, choice));
            }
        }
        None
    }

    /// The sequence of the level with this priority number.
    fn sequence(&self, priority: u16) -> Option<Sequence> {
        self.levels.iter().find(|level| level.priority == priority).map(|level| level.sequence.clone())
    }
}
