//! `WeightedRoundRobin`: exact shares by weight in any 100 consecutive requests.

use super::algorithm::{Algorithm, Because, Choice};
use super::candidates::{Candidate, Candidates};
use super::draw::Draw;
use super::sequence::{Run, Sequence};
use super::weights::Weights;

/// In place of a position: the slot's member is not usable.
const VACANT: u32 = u32::MAX;

/// A sequence over an order of slots. The slots of unusable members stay in the order, and what falls on them is drawn:
/// so the others keep their own slots, and every proxy that shares a sequence agrees about whose slot is whose.
#[derive(Debug)]
pub(crate) struct WeightedRoundRobin {
    /// Positions of candidates.
    slots: Box<[u32]>,
    draw: Draw,
    sequence: Sequence,
}

impl WeightedRoundRobin {
    /// Turns by `weights` that go on with `sequence`. `weights` are those of all members of the level, of which
    /// `first_member` is the first; `candidates` the usable ones.
    pub(crate) fn new(weights: &Weights, first_member: u32, candidates: &[Candidate], sequence: Sequence) -> Self {
        let slots = weights.order().into_iter().map(|member| {
            candidates
                .binary_search_by_key(&(first_member + member as u32), |candidate| candidate.member.0)
                .map_or(VACANT, |position| position as u32)
        });
        Self { slots: slots.collect(), draw: Draw::new(candidates), sequence }
    }

    /// The choice among the free candidates for which `wanted` holds.
    pub(crate) fn choose_where(
        &self,
        among: &Candidates<'_>,
        run: Run,
        wanted: impl Fn(usize) -> bool,
    ) -> Option<Choice> {
        let turn = self.sequence.turn(run);
        let slot = (turn % self.slots.len().max(1) as u64) as usize;
        let position = self.slots.get(slot).copied().unwrap_or(VACANT) as usize;
        if among.free(position) && wanted(position) {
            return Some(Choice { position, because: Because::Turn });
        }
        self.draw.among(among, wanted).map(|position| Choice { position, because: Because::StandsIn })
    }

    /// Draws by weight, without using up a turn.
    pub(crate) fn draw(&self) -> &Draw {
        &self.draw
    }
}

impl Algorithm for WeightedRoundRobin {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        self.choose_where(among, run, |_| true)
    }
}

#[cfg(test)]
mod tests;
