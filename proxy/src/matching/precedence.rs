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

use std::cmp::Reverse;

use sluicegate_table::{Match, ObjectKey, PathMatch, Route};

use super::glob;

/// The precedence of one match of one route; smaller wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Precedence<'a> {
    path: PathClass,
    any_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    created: i64,
    key: &'a ObjectKey,
    position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathClass {
    Exact,
    RegularExpression { length: Reverse<usize> },
    Literal { before_star: Reverse<usize>, in_all: Reverse<usize> },
}

impl<'a> Precedence<'a> {
    /// The precedence of the match at `position` of a route.
    pub(crate) fn of(key: &'a ObjectKey, route: &Route, position: usize, wanted: &Match) -> Self {
        let path = match &wanted.path {
            PathMatch::Exact(_) => PathClass::Exact,
            PathMatch::RegularExpression(text) => PathClass::RegularExpression { length: Reverse(text.len()) },
            PathMatch::Prefix(text) => {
                PathClass::Literal { before_star: Reverse(text.len()), in_all: Reverse(text.len()) }
            }
            PathMatch::Glob(text) => PathClass::Literal {
                before_star: Reverse(glob::before_star(text).len()),
                in_all: Reverse(text.bytes().filter(|byte| *byte != b'*').count()),
            },
        };
        let headers = wanted.headers.len()
            + usize::from(!wanted.user_tiers.is_empty())
            + usize::from(!wanted.user_segments.is_empty())
            + usize::from(wanted.content_length.is_some())
            + usize::from(!wanted.models.is_empty());
        Self {
            path,
            any_method: wanted.methods.is_empty(),
            headers: Reverse(headers),
            query: Reverse(wanted.query.len()),
            created: route.created,
            key,
            position,
        }
    }
}
