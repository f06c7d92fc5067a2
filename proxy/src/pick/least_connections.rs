//! `LeastConnections`: the fewest requests in flight divided by weight.

use std::time::Instant;

use super::algorithm::{Algorithm, Choice};
use super::candidates::{Candidate, Candidates};
use super::least;
use super::sequence::Run;
use super::weighted_round_robin::WeightedRoundRobin;

/// The fewest requests in flight divided by weight. It counts requests rather than connections, since HTTP/2 carries many
/// on one and idle ones carry none.
#[derive(Debug)]
pub(crate) struct LeastConnections {
    turns: WeightedRoundRobin,
}

impl LeastConnections {
    /// `turns` decide ties.
    pub(crate) fn new(turns: WeightedRoundRobin) -> Self {
        Self { turns }
    }
}

/// Both numbers are exact in an `f64`, so equal ratios are equal scores.
fn score(candidate: &Candidate) -> f64 {
    f64::from(candidate.load.in_flight()) / f64::from(candidate.weight)
}

impl Algorithm for LeastConnections {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        least::choose(among, run, &self.turns, score)
    }

    fn score(&self, candidate: &Candidate, _now: Instant) -> Option<f64> {
        Some(score(candidate))
    }
}

#[cfg(test)]
mod tests;
