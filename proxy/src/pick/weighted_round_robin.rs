//! `WeightedRoundRobin`: exact shares by weight in any 100 consecutive requests.

use super::algorithm::{Algorithm, Because, Choice};
use super::candidates::{Candidate, Candidates};
use super::draw::Draw;
use super::sequence::{Run, Sequence};
use super::shares::{Share, divided};
use super::weights::Weights;

/// In place of a position: the slot's member is not usable.
const VACANT: u32 = u32::MAX;

/// A sequence over an order of slots. The slots of unusable members stay in the order, and what falls on them is drawn:
/// so the others keep their own slots, and every proxy that shares a sequence agrees about whose slot is whose.
#[derive(Debug)]
pub(crate) struct WeightedRoundRobin {
    /// Positions of candidates; where Targets have several, of shares.
    slots: Box<[u32]>,
    divided: Option<Divided>,
    draw: Draw,
    sequence: Sequence,
}

/// The turns of Targets that have several endpoints.
#[derive(Debug)]
struct Divided {
    shares: Box<[Share]>,
    /// For each slot, how many before it are the same Target's, and how many are in all.
    turns: Box<[(u32, u32)]>,
}

impl WeightedRoundRobin {
    /// Turns by `weights` that go on with `sequence`. `weights` are those of all members of the level, `shares` those of
    /// the usable ones, who have these `candidates`.
    pub(crate) fn new(weights: &Weights, shares: &[Share], candidates: &[Candidate], sequence: Sequence) -> Self {
        let order = weights.order();
        // Where each Target has one candidate, a share has the position of its candidate.
        let share = |member: &usize| shares.binary_search_by_key(member, |share| share.member);
        let slots = order.iter().map(|member| share(member).map_or(VACANT, |at| at as u32)).collect();
        let divided = divided(shares).map(|shares| Divided { shares, turns: turns(&order) });
        Self { slots, divided, draw: Draw::new(candidates), sequence }
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
        let at = self.slots.get(slot).copied().unwrap_or(VACANT) as usize;
        let fits = |position: usize| among.free(position) && wanted(position);
        match &self.divided {
            None if fits(at) => return Some(Choice { position: at, because: Because::Turn }),
            None => {}
            Some(divided) => {
                let round = turn / self.slots.len().max(1) as u64;
                if let Some(choice) = divided.choose(slot, at, round, fits) {
                    return Some(choice);
                }
            }
        }
        self.draw.among(among, wanted).map(|position| Choice { position, because: Because::StandsIn })
    }

    /// Draws by weight, without using up a turn.
    pub(crate) fn draw(&self) -> &Draw {
        &self.draw
    }
}

impl Divided {
    /// The choice within the Target that the slot belongs to, the slots having been gone through `round` times.
    fn choose(&self, slot: usize, share: usize, round: u64, fits: impl Fn(usize) -> bool) -> Option<Choice> {
        let (before, in_all) = self.turns.get(slot)?;
        self.shares.get(share)?.turn(round * u64::from(*in_all) + u64::from(*before), fits)
    }
}

/// For each slot of an order, how many before it are the same member's, and how many are in all.
fn turns(order: &[usize]) -> Box<[(u32, u32)]> {
    let mut counts = vec![0; order.iter().max().map_or(0, |last| last + 1)];
    let mut count = |member: &usize| {
        let count: &mut u32 = counts.get_mut(*member)?;
        *count += 1;
        Some(*count - 1)
    };
    let before: Vec<u32> = order.iter().map(|member| count(member).unwrap_or(0)).collect();
    let in_all = |member: &usize| counts.get(*member).copied().unwrap_or(1);
    before.into_iter().zip(order.iter().map(in_all)).collect()
}

impl Algorithm for WeightedRoundRobin {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        self.choose_where(among, run, |_| true)
    }
}

#[cfg(test)]
mod tests;
