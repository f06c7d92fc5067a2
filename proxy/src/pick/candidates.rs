//! The members of a level that may be chosen from.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::MemberIndex;
use crate::endpoint::Load;
use crate::health::published::Word;
use crate::health::{CheckState, EndpointHealth};

/// An endpoint of a usable member. Kept flat and small, since algorithms walk over these.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// What is known of its load.
    pub(crate) load: Arc<Load>,
    /// That of the load, nearer at hand.
    pub(crate) health: Arc<EndpointHealth>,
    /// What active checks say of it; `None`: there are none.
    pub(crate) check: Option<Arc<CheckState>>,
    /// Which member of the pool it is.
    pub(crate) member: MemberIndex,
    /// Its part of its Target's weight, above 0: the whole, where the Target has one endpoint.
    pub(crate) weight: f32,
}

impl Candidate {
    /// Whether active checks have nothing against it.
    pub(crate) fn checked(&self) -> bool {
        self.check.as_ref().is_none_or(|check| check.passes())
    }
}

/// Who may be picked. Each lets those of the one before, and some more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pass {
    /// Who is usable; one that ramps, in a part of the cases.
    Usable,
    /// One that ramps, in all cases.
    Ramping,
    /// Ejected ones.
    Ejected,
    /// Those whose active checks fail, or have not succeeded yet.
    Unchecked,
}

impl Pass {
    /// In this order, where nothing is usable.
    pub(crate) const LAST_RESORTS: [Self; 3] = [Self::Ramping, Self::Ejected, Self::Unchecked];
}

/// What decides whether a request falls on the share that a ramping candidate has so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lot {
    /// Its time: each request anew.
    Time(Instant),
    /// A hash of what it is recognised by, so that a client moves once.
    Hash(u64),
    /// It falls on it in any case.
    Always,
}

/// The candidates of a level, as one request sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidates<'a> {
    /// All of them, free or not. Algorithms name a candidate by its position here.
    pub(crate) all: &'a [Candidate],
    /// Members that this request has been to.
    pub(crate) tried: &'a [MemberIndex],
    /// The time of the request.
    pub(crate) now: Instant,
    /// Who may be picked.
    pub(crate) pass: Pass,
    /// How it is with those that ramp.
    pub(crate) lot: Lot,
}

impl Candidates<'_> {
    /// Whether the candidate at `position` may get the request. The one place that decides it: what changes faster than
    /// versions of the table (health, breakers) is asked here.
    pub(crate) fn free(&self, position: usize) -> bool {
        self.all.get(position).is_some_and(|candidate| self.is_free(candidate))
    }

    /// The free ones with their positions.
    pub(crate) fn iter_free(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        self.all.iter().enumerate().filter(|(_, candidate)| self.is_free(candidate))
    }

    /// Whether any is free.
    pub(crate) fn any_free(&self) -> bool {
        self.all.iter().any(|candidate| self.is_free(candidate))
    }

    /// The same with another lot.
    pub(crate) fn with_lot(self, lot: Lot) -> Self {
        Self { lot, ..self }
    }

    /// Whether a candidate is free.
    pub(crate) fn is_free(&self, candidate: &Candidate) -> bool {
        let word = candidate.health.word();
        let healthy = word.is_plain() && candidate.checked();
        (healthy || self.lets(candidate, word)) && (self.tried.is_empty() || !self.tried.contains(&candidate.member))
    }

    /// Whether the pass lets a candidate whose health is not plain.
    #[cold]
    fn lets(&self, candidate: &Candidate, word: Word) -> bool {
        if word.has(Word::OPEN.and(Word::RESTING)) || word.has(Word::HALF_OPEN) && !candidate.health.has_place() {
            return false;
        }
        if word.has(Word::EJECTED) && self.pass < Pass::Ejected || !candidate.checked() && self.pass < Pass::Unchecked {
            return false;
        }
        self.pass > Pass::Usable || self.falls_on(candidate.member, word.share())
    }

    /// Whether the request falls on this share of a member. The same every time it is asked.
    fn falls_on(&self, member: MemberIndex, share: u32) -> bool {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let lot = match self.lot {
            Lot::Always => return true,
            Lot::Time(now) => now.saturating_duration_since(*START).as_nanos() as u64,
            Lot::Hash(hash) => hash,
        };
        // Lots of one member must not go along with those of another, and times are close together.
        (xxh3_64_with_seed(&lot.to_le_bytes(), member.0.into()) >> 48) < u64::from(share)
    }
}

#[cfg(test)]
mod tests;
