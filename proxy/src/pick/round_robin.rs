//! `RoundRobin`: each usable target in turn.

use super::algorithm::{Algorithm, Because, Choice};
use super::candidates::Candidates;
use super::sequence::{Run, Sequence};

/// Turns over the candidates. Unusable members are no candidates, so they leave no gap that a neighbour would fill.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    sequence: Sequence,
}

impl RoundRobin {
    /// Turns that go on with `sequence`.
    pub(crate) fn new(sequence: Sequence) -> Self {
        Self { sequence }
    }
}

impl Algorithm for RoundRobin {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        let turn = self.sequence.turn(run);
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
