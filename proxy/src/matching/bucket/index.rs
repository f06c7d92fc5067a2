//! Many matches of one path, by their exact conditions.
//!
//! Each match stands under one of its exact conditions, the one that it shares with the fewest others, so that what a
//! request brings (its method, headers, parameters, tier, segments, model) leads to the few matches that want it. A match
//! that wants any of several values stands under each. Matches that still are many under one value are indexed again by
//! their other conditions. What wants nothing exactly (expressions, presence, content lengths) is checked one by one.
//!
//! Under which condition a match stands decides how fast it is found, not whether: so an edit may leave others where they
//! are, even if they would be put elsewhere now.

use std::collections::BTreeSet;

use http::HeaderName;

use super::models::Models;
use super::subjects::{Subject, Value};
use super::{Bucket, Limit, Matches, comes_before};
use crate::matching::conditions::{Conditions, Except, model, segments, tiers};
use crate::matching::precedence::Precedence;
use crate::matching::query;
use crate::matching::shards::{Left, Shards};
use crate::request::RequestView;

/// Buckets by a value.
pub(super) type ByValue = Shards<Bucket>;

/// An index of matches.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// No match has a better precedence.
    pub(super) first: Precedence,
    /// How many matches there are, each counted once.
    pub(super) len: usize,
    /// Those without an exact condition.
    pub(super) rest: Matches,
    methods: ByValue,
    headers: Shards<ByName>,
    query: Shards<ByValue>,
    user_tiers: ByValue,
    user_segments: ByValue,
    pub(super) models: Models,
}

/// What wants values of one header.
#[derive(Clone, Debug)]
struct ByName {
    name: HeaderName,
    values: ByValue,
}

impl Index {
    /// An index with nothing in it yet but what stands nowhere in particular.
    pub(super) fn new(first: Precedence, len: usize, rest: Matches) -> Self {
        Self {
            first,
            len,
            rest,
            methods: Shards::default(),
            headers: Shards::default(),
            query: Shards::default(),
            user_tiers: Shards::default(),
            user_segments: Shards::default(),
            models: Models::default(),
        }
    }

    pub(super) fn best<'a>(
        &'a self,
        limit: Limit<'_>,
        request: &RequestView<'_>,
        except: Except,
    ) -> Option<&'a Conditions> {
        if !comes_before(&self.first, limit) {
            return None;
        }
        let mut best = self.rest.best(limit, request, except);
        let mut ask = |bucket: &'a Bucket| best = bucket.best(best.or(limit), request, except).or(best);
        self.wanted(request, &mut ask);
        self.methods.get(request.method.as_str().as_bytes()).into_iter().for_each(&mut ask);
        if let Some(model) = model(request) {
            self.models.of(model, &mut ask);
        }
        best
    }

    pub(super) fn undecided(&self, limit: Limit<'_>, request: &RequestView<'_>) -> Option<u64> {
        if !comes_before(&self.first, limit) {
            return None;
        }
        let mut at_most = self.rest.undecided(limit, request).max(self.models.undecided(limit, request));
        let mut ask = |bucket: &Bucket| at_most = at_most.max(bucket.undecided(limit, request));
        self.wanted(request, &mut ask);
        self.methods.get(request.method.as_str().as_bytes()).into_iter().for_each(&mut ask);
        at_most
    }

    pub(super) fn methods(&self, request: &RequestView<'_>, methods: &mut BTreeSet<String>) {
        self.rest.methods(request, methods);
        // A match of several methods stands under each of them.
        self.methods.values().for_each(|bucket| bucket.methods(request, methods));
        self.wanted(request, &mut |bucket| bucket.methods(request, methods));
        if let Some(model) = model(request) {
            self.models.of(model, &mut |bucket| bucket.methods(request, methods));
        }
    }

    /// Goes through what stands under the request's headers, parameters, tier and segments.
    fn wanted<'a>(&'a self, request: &RequestView<'_>, ask: &mut impl FnMut(&'a Bucket)) {
        if self.headers.len() <= request.headers.keys_len() {
            for by_name in self.headers.values() {
                let values = request.headers.get_all(&by_name.name).iter();
                values.filter_map(|value| by_name.values.get(value.as_bytes())).for_each(&mut *ask);
            }
        } else {
            for (name, value) in request.headers {
                let by_name = self.headers.get(name.as_str().as_bytes());
                by_name.and_then(|by_name| by_name.values.get(value.as_bytes())).into_iter().for_each(&mut *ask);
            }
        }
        if !self.query.is_empty()
            && let Some(text) = request.query
        {
            for (name, value) in query::parameters(text) {
                let by_value = self.query.get(&query::decoded(name));
                by_value.and_then(|by_value| by_value.get(&query::decoded(value))).into_iter().for_each(&mut *ask);
            }
        }
        if !self.user_tiers.is_empty() {
            tiers(request).filter_map(|tier| self.user_tiers.get(tier)).for_each(&mut *ask);
        }
        if !self.user_segments.is_empty() {
            segments(request).filter_map(|segment| self.user_segments.get(segment)).for_each(&mut *ask);
        }
    }

    /// What stands under a value.
    pub(super) fn under(&self, subject: Subject<'_>, value: Value<'_>) -> Option<&Bucket> {
        match subject {
            Subject::Method => self.methods.get(value.bytes),
            Subject::Header(name) => self.headers.get(name.as_str().as_bytes())?.values.get(value.bytes),
            Subject::Query(name) => self.query.get(name.as_bytes())?.get(value.bytes),
            Subject::UserTier => self.user_tiers.get(value.bytes),
            Subject::UserSegment => self.user_segments.get(value.bytes),
            Subject::Model => self.models.under(value),
        }
    }

    /// Changes what stands under a value.
    pub(super) fn edit_under(&mut self, subject: Subject<'_>, value: Value<'_>, change: impl FnOnce(&mut Bucket)) {
        let change = |bucket: &mut Bucket| {
            change(bucket);
            Left::unless(bucket.is_empty())
        };
        match subject {
            Subject::Method => self.methods.edit(value.bytes, Bucket::default, change),
            Subject::Header(name) => {
                let make = || ByName { name: name.clone(), values: Shards::default() };
                self.headers.edit(name.as_str().as_bytes(), make, |by_name| below(&mut by_name.values, value, change));
            }
            Subject::Query(name) => {
                self.query.edit(name.as_bytes(), Shards::default, |by_value| below(by_value, value, change));
            }
            Subject::UserTier => self.user_tiers.edit(value.bytes, Bucket::default, change),
            Subject::UserSegment => self.user_segments.edit(value.bytes, Bucket::default, change),
            Subject::Model => self.models.edit_under(value, change),
        }
    }

    /// All buckets.
    pub(super) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        let by_value = [&self.methods, &self.user_tiers, &self.user_segments].into_iter();
        let by_value = by_value.chain(self.headers.values().map(|by_name| &by_name.values)).chain(self.query.values());
        by_value.flat_map(Shards::values).chain(self.models.buckets())
    }
}

/// Changes what stands under a value; says whether any value is left.
fn below(by_value: &mut ByValue, value: Value<'_>, change: impl FnOnce(&mut Bucket) -> Left) -> Left {
    by_value.edit(value.bytes, Bucket::default, change);
    Left::unless(by_value.is_empty())
}
