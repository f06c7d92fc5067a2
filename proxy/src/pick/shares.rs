//! The candidates of a level by Target: a Target's share of the traffic is its endpoints' together.
//!
//! The endpoints of one Target stand next to each other among the candidates. Where every Target has one endpoint, which
//! is the rule outside of clusters, algorithms do without this.

use std::ops::Range;

use super::algorithm::{Because, Choice};

/// The candidates of one Target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The member's position in its level.
    pub(crate) member: usize,
    first: u32,
    count: u32,
}

impl Share {
    /// The share of the level's member at `member`, whose candidates have these positions.
    pub(crate) fn new(member: usize, positions: Range<usize>) -> Self {
        Self { member, first: positions.start as u32, count: positions.len() as u32 }
    }

    /// The positions of its candidates.
    pub(crate) fn positions(self) -> Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }

    /// Who gets the Target's turn of this number among the candidates for which `fits` holds: each in rotation. The
    /// turns of one that does not fit go to those that do, in rotation too, so that none inherits a neighbour's.
    pub(crate) fn turn(self, number: u64, fits: impl Fn(usize) -> bool) -> Option<Choice> {
        let count = u64::from(self.count.max(1));
        let position = self.first as usize + (number % count) as usize;
        if fits(position) {
            return Some(Choice { position, because: Because::Turn });
        }
        let fitting = || self.positions().filter(|position| fits(*position));
        let stand_in = (number / count).checked_rem(fitting().count() as u64)?;
        fitting().nth(stand_in as usize).map(|position| Choice { position, because: Because::StandsIn })
    }
}

/// The shares of a level in which some Target has several candidates; `None` where each has one.
pub(crate) fn divided(shares: &[Share]) -> Option<Box<[Share]>> {
    shares.iter().any(|share| share.count != 1).then(|| shares.into())
}

#[cfg(test)]
mod tests;
