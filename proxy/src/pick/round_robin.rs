//! `RoundRobin`: each usable target in turn.

use super::algorithm::{Algorithm, Because, Choice};
use super::candidates::Candidates;
use super::sequence::{Run, Sequence};
use super::shares::{Share, divided};

/// Turns over the candidates. Unusable members are no candidates, so they leave no gap that a neighbour would fill.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    sequence: Sequence,
    /// Where Targets have several candidates.
    shares: Option<Box<[Share]>>,
}

impl RoundRobin {
    /// Turns of these `shares` that go on with `sequence`.
    pub(crate) fn new(shares: &[Share], sequence: Sequence) -> Self {
        Self { sequence, shares: divided(shares) }
    }
}

/// Turns of Targets, and within each of its endpoints.
fn divided_turn(shares: &[Share], turn: u64, among: &Candidates<'_>) -> Option<Choice> {
    let free = |position: usize| among.free(position);
    let count = shares.len().max(1) as u64;
    let round = turn / count;
    let share = shares.get((turn % count) as usize)?;
    if let Some(choice) = share.turn(round, free) {
        return Some(choice);
    }
    let others = || shares.iter().filter(|share| share.positions().any(free));
    let stand_in = round.checked_rem(others().count() as u64)?;
    let choice = others().nth(stand_in as usize)?.turn(round, free)?;
    Some(Choice { because: Because::StandsIn, ..choice })
}

impl Algorithm for RoundRobin {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        let turn = self.sequence.turn(run);
        if let Some(shares) = &self.shares {
            return divided_turn(shares, turn, among);
        }
        let count = among.all.len().max(1) as u64;
        let position = (turn % count) as usize;
        if among.free(position) {
            return Some(Choice { position, because: Because::Turn });
        }
        // The turn of one that is not free goes to the free ones in turn, one further each round: always the next one
        // would get twice its share.
        let free = among.iter_free().count().max(1) as u64;
        let stand_in = ((turn / count) % free) as usize;
        among.iter_free().nth(stand_in).map(|(position, _)| Choice { position, because: Because::StandsIn })
    }
}

#[cfg(test)]
mod tests;
