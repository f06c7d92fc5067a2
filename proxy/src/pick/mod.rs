//! Picking: from a pool to the one target that gets the request.
//!
//! In this order: states (who may get requests at all), priority levels (the first that has a usable member left),
//! affinity (who the request belongs to), algorithm. The first is settled once for each version of the table; the rest
//! runs for each request and takes no lock, makes no system call and allocates nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use sluicegate_table::{Algorithm, ObjectKey, Pool};

use self::affinity::Affinity;
use self::algorithm::{Because, Choice};
use self::candidates::{Candidate, Pass};
use self::judging::Judging;
use self::levels::{Common, Level};
pub use self::panic::Panic;
use self::panic::PanicMode;
use self::sequence::{Run, Sequence};
use self::states::State;
use crate::endpoint::{InFlight, Load, TargetRuntime, places};
use crate::health::published::Word;
use crate::health::{CheckState, EndpointHealth, Outcome, Place, Probe};
use crate::request::RequestView;

mod affinity;
mod algorithm;
mod candidates;
mod draw;
pub mod explain;
pub(crate) mod fast_random;
#[cfg(test)]
mod fixture;
mod judging;
mod least;
mod least_connections;
pub mod least_latency;
mod levels;
mod panic;
mod random;
mod round_robin;
mod sequence;
mod shares;
mod slow_start;
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
    judging: Judging,
    panic_mode: PanicMode,
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

/// What a request gets.
#[derive(Clone, Copy, Debug)]
struct Chosen<'a> {
    level: &'a Level,
    candidate: &'a Candidate,
    because: Because,
    pass: Pass,
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
    #[error("no target is usable")]
    None,
    /// Circuit breakers are open.
    #[error("circuit breakers are open")]
    Open,
    /// All that would be usable asked not to be sent requests for a while.
    #[error("the targets rest for {:.0} s", .0.as_secs_f64().ceil())]
    Resting(Duration),
}

/// How often a pick is repeated that lost a race for a place among probes.
const RACES: u32 = 16;

/// Whether a circuit breaker lets a request through, and the place that it takes where it is half-open.
fn admitted(health: &Arc<EndpointHealth>) -> Result<Option<Place>, NoUsableTarget> {
    let word = health.word();
    if word.has(Word::HALF_OPEN) {
        return Place::take(health).map(Some).ok_or(NoUsableTarget::Open);
    }
    if word.has(Word::OPEN) { Err(NoUsableTarget::Open) } else { Ok(None) }
}

/// Why none of the members that were not tried is usable.
#[cold]
fn unusable(levels: &[Level], tried: &[MemberIndex]) -> NoUsableTarget {
    let candidates = || levels.iter().flat_map(|level| &level.candidates);
    let left = || candidates().filter(|candidate| !tried.contains(&candidate.member));
    if left().any(|candidate| candidate.health.word().has(Word::OPEN.and(Word::HALF_OPEN))) {
        return NoUsableTarget::Open;
    }
    let now = tokio::time::Instant::now();
    let rests = left().filter_map(|candidate| candidate.health.view().resting_until).min();
    rests.map_or(NoUsableTarget::None, |until| NoUsableTarget::Resting(until.saturating_duration_since(now)))
}

impl Balancer {
    /// A balancer over the members of `pool`: `targets` holds one entry per member of the entry, levels in order, `None`
    /// where the Target is missing or unusable. `previous` hands on the sequence of the pool's last version.
    pub fn new(pool: &Pool, targets: &[Option<Arc<TargetRuntime>>], previous: Option<&Self>) -> Self {
        let mut rest = targets;
        let mut members = Vec::with_capacity(targets.len());
        let mut entries = Vec::with_capacity(pool.levels.len());
        let pool_passive = pool.health_checks.passive.clone().map(Arc::new);
        let mut passive = Vec::with_capacity(targets.len());
        for level in &pool.levels {
            let (targets, others) = rest.split_at_checked(level.members.len()).unwrap_or((rest, &[]));
            rest = others;
            entries.push((level, targets, members.len() as u32));
            for (at, member) in level.members.iter().enumerate() {
                let target = targets.get(at).and_then(Option::as_ref);
                let weight = member.weight.get();
                let own = target.and_then(|target| target.target.health_checks.passive.clone());
                let checks = own.map(Arc::new).or_else(|| pool_passive.clone());
                let state = State::of(target.map(AsRef::as_ref), weight.into());
                passive.extend(places(target).map(|_| checks.clone()));
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
        let common = Common {
            algorithm: pool.algorithm,
            affinity: affinity.as_ref(),
            health_checks: &pool.health_checks,
            egress_proxy: pool.egress_proxy.as_ref(),
        };
        let level = |(entry, targets, first): (&sluicegate_table::Level, _, _)| {
            let sequence = previous.and_then(|previous| previous.sequence(entry.priority)).unwrap_or_default();
            Level::new(entry, targets, first, common, sequence)
        };
        let levels: Box<[Level]> = entries.into_iter().map(level).collect();
        if let (Some(length), Some(previous)) = (pool.slow_start, previous) {
            slow_start::begin(length, &previous.levels, &levels);
        }
        let mut candidates = levels.iter().flat_map(|level| &level.candidates);
        let shared = candidates.next().map(|candidate| candidate.health.shared());
        let judging = Judging::new(pool, passive.into(), shared, previous.map(|previous| &previous.judging));
        let taken_off = previous.filter(|previous| judging.may_have_taken_off(&previous.judging));
        let before: HashMap<_, _> = taken_off.iter().flat_map(|previous| previous.endpoints()).collect();
        for candidate in levels.iter().flat_map(|level| &level.candidates) {
            if let (Some(previous), Some(before)) = (taken_off, before.get(&Arc::as_ptr(&candidate.load))) {
                let (passive, breaker) = judging.took_off(&previous.judging, *before, candidate.member);
                candidate.health.forget(passive, breaker);
            }
            if candidate.check.is_some() {
                candidate.health.recovers_over(judging.recovery(candidate.member));
            }
        }
        let panic_mode = PanicMode::new(&levels);
        Self { algorithm: pool.algorithm, levels, affinity, members: members.into(), judging, panic_mode }
    }

    /// Whether the pick depends on the body of this request ([`crate::request::BodyFacts::conversation`]).
    pub fn needs_body(&self, request: &RequestView<'_>) -> bool {
        self.affinity.as_ref().is_some_and(|affinity| affinity.needs_body(request))
            && self.levels.iter().any(|level| level.candidates.len() > 1)
    }

    /// Whether picks depend on header fields of a request: whoever picks for it again must have them as they were.
    pub fn reads_headers(&self) -> bool {
        self.members.len() > 1 && self.affinity.as_ref().is_some_and(Affinity::reads_headers)
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
        self.judging.wants()
    }

    /// The same for this attempt: a probe of a circuit breaker that another pool has set is to be judged in any case.
    pub fn judges_attempt(&self, in_flight: &InFlight) -> bool {
        self.judges() || in_flight.probe().is_some()
    }

    /// How long an attempt may go without an answer's head before it is judged [`Outcome::Slow`].
    pub fn slow_after(&self) -> Option<Duration> {
        self.judging.slow_after()
    }

    /// Judges what became of an attempt of `in_flight` at `member`. The first judgement of an attempt up to its answer's head
    /// counts; a failure in the answer's body or trailers counts besides. Where a failure decides, all workers see what follows
    /// when this returns.
    pub fn judge(&self, member: MemberIndex, in_flight: &InFlight, outcome: Outcome) {
        self.judging.judge(member, in_flight, outcome, || {
            let at = self.members.get(member.0 as usize).map(|member| member.priority);
            panic::may_eject(&self.levels, at, self.judging.passive(member))
        });
    }

    /// The circuit breaker of the pool as a whole, where it has one.
    pub fn breaker(&self) -> Option<&EndpointHealth> {
        self.judging.pool_breaker().map(AsRef::as_ref)
    }

    /// Whether circuit breakers leave no member for a request that has been to none. Nothing is used up by asking.
    pub fn is_open(&self, request: &RequestView<'_>) -> bool {
        !self.lets_in()
            || self.choose(request, &[], Run::Dry).is_none() && unusable(&self.levels, &[]) == NoUsableTarget::Open
    }

    /// Whether the circuit breaker of the pool as a whole, where it has one, lets a request through.
    fn lets_in(&self) -> bool {
        self.judging.pool_breaker().is_none_or(|breaker| {
            let word = breaker.word();
            !word.has(Word::OPEN) && (!word.has(Word::HALF_OPEN) || breaker.has_place())
        })
    }

    /// Differs from what it was whenever the health of an endpoint has changed in between.
    pub fn health_generation(&self) -> u32 {
        let mut candidates = self.levels.iter().flat_map(|level| &level.candidates);
        candidates.next().map_or(0, |candidate| candidate.health.shared().generation())
    }

    /// Whether targets are used that are not healthy, since too few are.
    pub fn panic(&self) -> Option<Panic> {
        self.panic_mode.told(&self.levels)
    }

    /// Picks a member, passing over those already `tried` for this request.
    pub fn pick(&self, request: &RequestView<'_>, tried: &[MemberIndex]) -> Result<Picked, NoUsableTarget> {
        let pool = self.judging.pool_breaker().map(admitted).transpose()?.flatten();
        for _ in 0..RACES {
            let Some(chosen) = self.choose(request, tried, Run::Real) else {
                return Err(unusable(&self.levels, tried));
            };
            let candidate = chosen.candidate;
            // Another worker may have taken the last place, or opened the circuit breaker, since.
            let Ok(endpoint) = admitted(&candidate.health) else { continue };
            let set_cookie = match &self.affinity {
                Some(affinity) if chosen.because != Because::Affine => {
                    affinity.set_cookie(candidate.member, request.tls)
                }
                _ => None,
            };
            let probe = (endpoint.is_some() || pool.is_some()).then_some(Probe { endpoint, pool });
            return Ok(Picked { member: candidate.member, set_cookie, probe });
        }
        Err(NoUsableTarget::Open)
    }

    /// The level in use and the choice within it.
    fn choose(&self, request: &RequestView<'_>, tried: &[MemberIndex], run: Run) -> Option<Chosen<'_>> {
        let panicking = self.panic_mode.level(&self.levels);
        for (at, level) in self.levels.iter().enumerate() {
            let pass = if panicking == Some(at) { Pass::Ejected } else { Pass::Usable };
            if let Some(chosen) = self.choose_in(level, request, tried, pass, run) {
                return Some(chosen);
            }
        }
        self.last_resort(request, tried, run)
    }

    /// The choice where nothing is usable.
    #[cold]
    fn last_resort(&self, request: &RequestView<'_>, tried: &[MemberIndex], run: Run) -> Option<Chosen<'_>> {
        let within = |pass| self.levels.iter().find_map(|level| self.choose_in(level, request, tried, pass, run));
        Pass::LAST_RESORTS.into_iter().find_map(within)
    }

    fn choose_in<'a>(
        &self,
        level: &'a Level,
        request: &RequestView<'_>,
        tried: &[MemberIndex],
        pass: Pass,
        run: Run,
    ) -> Option<Chosen<'a>> {
        let among = level.candidates(request.received, tried, pass);
        if !among.any_free() {
            return None;
        }
        let Choice { position, because } = level.choose(self.affinity.as_ref(), request, &among, run)?;
        Some(Chosen { level, candidate: level.candidates.get(position)?, because, pass })
    }

    /// Its endpoints, by what their pools share of them.
    fn endpoints(&self) -> impl Iterator<Item = (*const Load, MemberIndex)> {
        let candidates = self.levels.iter().flat_map(|level| &level.candidates);
        candidates.map(|candidate| (Arc::as_ptr(&candidate.load), candidate.member))
    }

    /// The sequence of the level with this priority number.
    fn sequence(&self, priority: u16) -> Option<Sequence> {
        self.levels.iter().find(|level| level.priority == priority).map(|level| level.sequence.clone())
    }
}
