//! The members of a level that may be chosen from.

use std::sync::Arc;
use std::time::Instant;

use super::MemberIndex;
use crate::endpoint::Load;
use crate::health::CheckState;

/// An endpoint of a usable member. Kept flat and small, since algorithms walk over these.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// What is known of its load.
    pub(crate) load: Arc<Load>,
    /// What active checks say of it; `None`: there are none.
    pub(crate) check: Option<Arc<CheckState>>,
    /// Which member of the pool it is.
    pub(crate) member: MemberIndex,
    /// Its part of its Target's weight, above 0: the whole, where the Target has one endpoint.
    pub(crate) weight: f32,
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

    fn is_free(&self, candidate: &Candidate) -> bool {
        self.tried.is_empty() || !self.tried.contains(&candidate.member)
    }
}
