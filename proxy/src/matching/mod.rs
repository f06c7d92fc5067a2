//! Matching: from a request to the one route that takes it.
//!
//! Each match has its [`precedence`]; looking up means finding the best one whose conditions hold. Hosts, paths and then the
//! exact conditions of matches that share a path are indexed, so that a lookup checks few conditions in full, and it
//! borrows all it needs from the request.
//!
//! An edit of one route costs that route's work: an edited matcher shares with the one before it all that the route has
//! nothing to do with.

pub mod body_scan;
mod bucket;
mod conditions;
pub mod explain;
pub(crate) mod glob;
mod hosts;
mod literals;
pub mod normalise;
mod paths;
mod pattern;
mod precedence;
mod query;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod shards;
mod sieve;
#[cfg(test)]
mod tests;
mod traffic_share;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sluicegate_table::{Hostname, ObjectKey, Route};

use self::bucket::{Bucket, Limit};
use self::conditions::{Conditions, Except};
use self::hosts::Hosts;
use self::paths::{Changes, Visitor};
use crate::request::RequestView;
use crate::slots::Slots;

/// An index over all routes. Looking up allocates nothing, but for a path that begins with more than thirty nested
/// prefixes, and takes nearly the same time for ten routes as for ten thousand. A clone shares everything.
#[derive(Clone, Default)]
pub struct Matcher {
    hosts: Hosts,
    routes: Slots<Arc<Indexed>>,
    /// How many matches have conditions on the model.
    with_models: usize,
    /// How many matches have conditions on the method.
    with_methods: usize,
}

/// The number of a route in a [`Matcher`]: the same for as long as the route is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteIndex(pub u32);

/// A route as it is indexed.
#[derive(Debug)]
pub struct Indexed {
    hostnames: Box<[Hostname]>,
    matches: Box<[Arc<Conditions>]>,
}

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

impl Indexed {
    /// The route that gets the number `index`.
    ///
    /// # Errors
    /// Names the pattern that cannot be compiled (a regular expression over the size limit, say).
    pub fn new(index: RouteIndex, key: &ObjectKey, route: &Route) -> Result<Self, BadPattern> {
        let shared = Arc::new(key.clone());
        let conditions = |(position, wanted)| {
            let wanted = normalise::path_condition(wanted);
            Conditions::new(index, &shared, route, position, &wanted).map(Arc::new)
        };
        let matches = (0..).zip(&route.matches).map(conditions).collect::<Result<_, String>>();
        let matches = matches.map_err(|message| BadPattern { route: key.clone(), message })?;
        Ok(Self { hostnames: route.hostnames.clone().into(), matches })
    }

    /// Where it is asked for: its host names, each once, or every host.
    fn hosts(&self) -> impl Iterator<Item = Option<&Hostname>> {
        let every = self.hostnames.is_empty().then_some(None);
        let first = |(at, name): &(usize, &Hostname)| !self.hostnames.iter().take(*at).any(|other| other == *name);
        self.hostnames.iter().enumerate().filter(first).map(|(_, name)| Some(name)).chain(every)
    }
}

impl Matcher {
    /// Indexes the routes, numbered in the order given.
    ///
    /// # Errors
    /// Names the route and the pattern that cannot be compiled.
    pub fn new<'a>(routes: impl IntoIterator<Item = (&'a ObjectKey, &'a Route)>) -> Result<Self, BadPattern> {
        let indexed = |(index, (key, route))| {
            let index = RouteIndex(index);
            Indexed::new(index, key, route).map(|indexed| (index, Some(indexed)))
        };
        let routes = (0..).zip(routes).map(indexed).collect::<Result<Vec<_>, BadPattern>>()?;
        let mut matcher = Self::default();
        matcher.edit(routes);
        Ok(matcher)
    }

    /// Puts routes in, in place of those with the same numbers, and takes out those that are `None`. No number may come
    /// twice.
    pub fn edit(&mut self, routes: impl IntoIterator<Item = (RouteIndex, Option<Indexed>)>) {
        let mut replaced = Vec::new();
        for (index, indexed) in routes {
            let new = indexed.map(Arc::new);
            let old = self.routes.set(index.0, new.clone());
            replaced.push((old, new));
        }
        let mut by_host: FxHashMap<Option<&Hostname>, Changes<'_>> = FxHashMap::default();
        for (old, new) in &replaced {
            let count = |indexed: &Option<Arc<Indexed>>, wants: fn(&Conditions) -> bool| {
                indexed.iter().flat_map(|indexed| &indexed.matches).filter(|match_| wants(match_)).count()
            };
            for (counted, wants) in [
                (&mut self.with_models, (|match_| !match_.models.is_empty()) as fn(&Conditions) -> bool),
                (&mut self.with_methods, |match_| !match_.methods.is_empty()),
            ] {
                *counted = *counted + count(new, wants) - count(old, wants);
            }
            for (host, match_) in old.iter().flat_map(|old| old.each()) {
                by_host.entry(host).or_default().remove(match_);
            }
            for (host, match_) in new.iter().flat_map(|new| new.each()) {
                by_host.entry(host).or_default().add(match_);
            }
        }
        for (host, changes) in by_host {
            self.hosts.edit(host, changes);
        }
    }

    /// The route that takes the request.
    pub fn find(&self, request: &RequestView<'_>) -> Found {
        let best = self.best(request);
        if self.with_models > 0
            && request.body.is_none()
            && request.content_length != Some(0)
            && let Some(at_most) = self.undecided(request, best)
        {
            return Found::NeedsBody { at_most };
        }
        if let Some((_, taken)) = best {
            return Found::Route { route: taken.route, prefix: taken.strip };
        }
        if self.with_methods == 0 {
            return Found::NoRoute;
        }
        let methods = self.methods(request);
        if methods.is_empty() { Found::NoRoute } else { Found::MethodNotAllowed(methods) }
    }

    /// The match that wins, and which of the host's entries it was found in.
    fn best<'a>(&'a self, request: &'a RequestView<'_>) -> Option<(usize, &'a Conditions)> {
        for (level, paths) in self.hosts.of(request.host).enumerate() {
            let mut best = Best { request, found: None };
            paths.visit(request.path, &mut best);
            if let Some(found) = best.found {
                return Some((level, found));
            }
        }
        None
    }

    /// The largest buffer of the matches before `best` that lack nothing but the model.
    fn undecided<'a>(&'a self, request: &'a RequestView<'_>, best: Option<(usize, &'a Conditions)>) -> Option<u64> {
        let levels = best.map_or(usize::MAX, |(level, _)| level.saturating_add(1));
        let mut at_most = None;
        for (level, paths) in self.hosts.of(request.host).enumerate().take(levels) {
            let limit = best.filter(|(of, _)| *of == level).map(|(_, found)| found);
            let mut undecided = Undecided { request, limit, at_most };
            paths.visit(request.path, &mut undecided);
            at_most = undecided.at_most;
        }
        at_most
    }

    /// The methods of the matches that lack nothing else.
    fn methods(&self, request: &RequestView<'_>) -> Vec<String> {
        let mut methods = Methods { request, methods: BTreeSet::new() };
        for paths in self.hosts.of(request.host) {
            paths.visit(request.path, &mut methods);
        }
        methods.methods.into_iter().collect()
    }
}

impl Indexed {
    /// Each match under each host.
    fn each(&self) -> impl Iterator<Item = (Option<&Hostname>, &Arc<Conditions>)> {
        self.hosts().flat_map(|host| self.matches.iter().map(move |match_| (host, match_)))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher").field("routes", &self.routes.iter().count()).finish_non_exhaustive()
    }
}

/// Looks for the best match.
struct Best<'a, 'r> {
    request: &'a RequestView<'r>,
    found: Option<&'a Conditions>,
}

impl<'a> Visitor<'a> for Best<'a, '_> {
    fn limit(&self) -> Limit<'a> {
        self.found
    }

    fn visit(&mut self, bucket: &'a Bucket) {
        self.found = bucket.best(self.found, self.request, Except::Nothing).or(self.found);
    }
}

/// Looks for matches that the body would decide.
struct Undecided<'a, 'r> {
    request: &'a RequestView<'r>,
    limit: Limit<'a>,
    at_most: Option<u64>,
}

impl<'a> Visitor<'a> for Undecided<'a, '_> {
    fn limit(&self) -> Limit<'a> {
        self.limit
    }

    fn visit(&mut self, bucket: &'a Bucket) {
        self.at_most = self.at_most.max(bucket.undecided(self.limit, self.request));
    }
}

/// Collects the methods of matches that lack nothing else.
struct Methods<'a, 'r> {
    request: &'a RequestView<'r>,
    methods: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Methods<'a, '_> {
    fn limit(&self) -> Limit<'a> {
        None
    }

    fn visit(&mut self, bucket: &'a Bucket) {
        bucket.methods(self.request, &mut self.methods);
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
