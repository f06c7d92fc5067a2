//! Many patterns that begin alike: finds those worth trying by the literal texts that they must contain.
//!
//! Each pattern is listed under the one of its literal texts that the fewest others have. One pass of an Aho-Corasick
//! automaton over the text finds the literals in it, and only the patterns listed under them are tried. The automaton
//! takes memory in proportion to the literals, needs no scratch space, and cannot blow up as a common automaton of the
//! patterns themselves could. Patterns without a literal text are tried each time.
//!
//! The automaton cannot be changed, and building it takes a microsecond a pattern. So those that come later are tried
//! each time, until they are so many that a new automaton pays.

use std::sync::Arc;

use aho_corasick::AhoCorasick;
use rustc_hash::FxHashMap;

use super::bucket::{Bucket, Limit};
use super::shards::{Left, Shards};

/// Up to this many patterns are tried one after the other.
const FEW: usize = 8;
/// How many patterns may have come since the automaton was built: this many, and at most one for so many that are listed.
const LATE: usize = 32;
const LISTED_EACH: usize = 4;
/// How many of the last tried patterns are remembered, so that a text that repeats a literal costs little.
const REMEMBERED: usize = 16;

/// Patterns, each with its matches.
#[derive(Debug)]
pub(crate) enum Sieve<P> {
    /// The best precedence first.
    Few(Arc<[Item<P>]>),
    Many(Arc<Many<P>>),
}

/// A pattern and the matches whose path condition it is.
#[derive(Debug)]
pub(crate) struct Item<P> {
    text: Arc<str>,
    pub(crate) pattern: Arc<P>,
    /// Texts that whatever it matches must contain.
    required: Required,
    pub(crate) bucket: Bucket,
}

/// Texts that whatever a pattern matches must contain.
pub(crate) type Required = Arc<[Box<[u8]>]>;

#[derive(Debug)]
pub(crate) struct Many<P> {
    /// Taken out: `None`.
    items: Vec<Option<Arc<Item<P>>>>,
    /// Positions by text.
    by_text: Shards<usize>,
    listed: Option<Arc<Listed>>,
}

#[derive(Debug)]
struct Listed {
    literals: AhoCorasick,
    /// By literal, positions.
    by_literal: Vec<Vec<u32>>,
    /// Positions of those without a literal.
    others: Vec<u32>,
    /// How many items are listed: those at the beginning.
    count: usize,
}

impl<P> Sieve<P> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(items) => items.is_empty(),
            Self::Many(_) => false,
        }
    }

    /// Tries the patterns that may match `text`. `attempt` gets one that has matches before the limit, and gives the limit
    /// from then on.
    pub(crate) fn each<'a>(
        &'a self,
        text: &[u8],
        mut limit: Limit<'a>,
        mut attempt: impl FnMut(&'a Item<P>) -> Limit<'a>,
    ) {
        match self {
            Self::Few(items) => {
                for item in items.iter() {
                    if !item.bucket.has_before(limit) {
                        return;
                    }
                    limit = attempt(item);
                }
            }
            Self::Many(many) => many.each(text, limit, attempt),
        }
    }

    /// Changes the matches of the pattern written `text`, which is made where it is not there and taken out where nothing
    /// is left of them. [`Self::settle`] is to be called after the last change.
    pub(crate) fn edit(
        &mut self,
        text: &str,
        make: impl FnOnce() -> (Arc<P>, Required),
        change: impl FnOnce(&mut Bucket),
    ) {
        let changed = |item: Option<&Item<P>>| {
            let mut item = item.cloned().unwrap_or_else(|| {
                let (pattern, required) = make();
                Item { text: text.into(), pattern, required, bucket: Bucket::default() }
            });
            change(&mut item.bucket);
            (!item.bucket.is_empty()).then_some(item)
        };
        match self {
            Self::Few(items) => {
                let found = items.iter().position(|item| *item.text == *text);
                let item = changed(found.and_then(|at| items.get(at)));
                let others =
                    items.iter().enumerate().filter(|(at, _)| Some(*at) != found).map(|(_, item)| item.clone());
                let items: Vec<Item<P>> = others.chain(item).collect();
                *self = if items.len() > FEW {
                    Self::Many(Arc::new(Many::new(items.into_iter().map(Arc::new).collect(), None)))
                } else {
                    Self::few(items)
                };
            }
            Self::Many(many) => {
                let Many { items, by_text, .. } = Arc::make_mut(many);
                let place = by_text.get(text.as_bytes()).and_then(|at| items.get_mut(*at));
                let Some(place) = place else {
                    let Some(item) = changed(None) else { return };
                    by_text.edit(text.as_bytes(), || items.len(), |_| Left::Something);
                    items.push(Some(Arc::new(item)));
                    return;
                };
                *place = changed(place.as_deref()).map(Arc::new);
                if place.is_none() {
                    by_text.edit(text.as_bytes(), usize::default, |_| Left::Nothing);
                }
            }
        }
    }

    /// Lists anew where that pays.
    pub(crate) fn settle(&mut self) {
        let Self::Many(many) = self else { return };
        let listed = many.listed.as_ref().map_or(0, |listed| listed.count);
        let late = many.items.len().saturating_sub(listed);
        let alive = || many.items.iter().flatten();
        let count = alive().count();
        if count <= FEW {
            *self = Self::few(alive().map(|item| Item::clone(item)).collect());
        } else if late > LATE.min(listed / LISTED_EACH) || many.items.len() > 2 * count {
            let mut items: Vec<Arc<Item<P>>> = alive().cloned().collect();
            items.sort_unstable_by(|left, right| left.bucket.first().cmp(&right.bucket.first()));
            let listed = Listed::new(&items).map(Arc::new);
            *self = Self::Many(Arc::new(Many::new(items, listed)));
        }
    }

    fn few(mut items: Vec<Item<P>>) -> Self {
        items.sort_unstable_by(|left, right| left.bucket.first().cmp(&right.bucket.first()));
        Self::Few(items.into())
    }
}

impl<P> Many<P> {
    fn new(items: Vec<Arc<Item<P>>>, listed: Option<Arc<Listed>>) -> Self {
        let mut by_text = Shards::default();
        for (at, item) in items.iter().enumerate() {
            by_text.edit(item.text.as_bytes(), || at, |_| Left::Something);
        }
        Self { items: items.into_iter().map(Some).collect(), by_text, listed }
    }

    fn each<'a>(&'a self, text: &[u8], mut limit: Limit<'a>, mut attempt: impl FnMut(&'a Item<P>) -> Limit<'a>) {
        let mut consider = |item: &'a Option<Arc<Item<P>>>| {
            if let Some(item) = item
                && item.bucket.has_before(limit)
            {
                limit = attempt(item);
            }
        };
        let late = self.listed.as_ref().map_or(0, |listed| listed.count);
        self.items.iter().skip(late).for_each(&mut consider);
        let Some(listed) = &self.listed else { return };
        let mut recent = [u32::MAX; REMEMBERED];
        let mut next = 0;
        let hits = listed.literals.find_overlapping_iter(text);
        let lists = hits.filter_map(|hit| listed.by_literal.get(hit.pattern().as_usize()));
        for position in std::iter::once(&listed.others).chain(lists).flatten() {
            if recent.contains(position) {
                continue;
            }
            if let Some(slot) = recent.get_mut(next % REMEMBERED) {
                *slot = *position;
            }
            next += 1;
            self.items.get(*position as usize).into_iter().for_each(&mut consider);
        }
    }
}

impl Listed {
    /// `None` where the automaton cannot be built: then the patterns are tried one after the other.
    fn new<P>(items: &[Arc<Item<P>>]) -> Option<Self> {
        let mut shared: FxHashMap<&[u8], u32> = FxHashMap::default();
        for literal in items.iter().flat_map(|item| item.required.iter()) {
            *shared.entry(literal).or_default() += 1;
        }
        let mut positions: FxHashMap<&[u8], Vec<u32>> = FxHashMap::default();
        let mut others = Vec::new();
        for (position, item) in (0..).zip(items) {
            let rarest = item.required.iter().min_by_key(|literal| shared.get(&***literal));
            match rarest {
                Some(literal) => positions.entry(literal).or_default().push(position),
                None => others.push(position),
            }
        }
        let (literals, by_literal): (Vec<&[u8]>, Vec<Vec<u32>>) = positions.into_iter().unzip();
        Some(Self { literals: AhoCorasick::new(literals).ok()?, by_literal, others, count: items.len() })
    }
}

impl<P> Clone for Sieve<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(items) => Self::Few(Arc::clone(items)),
            Self::Many(many) => Self::Many(Arc::clone(many)),
        }
    }
}

impl<P> Clone for Item<P> {
    fn clone(&self) -> Self {
        Self {
            text: Arc::clone(&self.text),
            pattern: Arc::clone(&self.pattern),
            required: Arc::clone(&self.required),
            bucket: self.bucket.clone(),
        }
    }
}

impl<P> Clone for Many<P> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), by_text: self.by_text.clone(), listed: self.listed.clone() }
    }
}

impl<P> Default for Sieve<P> {
    fn default() -> Self {
        Self::Few(Arc::default())
    }
}

#[cfg(test)]
#[path = "sieve_tests.rs"]
mod tests;
