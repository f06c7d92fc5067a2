//! The matches of one host name, by path: a hash of the exact paths, and radix trees of the texts that regular
//! expressions, prefixes and globs begin with.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sluicegate_table::PathMatch;

use super::bucket::{Bucket, Limit};
use super::conditions::Conditions;
use super::glob::{self, GlobRest};
use super::literals::Literals;
use super::pattern::{PathPattern, Pattern};
use super::precedence::Class;
use super::shards::{Left, Shards};
use super::sieve::Sieve;

/// An index from paths to the matches whose path condition holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    exact: Shards<Bucket>,
    /// Regular expressions by the literal text that they begin with.
    patterns: Literals<Sieve<PathPattern>>,
    literals: Literals<WithLiteral>,
}

/// The prefix and the globs with one literal part.
#[derive(Clone, Debug)]
struct WithLiteral {
    length: usize,
    /// No match in here has a better precedence.
    best: Class,
    tail: Tail,
    prefix: Bucket,
    /// A glob without a star: the whole path.
    whole: Bucket,
    globs: Sieve<GlobRest>,
}

/// What must follow a prefix.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// Nothing, or another path element.
    Elements,
    /// Anything: the prefix `/`.
    Anything,
}

/// What goes through the buckets of a path.
pub(crate) trait Visitor<'a> {
    /// Matches from this one on are of no more interest.
    fn limit(&self) -> Limit<'a>;

    /// A bucket whose path condition holds.
    fn visit(&mut self, bucket: &'a Bucket);
}

/// What becomes of the matches of one host name.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a>(FxHashMap<&'a PathMatch, Change>);

/// What becomes of the matches with one path condition.
#[derive(Debug, Default)]
struct Change {
    removed: Vec<Arc<Conditions>>,
    added: Vec<Arc<Conditions>>,
}

/// A regular expression as it is written and as it is built, and what becomes of its matches.
type Expression<'a> = (&'a str, Arc<PathPattern>, Change);

impl<'a> Changes<'a> {
    pub(crate) fn remove(&mut self, match_: &'a Arc<Conditions>) {
        self.0.entry(&match_.path).or_default().removed.push(Arc::clone(match_));
    }

    pub(crate) fn add(&mut self, match_: &'a Arc<Conditions>) {
        self.0.entry(&match_.path).or_default().added.push(Arc::clone(match_));
    }
}

impl Change {
    fn make(self, bucket: &mut Bucket) {
        bucket.edit(&self.removed, self.added);
    }

    /// The regular expression that all of them have in common.
    fn pattern(&self) -> Option<Arc<PathPattern>> {
        self.removed.iter().chain(&self.added).find_map(|match_| match_.pattern.clone())
    }
}

impl Paths {
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty() && self.literals.is_empty()
    }

    /// Goes through the matches whose path condition holds.
    pub(crate) fn visit<'a>(&'a self, path: &str, visitor: &mut impl Visitor<'a>) {
        if !self.exact.is_empty()
            && let Some(bucket) = self.exact.get(path.as_bytes())
            && bucket.has_before(visitor.limit())
        {
            visitor.visit(bucket);
        }
        if !self.patterns.is_empty() {
            self.patterns.each(path.as_bytes(), |patterns| {
                // The precedence of expressions is not that of their beginnings, so each beginning is asked.
                patterns.each(path.as_bytes(), visitor.limit(), |item| {
                    if item.pattern.pattern.matches(path.as_bytes()) {
                        visitor.visit(&item.bucket);
                    }
                    visitor.limit()
                });
                ControlFlow::Continue(())
            });
        }
        self.literals.each(path.as_bytes(), |literal| literal.visit(path, visitor));
    }

    /// Makes the changes.
    pub(crate) fn edit(&mut self, changes: Changes<'_>) {
        // Grouped by what they begin with, so that each sieve settles once.
        let mut patterns: BTreeMap<Box<[u8]>, Vec<Expression<'_>>> = BTreeMap::new();
        let mut literals: BTreeMap<&str, Vec<(&PathMatch, Change)>> = BTreeMap::new();
        for (condition, change) in changes.0 {
            match condition {
                PathMatch::Exact(text) => self.exact.edit(text.as_bytes(), Bucket::default, |bucket| {
                    change.make(bucket);
                    Left::unless(bucket.is_empty())
                }),
                PathMatch::RegularExpression(text) => {
                    let Some(pattern) = change.pattern() else { continue };
                    patterns.entry(pattern.beginning.clone()).or_default().push((text, pattern, change));
                }
                PathMatch::Prefix(text) => literals.entry(text).or_default().push((condition, change)),
                PathMatch::Glob(text) => {
                    literals.entry(glob::before_star(text)).or_default().push((condition, change));
                }
            }
        }
        for (beginning, changes) in patterns {
            self.patterns.edit(&beginning, Sieve::default, |sieve| {
                for (text, pattern, change) in changes {
                    let required = Arc::clone(&pattern.inner);
                    sieve.edit(text, || (pattern, required), |bucket| change.make(bucket));
                }
                sieve.settle();
                Left::unless(sieve.is_empty())
            });
        }
        for (literal, changes) in literals {
            self.literals.edit(literal.as_bytes(), || WithLiteral::new(literal), |with| with.edit(changes));
        }
    }
}

impl WithLiteral {
    fn new(literal: &str) -> Self {
        Self {
            length: literal.len(),
            best: Class::best_of_literal(literal.len()),
            tail: prefix_tail(literal),
            prefix: Bucket::default(),
            whole: Bucket::default(),
            globs: Sieve::default(),
        }
    }

    /// Goes through the matches whose path condition holds; breaks off where those of shorter literals are of no interest.
    fn visit<'a>(&'a self, path: &str, visitor: &mut impl Visitor<'a>) -> ControlFlow<()> {
        // Those with shorter literal parts come after all of these.
        if visitor.limit().is_some_and(|limit| limit.precedence.class() < self.best) {
            return ControlFlow::Break(());
        }
        let rest = path.get(self.length..).unwrap_or_default();
        if self.prefix.has_before(visitor.limit()) && self.tail.matches(rest) {
            visitor.visit(&self.prefix);
        }
        if rest.is_empty() && self.whole.has_before(visitor.limit()) {
            visitor.visit(&self.whole);
        }
        self.globs.each(rest.as_bytes(), visitor.limit(), |item| {
            if item.pattern.matches(rest) {
                visitor.visit(&item.bucket);
            }
            visitor.limit()
        });
        ControlFlow::Continue(())
    }

    fn edit(&mut self, changes: Vec<(&PathMatch, Change)>) -> Left {
        for (condition, change) in changes {
            let PathMatch::Glob(text) = condition else {
                change.make(&mut self.prefix);
                continue;
            };
            let Some(rest) = GlobRest::of(text) else {
                change.make(&mut self.whole);
                continue;
            };
            let make = || {
                let required = rest.literals().into();
                (Arc::new(rest), required)
            };
            self.globs.edit(text, make, |bucket| change.make(bucket));
        }
        self.globs.settle();
        Left::unless(self.prefix.is_empty() && self.whole.is_empty() && self.globs.is_empty())
    }
}

impl Tail {
    fn matches(self, rest: &str) -> bool {
        match self {
            Self::Elements => rest.is_empty() || rest.starts_with('/'),
            Self::Anything => true,
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
