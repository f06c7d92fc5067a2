//! Matches in the order of their precedence.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Limit, comes_before};
use crate::matching::conditions::{Conditions, Except};
use crate::matching::precedence::Precedence;
use crate::request::RequestView;

/// Matches in the order of their precedence, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matches(Arc<[Arc<Conditions>]>);

impl Matches {
    /// These matches, in any order.
    pub(crate) fn new(mut matches: Vec<Arc<Conditions>>) -> Self {
        matches.sort_unstable_by(|left, right| left.precedence.cmp(&right.precedence));
        matches.dedup_by(|left, right| Arc::ptr_eq(left, right));
        Self(matches.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The matches, the best first.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<Conditions>> {
        self.0.iter()
    }

    pub(super) fn first(&self) -> Option<&Precedence> {
        self.0.first().map(|match_| &match_.precedence)
    }

    /// Those before the limit.
    pub(super) fn before(&self, limit: Limit<'_>) -> &[Arc<Conditions>] {
        let before = self.0.partition_point(|match_| comes_before(&match_.precedence, limit));
        self.0.get(..before).unwrap_or_default()
    }

    /// Puts a match in its place.
    pub(super) fn insert(&mut self, match_: &Arc<Conditions>) {
        let at = self.0.partition_point(|other| other.precedence < match_.precedence);
        let (before, after) = self.0.split_at_checked(at).unwrap_or((&self.0, &[]));
        self.0 = before.iter().chain([match_]).chain(after).cloned().collect();
    }

    /// Takes a match out; `false`: it was not in here.
    pub(super) fn remove(&mut self, match_: &Arc<Conditions>) -> bool {
        if !self.0.iter().any(|other| Arc::ptr_eq(other, match_)) {
            return false;
        }
        self.0 = self.0.iter().filter(|other| !Arc::ptr_eq(other, match_)).cloned().collect();
        true
    }

    pub(super) fn best(&self, limit: Limit<'_>, request: &RequestView<'_>, except: Except) -> Option<&Conditions> {
        let matches = self.0.iter().map(AsRef::as_ref);
        matches.take_while(|match_| comes_before(&match_.precedence, limit)).find(|match_| match_.hold(request, except))
    }

    pub(super) fn undecided(&self, limit: Limit<'_>, request: &RequestView<'_>) -> Option<u64> {
        let before = self.before(limit).iter();
        before
            .filter(|match_| !match_.models.is_empty() && match_.hold(request, Except::Model))
            .map(|match_| match_.buffer_size)
            .max()
    }

    pub(super) fn methods(&self, request: &RequestView<'_>, methods: &mut BTreeSet<String>) {
        for match_ in self.0.iter().filter(|match_| match_.hold(request, Except::Method)) {
            methods.extend(match_.methods.iter().map(ToString::to_string));
        }
    }
}
