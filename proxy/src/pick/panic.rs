//! Panic: using what is not healthy when too little is.
//!
//! Ejecting most of a level overloads the rest of it, so with no lower level to go to its ejected endpoints are used again.
//! Whether that is so changes seldom and takes a look at every endpoint to find out: it is worked out again only when the
//! health of some endpoint has changed.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use sluicegate_table::PassiveCheck;

use super::candidates::Pass;
use super::levels::Level;
use crate::health::Shared;
use crate::health::generation::WorkedOut;
use crate::health::published::Word;

/// Why targets are used that are not healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Panic {
    /// Too few of the level in use, of this priority number, are usable: its ejected ones are used too.
    Level(u16),
    /// Nothing is usable in any level: those that are ejected, fail their checks or are not checked yet are used.
    LastResort,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(priority) => {
                write!(f, "too few targets of priority {priority} are usable, so ejected ones are used too")
            }
            Self::LastResort => f.write_str("no target is usable, so unhealthy ones are used"),
        }
    }
}

/// Which level panics, as far as anybody has looked.
#[derive(Debug)]
pub(crate) struct PanicMode {
    /// `None`: no level ever does.
    shared: Option<Arc<Shared>>,
    /// The level's position, or [`NONE`].
    found: WorkedOut,
}

const NONE: u32 = u32::MAX - 1;

impl PanicMode {
    pub(crate) fn new(levels: &[Level]) -> Self {
        let may = levels.iter().any(|level| level.max_ejected_percent.is_some());
        let shared =
            levels.iter().flat_map(|level| &level.candidates).map(|candidate| candidate.health.shared()).next();
        Self { shared: shared.filter(|_| may).cloned(), found: WorkedOut::new() }
    }

    /// The position of the level that panics.
    pub(crate) fn level(&self, levels: &[Level]) -> Option<usize> {
        let generation = self.shared.as_ref()?.generation();
        match self.found.get(generation) {
            Some(NONE) => None,
            Some(level) => Some(level as usize),
            None => self.look(levels, generation),
        }
    }

    #[cold]
    fn look(&self, levels: &[Level], generation: u32) -> Option<usize> {
        let level = panicking(levels);
        self.found.set(generation, level.map_or(NONE, |level| level as u32));
        level
    }

    /// What people are told.
    pub(crate) fn told(&self, levels: &[Level]) -> Option<Panic> {
        let Some(in_use) = levels.iter().position(|level| level.usable() > 0) else {
            let now = Instant::now();
            let any = levels.iter().any(|level| level.candidates(now, &[], Pass::Unchecked).any_free());
            return any.then_some(Panic::LastResort);
        };
        let panicking = self.level(levels).filter(|panicking| *panicking == in_use)?;
        levels.get(panicking).map(|level| Panic::Level(level.priority))
    }
}

/// The last level that has anything usable, where that is too little.
fn panicking(levels: &[Level]) -> Option<usize> {
    let (position, level) = levels.iter().enumerate().rev().find(|(_, level)| level.usable() > 0)?;
    let least = 100 - usize::from(level.max_ejected_percent?.min(100));
    let too_few = level.usable() * 100 < least * level.candidates.len();
    (too_few && level.ejected() > 0).then_some(position)
}

/// Whether one more endpoint of the level with this priority number may be ejected on these terms. Only one at a time may
/// ask and eject.
pub(crate) fn may_eject(levels: &[Level], priority: Option<u16>, terms: Option<&PassiveCheck>) -> bool {
    let (Some(at), Some(terms)) = (levels.iter().position(|level| Some(level.priority) == priority), terms) else {
        return false;
    };
    let mut from = levels.iter().skip(at);
    let Some(level) = from.next() else { return false };
    let allowed = level.candidates.len() * usize::from(terms.max_ejected_percent) / 100;
    level.ejected() < allowed || from.any(|lower| lower.usable() > 0)
}

impl Level {
    /// How many candidates are usable.
    fn usable(&self) -> usize {
        const NOT: Word = Word::EJECTED.and(Word::RESTING).and(Word::OPEN).and(Word::HALF_OPEN);
        let usable =
            self.candidates.iter().filter(|candidate| !candidate.health.word().has(NOT) && candidate.checked());
        usable.count()
    }

    /// How many are ejected.
    fn ejected(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.health.word().has(Word::EJECTED)).count()
    }
}

#[cfg(test)]
mod tests;
