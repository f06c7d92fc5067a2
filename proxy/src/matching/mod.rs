//! Matching: from a request to the one route that takes it.
//!
//! All matches of all routes are ranked once, when a version is built ([`precedence`]); looking up means finding the
//! smallest rank whose conditions hold. Hosts, paths and then the exact conditions of matches that share a path are
//! indexed, so that a lookup checks few conditions in full, and it borrows all it needs from the request.

pub mod body_scan;
mod bucket;
mod conditions;
pub mod explain;
mod glob;
mod hosts;
mod literals;
pub mod normalise;
mod paths;
mod pattern;
mod precedence;
mod query;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod sieve;
#[cfg(test)]
mod tests;
mod traffic_share;

use std::collections::BTreeSet;
use std::fmt;

use sluicegate_table::{ObjectKey, Route};

use self::bucket::{Asked, Bucket, Rank};
use self::conditions::{Conditions, Except};
use self::hosts::Hosts;
use self::paths::{Paths, PathsBuilder, Visitor};
use self::precedence::Precedence;
use crate::request::RequestView;

/// An index over all routes. Built once a version; looking up allocates nothing and takes nearly the same time for ten
/// routes as for ten thousand.
#[derive(Default)]
pub struct Matcher {
    hosts: Hosts<Paths>,
    /// By rank.
    conditions: Vec<Conditions>,
    any_models: bool,
    any_methods: bool,
}

/// The position of a route in the list that the [`Matcher`] was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteIndex(pub u32);

/// What matching found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A route takes the request.
    Route {
        /// Which one.
        route: RouteIndex,
        /// How many bytes of the path `stripPath` takes off (whether or not the route asks for it): the prefix, or the
        /// part of a glob before its first star. 0 for the other kinds of path condition and for the prefix `/`. What is
        /// left of the path may be empty or lack its first `/`.
        prefix: usize,
    },
    /// The answer depends on the body: read up to this many bytes of it, scan them and ask again with the facts.
    NeedsBody {
        /// The largest `bufferSize` of the routes in question; where they are many, it may be that of another route with
        /// the same exact conditions.
        at_most: u64,
    },
    /// Routes match but for their methods; these are the methods they take, in order, without duplicates.
    MethodNotAllowed(Vec<String>),
    /// No route takes the request.
    NoRoute,
}

impl Matcher {
    /// Indexes the routes. Routes are numbered in the order given.
    ///
    /// # Errors
    /// Names the route and the pattern that cannot be compiled (a regular expression over the size limit, say).
    pub fn new<'a>(routes: impl IntoIterator<Item = (&'a ObjectKey, &'a Route)>) -> Result<Self, BadPattern> {
        let routes: Vec<(&ObjectKey, &Route)> = routes.into_iter().collect();
        let mut matches = Vec::with_capacity(routes.len());
        for (index, (key, route)) in routes.iter().copied().enumerate() {
            for (position, wanted) in route.matches.iter().enumerate() {
                let wanted = normalise::path_condition(wanted);
                let precedence = Precedence::of(key, route, position, &wanted);
                let conditions = Conditions::new(RouteIndex(index as u32), key, route, position, &wanted)
                    .map_err(|message| BadPattern { route: key.clone(), message })?;
                matches.push((precedence, conditions));
            }
        }
        matches.sort_unstable_by_key(|(precedence, _)| *precedence);
        let conditions: Vec<Conditions> = matches.into_iter().map(|(_, conditions)| conditions).collect();

        let mut hosts = Hosts::<PathsBuilder<'_>>::default();
        for (rank, match_) in conditions.iter().enumerate() {
            let Some((_, route)) = routes.get(match_.route.0 as usize) else { continue };
            if route.hostnames.is_empty() {
                hosts.entry(None).add(&match_.path, rank as Rank);
            }
            for name in &route.hostnames {
                hosts.entry(Some(name)).add(&match_.path, rank as Rank);
            }
        }
        let hosts = hosts.try_map(|paths| paths.build(&conditions)).map_err(|(rank, message)| {
            let route = conditions.get(rank as usize).and_then(|match_| routes.get(match_.route.0 as usize));
            BadPattern { route: route.map_or_else(|| ObjectKey::new("", ""), |(key, _)| (*key).clone()), message }
        })?;
        Ok(Self {
            hosts,
            any_models: conditions.iter().any(|match_| !match_.models.is_empty()),
            any_methods: conditions.iter().any(|match_| !match_.methods.is_empty()),
            conditions,
        })
    }

    /// The route that takes the request.
    pub fn find(&self, request: &RequestView<'_>) -> Found {
        let asked = Asked { request, conditions: &self.conditions };
        let best = self.best(asked);
        if self.any_models
            && request.body.is_none()
            && request.content_length != Some(0)
            && let Some(at_most) = self.undecided(asked, best)
        {
            return Found::NeedsBody { at_most };
        }
        if let Some((_, rank)) = best
            && let Some(taken) = self.conditions.get(rank as usize)
        {
            return Found::Route { route: taken.route, prefix: taken.strip };
        }
        if !self.any_methods {
            return Found::NoRoute;
        }
        let methods = self.methods(asked);
        if methods.is_empty() { Found::NoRoute } else { Found::MethodNotAllowed(methods) }
    }

    /// The match that wins, and which of the host's entries it was found in.
    fn best(&self, asked: Asked<'_>) -> Option<(usize, Rank)> {
        for (level, paths) in self.hosts.of(asked.request.host).enumerate() {
            let mut best = Best { asked, rank: Rank::MAX };
            paths.visit(asked.request.path, &mut best);
            if best.rank != Rank::MAX {
                return Some((level, best.rank));
            }
        }
        None
    }

    /// The largest buffer of the matches before `best` that lack nothing but the model.
    fn undecided(&self, asked: Asked<'_>, best: Option<(usize, Rank)>) -> Option<u64> {
        let levels = best.map_or(usize::MAX, |(level, _)| level.saturating_add(1));
        let mut at_most = None;
        for (level, paths) in self.hosts.of(asked.request.host).enumerate().take(levels) {
            let limit = best.filter(|(of, _)| *of == level).map_or(Rank::MAX, |(_, rank)| rank);
            let mut undecided = Undecided { asked, limit, at_most };
            paths.visit(asked.request.path, &mut undecided);
            at_most = undecided.at_most;
        }
        at_most
    }

    /// The methods of the matches that lack nothing else.
    fn methods(&self, asked: Asked<'_>) -> Vec<String> {
        let mut methods = Methods { asked, methods: BTreeSet::new() };
        for paths in self.hosts.of(asked.request.host) {
            paths.visit(asked.request.path, &mut methods);
        }
        methods.methods.into_iter().collect()
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("matches", &self.conditions.len()).finish_non_exhaustive()
    }
}

/// Looks for the best rank.
struct Best<'a> {
    asked: Asked<'a>,
    rank: Rank,
}

impl Visitor for Best<'_> {
    fn limit(&self) -> Rank {
        self.rank
    }

    fn visit(&mut self, bucket: &Bucket) {
        if let Some(rank) = bucket.best(self.rank, self.asked, Except::Nothing) {
            self.rank = rank;
        }
    }
}

/// Looks for matches that the body would decide.
struct Undecided<'a> {
    asked: Asked<'a>,
    limit: Rank,
    at_most: Option<u64>,
}

impl Visitor for Undecided<'_> {
    fn limit(&self) -> Rank {
        self.limit
    }

    fn visit(&mut self, bucket: &Bucket) {
        self.at_most = self.at_most.max(bucket.undecided(self.limit, self.asked));
    }
}

/// Collects the methods of matches that lack nothing else.
struct Methods<'a> {
    asked: Asked<'a>,
    methods: BTreeSet<String>,
}

impl Visitor for Methods<'_> {
    fn limit(&self) -> Rank {
        Rank::MAX
    }

    fn visit(&mut self, bucket: &Bucket) {
        bucket.methods(self.asked, &mut self.methods);
    }
}

/// A pattern that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{route}: {message}")]
pub struct BadPattern {
    /// The Rule.
    pub route: ObjectKey,
    /// What is wrong with which pattern.
    pub message: String,
}
