//! Many matches of one path, by their exact conditions.
//!
//! Each match stands under one of its exact conditions, the one that it shares with the fewest others, so that what a
//! request brings (its method, headers, parameters, tier, segments, model) leads to the few matches that want it. A match
//! that wants any of several values stands under each. Matches that still are many under one value are indexed again by
//! their other conditions. What wants nothing exactly (expressions, presence, content lengths) is checked one by one.

use std::collections::BTreeSet;

use http::HeaderName;
use rustc_hash::FxHashMap;

use super::models::Models;
use super::{Asked, Bucket, FEW, Rank, Ranks};
use crate::matching::conditions::{Conditions, Except, ModelName, Test, model, segments, tiers};
use crate::matching::query;

/// How often one match may stand in an index.
const MOST_COPIES: usize = 256;

/// Buckets by a value.
type ByValue = FxHashMap<Box<[u8]>, Bucket>;

/// An index of matches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    first: Rank,
    /// Those without an exact condition.
    rest: Ranks,
    methods: FxHashMap<Box<str>, Bucket>,
    headers: FxHashMap<HeaderName, ByValue>,
    query: FxHashMap<Box<[u8]>, ByValue>,
    user_tiers: ByValue,
    user_segments: ByValue,
    models: Models,
}

impl Index {
    pub(super) fn first(&self) -> Rank {
        self.first
    }

    pub(super) fn best(&self, limit: Rank, asked: Asked<'_>, except: Except) -> Option<Rank> {
        if self.first >= limit {
            return None;
        }
        let mut best = self.rest.best(limit, asked, except);
        let mut ask = |bucket: &Bucket| best = bucket.best(best.unwrap_or(limit), asked, except).or(best);
        self.wanted(asked, &mut ask);
        self.methods.get(asked.request.method.as_str()).into_iter().for_each(&mut ask);
        if let Some(model) = model(asked.request) {
            self.models.of(model, &mut ask);
        }
        best
    }

    pub(super) fn undecided(&self, limit: Rank, asked: Asked<'_>) -> Option<u64> {
        if self.first >= limit {
            return None;
        }
        let mut at_most = self.rest.undecided(limit, asked).max(self.models.undecided(limit, asked));
        let mut ask = |bucket: &Bucket| at_most = at_most.max(bucket.undecided(limit, asked));
        self.wanted(asked, &mut ask);
        self.methods.get(asked.request.method.as_str()).into_iter().for_each(&mut ask);
        at_most
    }

    pub(super) fn methods(&self, asked: Asked<'_>, methods: &mut BTreeSet<String>) {
        self.rest.methods(asked, methods);
        for (method, bucket) in &self.methods {
            // A match of several methods stands under each of them.
            if !methods.contains(&**method) && bucket.best(Rank::MAX, asked, Except::Method).is_some() {
                methods.insert(method.to_string());
            }
        }
        self.wanted(asked, &mut |bucket| bucket.methods(asked, methods));
        if let Some(model) = model(asked.request) {
            self.models.of(model, &mut |bucket| bucket.methods(asked, methods));
        }
    }

    /// Goes through what stands under the request's headers, parameters, tier and segments.
    fn wanted<'a>(&'a self, asked: Asked<'_>, ask: &mut impl FnMut(&'a Bucket)) {
        let request = asked.request;
        if self.headers.len() <= request.headers.keys_len() {
            for (name, by_value) in &self.headers {
                let values = request.headers.get_all(name).iter();
                values.filter_map(|value| by_value.get(value.as_bytes())).for_each(&mut *ask);
            }
        } else {
            for (name, value) in request.headers {
                self.headers
                    .get(name)
                    .and_then(|by_value| by_value.get(value.as_bytes()))
                    .into_iter()
                    .for_each(&mut *ask);
            }
        }
        if !self.query.is_empty()
            && let Some(text) = request.query
        {
            for (name, value) in query::parameters(text) {
                let by_value = self.query.get(&*query::decoded(name));
                by_value.and_then(|by_value| by_value.get(&*query::decoded(value))).into_iter().for_each(&mut *ask);
            }
        }
        if !self.user_tiers.is_empty() {
            tiers(request).filter_map(|tier| self.user_tiers.get(tier)).for_each(&mut *ask);
        }
        if !self.user_segments.is_empty() {
            segments(request).filter_map(|segment| self.user_segments.get(segment)).for_each(&mut *ask);
        }
    }
}

/// What an exact condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject<'a> {
    Method,
    Header(&'a HeaderName),
    Query(&'a str),
    UserTier,
    UserSegment,
    Model,
}

/// A value that a condition wants: in [`Subject::Model`], the beginning of one where `starts` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Value<'a> {
    starts: bool,
    bytes: &'a [u8],
}

impl<'a> Value<'a> {
    fn exact(bytes: &'a [u8]) -> Self {
        Self { starts: false, bytes }
    }
}

/// The bucket of these matches, which are in order and without duplicates.
pub(super) fn bucket(ranks: Vec<Rank>, conditions: &[Conditions]) -> Bucket {
    Builder { conditions, used: Vec::new(), copies: 1 }.bucket(ranks)
}

struct Builder<'a> {
    conditions: &'a [Conditions],
    /// What the matches at hand have in common already.
    used: Vec<Subject<'a>>,
    /// How often a match at hand may stand in the index already.
    copies: usize,
}

type Groups<'a> = FxHashMap<Subject<'a>, FxHashMap<Value<'a>, Vec<Rank>>>;

impl<'a> Builder<'a> {
    fn bucket(&mut self, ranks: Vec<Rank>) -> Bucket {
        if ranks.len() <= FEW {
            return Bucket::Few(Ranks::new(ranks));
        }
        let mut shared: FxHashMap<(Subject<'a>, Value<'a>), u32> = FxHashMap::default();
        for rank in &ranks {
            for (subject, values) in self.exact_conditions(*rank) {
                for value in values {
                    *shared.entry((subject, value)).or_default() += 1;
                }
            }
        }
        let mut groups = Groups::default();
        let mut models = Vec::new();
        let mut rest = Vec::new();
        let first = ranks.first().copied().unwrap_or(Rank::MAX);
        for rank in ranks {
            let by_shared = |(subject, values): &(Subject<'a>, Vec<Value<'a>>)| {
                let most = values.iter().filter_map(|value| shared.get(&(*subject, *value))).max().copied();
                // The model comes last: a request's model is known only once its body has been read.
                (*subject == Subject::Model, most)
            };
            let Some((subject, values)) = self.exact_conditions(rank).into_iter().min_by_key(by_shared) else {
                rest.push(rank);
                continue;
            };
            if subject == Subject::Model {
                models.push(rank);
            }
            for value in values {
                groups.entry(subject).or_default().entry(value).or_default().push(rank);
            }
        }
        if groups.is_empty() {
            return Bucket::Few(Ranks::new(rest));
        }
        Bucket::Many(Box::new(self.index(first, rest, models, groups)))
    }

    fn index(&mut self, first: Rank, rest: Vec<Rank>, models: Vec<Rank>, groups: Groups<'a>) -> Index {
        let mut index = Index { first, rest: Ranks::new(rest), ..Index::default() };
        index.models.set_all(Ranks::new(models), self.conditions);
        for (subject, by_value) in groups {
            for (value, mut ranks) in by_value {
                ranks.dedup();
                let bucket = self.below(subject, ranks);
                let key: Box<[u8]> = value.bytes.into();
                match subject {
                    Subject::Method => {
                        index.methods.insert(String::from_utf8_lossy(&key).into(), bucket);
                    }
                    Subject::Header(name) => {
                        index.headers.entry(name.clone()).or_default().insert(key, bucket);
                    }
                    Subject::Query(name) => {
                        index.query.entry(name.as_bytes().into()).or_default().insert(key, bucket);
                    }
                    Subject::UserTier => {
                        index.user_tiers.insert(key, bucket);
                    }
                    Subject::UserSegment => {
                        index.user_segments.insert(key, bucket);
                    }
                    Subject::Model => index.models.insert(value.starts, key, bucket),
                }
            }
        }
        index
    }

    /// The bucket of the matches that agree about `subject`.
    fn below(&mut self, subject: Subject<'a>, ranks: Vec<Rank>) -> Bucket {
        if ranks.len() <= FEW {
            return Bucket::Few(Ranks::new(ranks));
        }
        let values = |rank: &Rank| {
            self.exact_conditions(*rank)
                .into_iter()
                .find(|(of, _)| *of == subject)
                .map_or(1, |(_, values)| values.len())
        };
        let copies = self.copies;
        let most = ranks.iter().map(values).max().unwrap_or(1);
        self.copies = copies.saturating_mul(most);
        self.used.push(subject);
        let bucket = self.bucket(ranks);
        self.used.pop();
        self.copies = copies;
        bucket
    }

    /// The exact conditions of a match that it can be indexed by: what each looks at, and the values any of which will do.
    fn exact_conditions(&self, rank: Rank) -> Vec<(Subject<'a>, Vec<Value<'a>>)> {
        let mut found: Vec<(Subject<'a>, Vec<Value<'a>>)> = Vec::new();
        let Some(match_) = self.conditions.get(rank as usize) else { return found };
        let any_of = |texts: &'a [Box<str>]| texts.iter().map(|text| Value::exact(text.as_bytes())).collect();
        found.push((Subject::Method, any_of(&match_.methods)));
        for header in &match_.headers {
            if let Test::Exact(value) = &header.test {
                found.push((Subject::Header(&header.name), vec![Value::exact(value)]));
            }
        }
        for parameter in &match_.query {
            if let Test::Exact(value) = &parameter.test {
                found.push((Subject::Query(&parameter.name), vec![Value::exact(value)]));
            }
        }
        found.push((Subject::UserTier, any_of(&match_.user_tiers)));
        found.push((Subject::UserSegment, any_of(&match_.user_segments)));
        let models = match_.models.iter().map(|name| match name {
            ModelName::Exact(name) => Value::exact(name.as_bytes()),
            ModelName::StartsWith(start) => Value { starts: true, bytes: start.as_bytes() },
        });
        found.push((Subject::Model, models.collect()));
        found.retain(|(subject, values)| {
            !values.is_empty()
                && self.copies.saturating_mul(values.len()) <= MOST_COPIES
                && !self.used.contains(subject)
        });
        found
    }
}
