//! The matches of one host name, by path: a hash of the exact paths, and radix trees of the texts that regular
//! expressions, prefixes and globs begin with.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use sluicegate_table::PathMatch;

use super::bucket::{Bucket, Rank};
use super::conditions::Conditions;
use super::glob::{self, GlobRest};
use super::literals::Literals;
use super::pattern::Pattern;
use super::sieve::Sieve;

/// An index from paths to the matches whose path condition holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    exact: FxHashMap<Box<str>, Bucket>,
    /// Regular expressions by the literal text that they begin with.
    patterns: Literals<Sieve<(Pattern, Bucket)>>,
    literals: Literals<WithLiteral>,
}

/// The prefix and the globs with one literal part.
#[derive(Clone, Debug)]
struct WithLiteral {
    length: usize,
    first: Rank,
    /// The prefix, and a glob without a star.
    plain: Vec<(Tail, Bucket)>,
    globs: Sieve<(GlobRest, Bucket)>,
}

/// What must follow the literal part.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// Nothing, or another path element.
    Elements,
    /// Anything: the prefix `/`.
    Anything,
    /// Nothing: a glob without a star.
    Nothing,
}

/// What goes through the buckets of a path.
pub(crate) trait Visitor {
    /// Ranks from this one on are of no more interest.
    fn limit(&self) -> Rank;

    /// A bucket whose path condition holds.
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
        for patterns in self.patterns.of(path.as_bytes()) {
            // The precedence of expressions is not that of their beginnings, so each beginning is asked.
            patterns.each(path.as_bytes(), visitor.limit(), |(pattern, bucket)| {
                if pattern.matches(path.as_bytes()) {
                    visitor.visit(bucket);
                }
                visitor.limit()
            });
        }
        for literal in self.literals.of(path.as_bytes()) {
            // Those with shorter literal parts come after all of these.
            if literal.first >= visitor.limit() {
                return;
            }
            let rest = path.get(literal.length..).unwrap_or_default();
            for (tail, bucket) in &literal.plain {
                if bucket.first() < visitor.limit() && tail.matches(rest) {
                    visitor.visit(bucket);
                }
            }
            literal.globs.each(rest.as_bytes(), visitor.limit(), |(glob, bucket)| {
                if glob.matches(rest) {
                    visitor.visit(bucket);
                }
                visitor.limit()
            });
        }
    }
}

impl Tail {
    fn matches(self, rest: &str) -> bool {
        match self {
            Self::Elements => rest.is_empty() || rest.starts_with('/'),
            Self::Anything => true,
            Self::Nothing => rest.is_empty(),
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
        let mut beginnings: BTreeMap<Box<[u8]>, Vec<_>> = BTreeMap::new();
        for (text, ranks) in self.patterns {
            let bucket = Bucket::new(ranks, conditions);
            let (pattern, required) = Pattern::with_required(text).map_err(|message| (bucket.first(), message))?;
            let patterns = beginnings.entry(required.beginning).or_default();
            patterns.push((bucket.first(), (pattern, bucket), required.inner));
        }
        let patterns = Literals::new(beginnings.into_iter().map(|(literal, patterns)| (literal, Sieve::new(patterns))));
        let literals = Literals::new(self.literals.into_iter().map(|(literal, tails)| {
            let mut plain = Vec::new();
            let mut globs = Vec::new();
            for (glob, ranks) in tails {
                let bucket = Bucket::new(ranks, conditions);
                match glob.map(GlobRest::of) {
                    None => plain.push((prefix_tail(literal), bucket)),
                    Some(None) => plain.push((Tail::Nothing, bucket)),
                    Some(Some(rest)) => {
                        let required = rest.literals();
                        globs.push((bucket.first(), (rest, bucket), required));
                    }
                }
            }
            let globs = Sieve::new(globs);
            let first = plain.iter().map(|(_, bucket)| bucket.first()).fold(globs.first(), Rank::min);
            (literal, WithLiteral { length: literal.len(), first, plain, globs })
        }));
        Ok(Paths { exact, patterns, literals })
    }
}
