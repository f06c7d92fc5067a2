//! Matching: from a request to the one route that takes it.

use sluicegate_table::{ObjectKey, Route};

use crate::request::RequestView;

/// An index over all routes. Built once a version; looking up allocates nothing and takes nearly the same time for ten
/// routes as for ten thousand.
#[derive(Debug)]
pub struct Matcher {}

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
        /// How many bytes of the path `stripPath` takes off (whether or not the route asks for it).
        prefix: usize,
    },
    /// The answer depends on the body: read up to this many bytes of it, scan them and ask again with the facts.
    NeedsBody {
        /// The largest `bufferSize` of the routes in question.
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
    pub fn new<'a>(_routes: impl IntoIterator<Item = (&'a ObjectKey, &'a Route)>) -> Result<Self, BadPattern> {
        Ok(Self {})
    }

    /// The route that takes the request.
    pub fn find(&self, _request: &RequestView<'_>) -> Found {
        Found::NoRoute
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
