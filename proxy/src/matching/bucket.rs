//! The matches that share a path condition.

use std::collections::BTreeSet;

use super::conditions::{Conditions, Except};
use crate::request::RequestView;

/// A match by its rank: all matches of all routes are numbered in the order of their precedence.
pub(crate) type Rank = u32;

/// The matches of one host name and one path condition, in order.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    ranks: Box<[Rank]>,
}

/// What lookups need besides the index: the request, and the conditions by rank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a RequestView<'a>,
    pub(crate) conditions: &'a [Conditions],
}

impl Bucket {
    /// A bucket of these matches.
    pub(crate) fn new(mut ranks: Vec<Rank>, _conditions: &[Conditions]) -> Self {
        ranks.sort_unstable();
        ranks.dedup();
        Self { ranks: ranks.into_boxed_slice() }
    }

    /// The best rank in here.
    pub(crate) fn first(&self) -> Rank {
        self.ranks.first().copied().unwrap_or(Rank::MAX)
    }

    fn before<'a>(&self, limit: Rank, asked: Asked<'a>) -> impl Iterator<Item = (Rank, &'a Conditions)> {
        let ranks = self.ranks.iter().copied().take_while(move |rank| *rank < limit);
        ranks.filter_map(move |rank| Some((rank, asked.conditions.get(rank as usize)?)))
    }

    /// The best rank before `limit` whose conditions all hold.
    pub(crate) fn best(&self, limit: Rank, asked: Asked<'_>) -> Option<Rank> {
        self.before(limit, asked).find(|(_, match_)| match_.hold(asked.request, Except::Nothing)).map(|(rank, _)| rank)
    }

    /// Where the answer depends on the body: the largest buffer of the matches before `limit` that lack nothing but
    /// the model.
    pub(crate) fn undecided(&self, limit: Rank, asked: Asked<'_>) -> Option<u64> {
        self.before(limit, asked)
            .filter(|(_, match_)| !match_.models.is_empty() && match_.hold(asked.request, Except::Model))
            .map(|(_, match_)| match_.buffer_size)
            .max()
    }

    /// Adds the methods of those whose other conditions hold.
    pub(crate) fn methods<'a>(&self, asked: Asked<'a>, methods: &mut BTreeSet<&'a str>) {
        for (_, match_) in self.before(Rank::MAX, asked) {
            if match_.hold(asked.request, Except::Method) {
                methods.extend(match_.methods.iter().map(|method| &**method));
            }
        }
    }
}
