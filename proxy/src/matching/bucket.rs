//! The matches that share a path condition. A few are checked one after the other; many are indexed by what their other
//! conditions want exactly.
//!
//! Versions share what they have in common: an edit copies a short list, or the way to it through the index.

mod build;
mod edit;
mod index;
mod matches;
mod models;
mod subjects;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::index::Index;
pub(crate) use self::matches::Matches;
use super::conditions::{Conditions, Except};
use super::precedence::Precedence;
use crate::request::RequestView;

/// Up to this many matches are checked one after the other: that costs less than hashing what the request brings.
const FEW: usize = 8;

/// The matches of one host name and one path condition.
#[derive(Clone, Debug)]
pub(crate) enum Bucket {
    /// In order, to be checked in full.
    Few(Matches),
    /// By their exact conditions.
    Many(Arc<Index>),
}

/// The match that has been found already: only those before it are of interest. `None`: all are.
pub(crate) type Limit<'a> = Option<&'a Conditions>;

/// Whether something of this precedence comes before the limit.
pub(crate) fn comes_before(precedence: &Precedence, limit: Limit<'_>) -> bool {
    limit.is_none_or(|limit| *precedence < limit.precedence)
}

impl Bucket {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(matches) => matches.is_empty(),
            Self::Many(_) => false,
        }
    }

    /// How many matches there are.
    fn len(&self) -> usize {
        match self {
            Self::Few(matches) => matches.len(),
            Self::Many(index) => index.len,
        }
    }

    /// No match in here has a better precedence. `None`: there is none.
    pub(crate) fn first(&self) -> Option<&Precedence> {
        match self {
            Self::Few(matches) => matches.first(),
            Self::Many(index) => Some(&index.first),
        }
    }

    /// Whether a match in here may come before the limit.
    pub(crate) fn has_before(&self, limit: Limit<'_>) -> bool {
        self.first().is_some_and(|first| comes_before(first, limit))
    }

    /// The best match before the limit whose conditions all hold, but for the excepted one.
    pub(crate) fn best<'a>(
        &'a self,
        limit: Limit<'_>,
        request: &RequestView<'_>,
        except: Except,
    ) -> Option<&'a Conditions> {
        match self {
            Self::Few(matches) => matches.best(limit, request, except),
            Self::Many(index) => index.best(limit, request, except),
        }
    }

    /// Where the answer depends on the body: the largest buffer of the matches before the limit that lack nothing but the
    /// model. Where they are many it may be that of another with the same exact conditions.
    pub(crate) fn undecided(&self, limit: Limit<'_>, request: &RequestView<'_>) -> Option<u64> {
        match self {
            Self::Few(matches) => matches.undecided(limit, request),
            Self::Many(index) => index.undecided(limit, request),
        }
    }

    /// Adds the methods of those whose other conditions hold.
    pub(crate) fn methods(&self, request: &RequestView<'_>, methods: &mut BTreeSet<String>) {
        match self {
            Self::Few(matches) => matches.methods(request, methods),
            Self::Many(index) => index.methods(request, methods),
        }
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self::Few(Matches::default())
    }
}
