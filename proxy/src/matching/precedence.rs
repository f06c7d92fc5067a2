//! Which of several matches wins: the Gateway API's order for `HTTPRoute`, with the path types and conditions it lacks.
//!
//! Hosts come before all of this: the matches of an exact host name are asked first, then those of its wildcards, longest
//! first, then those without a host name. Within one of these, in this order:
//!
//! 1. the path: exact, then regular expressions (longer text first), then prefixes and globs by their literal part
//!    (what stands before a glob's first star), longest first, then by all of a glob's literal text;
//! 2. a condition on the method before none;
//! 3. more header conditions before fewer: `userTier`, `userSegment`, `contentLength` and `model` count as one each,
//!    since they too look at what is sent besides path and query;
//! 4. more query conditions before fewer;
//! 5. the older Rule, then the smaller `namespace/name`, then the earlier match of the Rule.
//!
//! The first four make one number, which decides nearly all comparisons.

use std::sync::Arc;

use sluicegate_table::{Match, ObjectKey, PathMatch, Route};

use super::glob;

/// The precedence of one match of one route; smaller wins. It depends on nothing else, so an edit of one route moves no
/// other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Precedence {
    class: Class,
    created: i64,
    key: Arc<ObjectKey>,
    position: u32,
}

/// What a match's conditions say of its precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(u64);

/// Bits for a length of a path. Lengths beyond (a mebibyte) count as equal.
const LENGTH: u32 = 20;
/// Bits for a number of conditions. Numbers beyond (a thousand) count as equal.
const COUNT: u32 = 10;

/// The kinds of path conditions in their order; lengths are of literal text.
#[derive(Clone, Copy, Debug)]
enum Path {
    Exact,
    RegularExpression { length: usize },
    Literal { before_star: usize, in_all: usize },
}

impl Class {
    fn new(path: Path, any_method: bool, headers: usize, query: usize) -> Self {
        let (kind, first, second) = match path {
            Path::Exact => (0, 0, 0),
            Path::RegularExpression { length } => (1, length, 0),
            Path::Literal { before_star, in_all } => (2, before_star, in_all),
        };
        let packed =
            [(first, LENGTH), (second, LENGTH), (usize::from(!any_method), 1), (headers, COUNT), (query, COUNT)];
        // More comes before less, so each number is taken from the most that it can be.
        Self(packed.into_iter().fold(kind, |class, (number, bits)| {
            let most = (1_u64 << bits) - 1;
            class << bits | (most - (number as u64).min(most))
        }))
    }

    /// The best that a prefix or glob with a literal part of this length can have.
    pub(crate) fn best_of_literal(length: usize) -> Self {
        Self::new(Path::Literal { before_star: length, in_all: usize::MAX }, false, usize::MAX, usize::MAX)
    }
}

impl Precedence {
    /// The precedence of the match at `position` of a route.
    pub(crate) fn of(key: &Arc<ObjectKey>, route: &Route, position: u32, wanted: &Match) -> Self {
        let path = match &wanted.path {
            PathMatch::Exact(_) => Path::Exact,
            PathMatch::RegularExpression(text) => Path::RegularExpression { length: text.len() },
            PathMatch::Prefix(text) => Path::Literal { before_star: text.len(), in_all: text.len() },
            PathMatch::Glob(text) => Path::Literal {
                before_star: glob::before_star(text).len(),
                in_all: text.bytes().filter(|byte| *byte != b'*').count(),
            },
        };
        let headers = wanted.headers.len()
            + usize::from(!wanted.user_tiers.is_empty())
            + usize::from(!wanted.user_segments.is_empty())
            + usize::from(wanted.content_length.is_some())
            + usize::from(!wanted.models.is_empty());
        Self {
            class: Class::new(path, wanted.methods.is_empty(), headers, wanted.query.len()),
            created: route.created,
            key: Arc::clone(key),
            position,
        }
    }

    /// What the match's conditions say.
    pub(crate) fn class(&self) -> Class {
        self.class
    }
}
