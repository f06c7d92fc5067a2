//! What the algorithms have in common.

use std::time::Instant;

use super::candidates::{Candidate, Candidates};
use super::least_connections::LeastConnections;
use super::least_latency::LeastLatency;
use super::random::Random;
use super::round_robin::RoundRobin;
use super::sequence::{Run, Sequence};
use super::shares::Share;
use super::weighted_round_robin::WeightedRoundRobin;
use super::weights::Weights;

/// A way to choose among the candidates of a level.
pub(crate) trait Algorithm {
    /// The candidate that gets the request. At least one is free when this is asked.
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice>;

    /// What the algorithm compares, smaller is better; `None` where it compares nothing.
    fn score(&self, _candidate: &Candidate, _now: Instant) -> Option<f64> {
        None
    }
}

/// A chosen candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its position among the candidates.
    pub(crate) position: usize,
    /// Why it was chosen.
    pub(crate) because: Because,
}

/// Why a candidate was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// The request belongs to it.
    Affine,
    /// No other is usable in its level.
    Only,
    /// It is its turn.
    Turn,
    /// It is the turn of one that may not get the request; this one stands in.
    StandsIn,
    /// It was drawn by weight.
    Drawn,
    /// It has the least score.
    Least,
    /// It has the least score together with others, and among them the turn.
    LeastByTurn,
    /// It has the lesser score of two that were drawn.
    LesserOfTwo,
}

/// The algorithm of a level. An enum rather than a trait object: one jump, and each algorithm is compiled into it.
#[derive(Debug)]
pub(crate) enum AnyAlgorithm {
    RoundRobin(RoundRobin),
    WeightedRoundRobin(WeightedRoundRobin),
    LeastConnections(LeastConnections),
    Random(Random),
    LeastLatency(LeastLatency),
}

impl AnyAlgorithm {
    /// `algorithm` over `candidates`, which have these `shares` of a level whose members have these `weights`.
    pub(crate) fn new(
        algorithm: sluicegate_table::Algorithm,
        weights: &Weights,
        shares: &[Share],
        candidates: &[Candidate],
        sequence: Sequence,
    ) -> Self {
        let turns = |sequence| WeightedRoundRobin::new(weights, shares, candidates, sequence);
        match algorithm {
            sluicegate_table::Algorithm::RoundRobin => Self::RoundRobin(RoundRobin::new(shares, sequence)),
            sluicegate_table::Algorithm::WeightedRoundRobin => Self::WeightedRoundRobin(turns(sequence)),
            sluicegate_table::Algorithm::LeastConnections => {
                Self::LeastConnections(LeastConnections::new(turns(sequence)))
            }
            sluicegate_table::Algorithm::Random => Self::Random(Random::new(candidates)),
            sluicegate_table::Algorithm::LeastLatency => Self::LeastLatency(LeastLatency::new(turns(sequence))),
        }
    }
}

impl Algorithm for AnyAlgorithm {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        // Second attempts have turns of their own. With two members of which one fails, each first attempt would else be the
        // failing one's: the other's turns would all go to second attempts.
        let run = if run == Run::Real && !among.tried.is_empty() { Run::Again } else { run };
        match self {
            Self::RoundRobin(algorithm) => algorithm.choose(among, run),
            Self::WeightedRoundRobin(algorithm) => algorithm.choose(among, run),
            Self::LeastConnections(algorithm) => algorithm.choose(among, run),
            Self::Random(algorithm) => algorithm.choose(among, run),
            Self::LeastLatency(algorithm) => algorithm.choose(among, run),
        }
    }

    fn score(&self, candidate: &Candidate, now: Instant) -> Option<f64> {
        match self {
            Self::RoundRobin(algorithm) => algorithm.score(candidate, now),
            Self::WeightedRoundRobin(algorithm) => algorithm.score(candidate, now),
            Self::LeastConnections(algorithm) => algorithm.score(candidate, now),
            Self::Random(algorithm) => algorithm.score(candidate, now),
            Self::LeastLatency(algorithm) => algorithm.score(candidate, now),
        }
    }
}
