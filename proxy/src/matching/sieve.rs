//! Many patterns that begin alike: finds those worth trying by the literal texts that they must contain.
//!
//! Each pattern is listed under the one of its literal texts that the fewest others have. One pass of an Aho-Corasick
//! automaton over the text finds the literals in it, and only the patterns listed under them are tried. The automaton
//! takes memory in proportion to the literals, needs no scratch space, and cannot blow up as a common automaton of the
//! patterns themselves could. Patterns without a literal text are tried each time.

use aho_corasick::AhoCorasick;
use rustc_hash::FxHashMap;

use super::bucket::Rank;

/// Up to this many patterns are tried one after the other.
const FEW: usize = 8;
/// How many of the last tried patterns are remembered, so that a text that repeats a literal costs little.
const REMEMBERED: usize = 16;

/// Patterns, each with the best rank of its matches.
#[derive(Clone, Debug)]
pub(crate) struct Sieve<P> {
    /// The best rank first.
    patterns: Vec<(Rank, P)>,
    listed: Option<Listed>,
}

/// A pattern with the best rank of its matches and the texts that it requires.
pub(crate) type Candidate<P> = (Rank, P, Vec<Box<[u8]>>);

#[derive(Clone, Debug)]
struct Listed {
    literals: AhoCorasick,
    /// By literal, positions in order.
    by_literal: Vec<Vec<u32>>,
    /// Positions in order of those without a literal.
    others: Vec<u32>,
}

impl<P> Default for Sieve<P> {
    fn default() -> Self {
        Self { patterns: Vec::new(), listed: None }
    }
}

impl<P> Sieve<P> {
    /// A sieve of patterns with their ranks and the texts that each requires.
    pub(crate) fn new(mut patterns: Vec<Candidate<P>>) -> Self {
        patterns.sort_unstable_by_key(|(rank, ..)| *rank);
        let listed = if patterns.len() > FEW { Listed::new(&patterns) } else { None };
        Self { patterns: patterns.into_iter().map(|(rank, pattern, _)| (rank, pattern)).collect(), listed }
    }

    /// The best rank in here.
    pub(crate) fn first(&self) -> Rank {
        self.patterns.first().map_or(Rank::MAX, |(rank, _)| *rank)
    }

    /// Tries the patterns that may match `text`. `attempt` gets a pattern whose rank is before the limit, and gives the
    /// limit from then on.
    pub(crate) fn each(&self, text: &[u8], mut limit: Rank, mut attempt: impl FnMut(&P) -> Rank) {
        let Some(listed) = &self.listed else {
            for (rank, pattern) in &self.patterns {
                if *rank >= limit {
                    return;
                }
                limit = attempt(pattern);
            }
            return;
        };
        if self.first() >= limit {
            return;
        }
        let mut recent = [u32::MAX; REMEMBERED];
        let mut next = 0;
        let hits = listed.literals.find_overlapping_iter(text);
        let lists = hits.filter_map(|hit| listed.by_literal.get(hit.pattern().as_usize()));
        for list in std::iter::once(&listed.others).chain(lists) {
            for position in list {
                let Some((rank, pattern)) = self.patterns.get(*position as usize) else { continue };
                if *rank >= limit {
                    break;
                }
                if recent.contains(position) {
                    continue;
                }
                if let Some(slot) = recent.get_mut(next % REMEMBERED) {
                    *slot = *position;
                }
                next += 1;
                limit = attempt(pattern);
            }
        }
    }
}

impl Listed {
    /// `None` where the automaton cannot be built: then the patterns are tried one after the other.
    fn new<P>(patterns: &[Candidate<P>]) -> Option<Self> {
        let mut shared: FxHashMap<&[u8], u32> = FxHashMap::default();
        for literal in patterns.iter().flat_map(|(.., required)| required) {
            *shared.entry(literal).or_default() += 1;
        }
        let mut positions: FxHashMap<&[u8], Vec<u32>> = FxHashMap::default();
        let mut others = Vec::new();
        for (position, (.., required)) in (0..).zip(patterns) {
            let rarest = required.iter().min_by_key(|literal| shared.get(&***literal));
            match rarest {
                Some(literal) => positions.entry(literal).or_default().push(position),
                None => others.push(position),
            }
        }
        let (literals, by_literal): (Vec<&[u8]>, Vec<Vec<u32>>) = positions.into_iter().unzip();
        Some(Self { literals: AhoCorasick::new(literals).ok()?, by_literal, others })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pattern_that_may_match_is_tried_before_the_limit(
            patterns in proptest::collection::vec(proptest::collection::vec("[ab]{1,3}", 0..3), 0..40),
            text in "[abc]{0,60}",
            limit in 0_u32..50,
        ) {
            let contains = |required: &Vec<String>| required.iter().all(|literal| text.contains(literal.as_str()));
            let sieve = Sieve::new(
                patterns.iter().enumerate().map(|(n, required)| {
                    let bytes = required.iter().map(|literal| literal.as_bytes().into()).collect();
                    (n as u32, (n as u32, required.clone()), bytes)
                }).collect(),
            );
            let mut found = std::collections::BTreeSet::new();
            sieve.each(text.as_bytes(), limit, |(rank, required)| {
                if contains(required) {
                    found.insert(*rank);
                }
                limit
            });
            let expected = (0..).zip(&patterns).filter(|(rank, required)| *rank < limit && contains(required));
            prop_assert_eq!(found, expected.map(|(rank, _)| rank).collect());
        }
    }
}
