//! The matches that share a path condition. A few are checked one after the other; many are indexed by what their other
//! conditions want exactly.

mod index;
mod models;

use std::collections::BTreeSet;

use self::index::Index;
use super::conditions::{Conditions, Except};
use crate::request::RequestView;

/// A match by its rank: all matches of all routes are numbered in the order of their precedence.
pub(crate) type Rank = u32;

/// Up to this many matches are checked one after the other: that costs less than hashing what the request brings.
const FEW: usize = 8;

/// The matches of one host name and one path condition.
#[derive(Clone, Debug)]
pub(crate) enum Bucket {
    /// Ranks in order, to be checked in full.
    Few(Ranks),
    /// By their exact conditions.
    Many(Box<Index>),
}

/// Ranks in order, without duplicates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranks(Box<[Rank]>);

/// What lookups need besides the index: the request, and the conditions by rank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a RequestView<'a>,
    pub(crate) conditions: &'a [Conditions],
}

impl Bucket {
    /// A bucket of these matches.
    pub(crate) fn new(mut ranks: Vec<Rank>, conditions: &[Conditions]) -> Self {
        ranks.sort_unstable();
        ranks.dedup();
        index::bucket(ranks, conditions)
    }

    /// The best rank in here.
    pub(crate) fn first(&self) -> Rank {
        match self {
            Self::Few(ranks) => ranks.first(),
            Self::Many(index) => index.first(),
        }
    }

    /// The best rank before `limit` whose conditions all hold, but for the excepted one.
    pub(crate) fn best(&self, limit: Rank, asked: Asked<'_>, except: Except) -> Option<Rank> {
        match self {
            Self::Few(ranks) => ranks.best(limit, asked, except),
            Self::Many(index) => index.best(limit, asked, except),
        }
    }

    /// Where the answer depends on the body: the largest buffer of the matches before `limit` that lack nothing but the
    /// model. Where they are many it may be that of another with the same exact conditions.
    pub(crate) fn undecided(&self, limit: Rank, asked: Asked<'_>) -> Option<u64> {
        match self {
            Self::Few(ranks) => ranks.undecided(limit, asked),
            Self::Many(index) => index.undecided(limit, asked),
        }
    }

    /// Adds the methods of those whose other conditions hold.
    pub(crate) fn methods(&self, asked: Asked<'_>, methods: &mut BTreeSet<String>) {
        match self {
            Self::Few(ranks) => ranks.methods(asked, methods),
            Self::Many(index) => index.methods(asked, methods),
        }
    }
}

impl Ranks {
    fn new(sorted: Vec<Rank>) -> Self {
        Self(sorted.into_boxed_slice())
    }

    fn first(&self) -> Rank {
        self.0.first().copied().unwrap_or(Rank::MAX)
    }

    fn before<'a>(&self, limit: Rank, asked: Asked<'a>) -> impl Iterator<Item = (Rank, &'a Conditions)> {
        let ranks = self.0.iter().copied().take_while(move |rank| *rank < limit);
        ranks.filter_map(move |rank| Some((rank, asked.conditions.get(rank as usize)?)))
    }

    fn best(&self, limit: Rank, asked: Asked<'_>, except: Except) -> Option<Rank> {
        self.before(limit, asked).find(|(_, match_)| match_.hold(asked.request, except)).map(|(rank, _)| rank)
    }

    fn undecided(&self, limit: Rank, asked: Asked<'_>) -> Option<u64> {
        self.before(limit, asked)
            .filter(|(_, match_)| !match_.models.is_empty() && match_.hold(asked.request, Except::Model))
            .map(|(_, match_)| match_.buffer_size)
            .max()
    }

    fn methods(&self, asked: Asked<'_>, methods: &mut BTreeSet<String>) {
        for (_, match_) in self.before(Rank::MAX, asked) {
            if match_.hold(asked.request, Except::Method) {
                methods.extend(match_.methods.iter().map(ToString::to_string));
            }
        }
    }
}
