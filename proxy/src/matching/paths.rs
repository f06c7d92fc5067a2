//! The matches of one host name, by path: a hash of the exact paths, the regular expressions, and a radix tree of the
//! literal parts of prefixes and globs.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use sluicegate_table::PathMatch;

use super::bucket::{Bucket, Rank};
use super::conditions::Conditions;
use super::glob::{self, GlobRest};
use super::literals::Literals;
use super::pattern::Pattern;

/// An index from paths to the matches whose path condition holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    exact: FxHashMap<Box<str>, Bucket>,
    /// The best first.
    patterns: Vec<(Pattern, Bucket)>,
    literals: Literals<WithLiteral>,
}

/// The path conditions with one literal part.
#[derive(Clone, Debug)]
struct WithLiteral {
    length: usize,
    first: Rank,
    /// The best first.
    tails: Vec<(Tail, Bucket)>,
}

/// What must follow the literal part.
#[derive(Clone, Debug)]
enum Tail {
    /// Nothing, or another path element.
    Elements,
    /// Anything: the prefix `/`.
    Anything,
    /// Nothing: a glob without a star.
    Nothing,
    /// What the rest of a glob says.
    Glob(GlobRest),
}

/// What goes through the buckets of a path.
pub(crate) trait Visitor {
    /// Ranks from this one on are of no more interest.
    fn limit(&self) -> Rank;

    /// A bucket whose path condition holds. They come in the order of their path conditions' precedence.
    fn visit(&mut self, bucket: &Bucket);
}

impl Paths {
    /// Goes through the matches whose path condition holds.
    pub(crate) fn visit(&self, path: &str, visitor: &mut impl Visitor) {
        if !self.exact.is_empty()
            && let Some(bucket) = self.exact.get(path)
            && bucket.first() < visitor.limit()
        {
            visitor.visit(bucket);
        }
        for (pattern, bucket) in &self.patterns {
            if bucket.first() >= visitor.limit() {
                return;
            }
            if pattern.matches(path.as_bytes()) {
                visitor.visit(bucket);
            }
        }
        for literal in self.literals.of(path.as_bytes()) {
            if literal.first >= visitor.limit() {
                return;
            }
            let rest = path.get(literal.length..).unwrap_or_default();
            for (tail, bucket) in &literal.tails {
                if bucket.first() >= visitor.limit() {
                    break;
                }
                if tail.matches(rest) {
                    visitor.visit(bucket);
                }
            }
        }
    }
}

impl Tail {
    fn matches(&self, rest: &str) -> bool {
        match self {
            Self::Elements => rest.is_empty() || rest.starts_with('/'),
            Self::Anything => true,
            Self::Nothing => rest.is_empty(),
            Self::Glob(glob) => glob.matches(rest),
        }
    }
}

/// Whether a path condition holds for a path.
///
/// # Errors
/// The regular expression that cannot be built, in words.
pub(crate) fn holds(condition: &PathMatch, path: &str) -> Result<bool, String> {
    Ok(match condition {
        PathMatch::Exact(text) => text == path,
        PathMatch::RegularExpression(text) => Pattern::new(text)?.matches(path.as_bytes()),
        PathMatch::Prefix(text) => path.strip_prefix(&**text).is_some_and(|rest| prefix_tail(text).matches(rest)),
        PathMatch::Glob(text) => match GlobRest::of(text) {
            Some(glob) => path.strip_prefix(glob::before_star(text)).is_some_and(|rest| glob.matches(rest)),
            None => text == path,
        },
    })
}

fn prefix_tail(text: &str) -> Tail {
    if text == "/" { Tail::Anything } else { Tail::Elements }
}

/// How many bytes of a matching path `stripPath` takes off: the prefix, or the part of a glob before its first star.
/// Nothing where no part of the path is left by definition (an exact path, a regular expression, a glob without a star)
/// and for the prefix `/`.
pub(crate) fn strip(condition: &PathMatch) -> usize {
    match condition {
        PathMatch::Exact(_) | PathMatch::RegularExpression(_) => 0,
        PathMatch::Prefix(text) => {
            if text == "/" {
                0
            } else {
                text.len()
            }
        }
        PathMatch::Glob(text) => {
            if text.contains('*') {
                glob::before_star(text).len()
            } else {
                0
            }
        }
    }
}

/// Collects the matches of one host name.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathsBuilder<'a> {
    exact: FxHashMap<&'a str, Vec<Rank>>,
    patterns: FxHashMap<&'a str, Vec<Rank>>,
    /// By literal part, then by the whole condition: `None` for a prefix, else the glob.
    literals: BTreeMap<&'a str, BTreeMap<Option<&'a str>, Vec<Rank>>>,
}

impl<'a> PathsBuilder<'a> {
    /// Adds a match. Paths and literal parts are normalised.
    pub(crate) fn add(&mut self, condition: &'a PathMatch, rank: Rank) {
        let ranks = match condition {
            PathMatch::Exact(text) => self.exact.entry(text).or_default(),
            PathMatch::RegularExpression(text) => self.patterns.entry(text).or_default(),
            PathMatch::Prefix(text) => self.literals.entry(text).or_default().entry(None).or_default(),
            PathMatch::Glob(text) => {
                self.literals.entry(glob::before_star(text)).or_default().entry(Some(text)).or_default()
            }
        };
        ranks.push(rank);
    }

    /// The index.
    ///
    /// # Errors
    /// The rank whose regular expression cannot be built, and why in words.
    pub(crate) fn build(self, conditions: &[Conditions]) -> Result<Paths, (Rank, String)> {
        let exact = self.exact.into_iter().map(|(path, ranks)| (path.into(), Bucket::new(ranks, conditions))).collect();
        let mut patterns = Vec::with_capacity(self.patterns.len());
        for (text, ranks) in self.patterns {
            let bucket = Bucket::new(ranks, conditions);
            patterns.push((Pattern::new(text).map_err(|message| (bucket.first(), message))?, bucket));
        }
        patterns.sort_unstable_by_key(|(_, bucket)| bucket.first());
        let literals = Literals::new(self.literals.into_iter().map(|(literal, tails)| {
            let mut tails: Vec<_> = tails
                .into_iter()
                .map(|(glob, ranks)| {
                    let tail = match glob.map(GlobRest::of) {
                        None => prefix_tail(literal),
                        Some(Some(rest)) => Tail::Glob(rest),
                        Some(None) => Tail::Nothing,
                    };
                    (tail, Bucket::new(ranks, conditions))
                })
                .collect();
            tails.sort_unstable_by_key(|(_, bucket)| bucket.first());
            let first = tails.first().map_or(Rank::MAX, |(_, bucket)| bucket.first());
            (literal, WithLiteral { length: literal.len(), first, tails })
        }));
        Ok(Paths { exact, patterns, literals })
    }
}
