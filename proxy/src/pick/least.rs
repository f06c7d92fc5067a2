//! The least of a score: what `LeastConnections` and `LeastLatency` have in common.
//!
//! In a small pool every candidate is looked at and the least wins, ties going by turn, so that an idle pool is used
//! evenly. In a large one that would cost too much, and all workers would rush to the same one: two are drawn by weight
//! and the lesser of them wins, which is nearly as even (M. Mitzenmacher, "The Power of Two Choices in Randomized Load
//! Balancing", 1996).

use std::cmp::Ordering;

use super::algorithm::{Because, Choice};
use super::candidates::{Candidate, Candidates};
use super::sequence::Run;
use super::weighted_round_robin::WeightedRoundRobin;

/// Up to this many candidates, every one is looked at.
pub(crate) const EXACT_UP_TO: usize = 16;

/// How often a second candidate is drawn that differs from the first.
const ATTEMPTS: u32 = 4;

/// The free candidate of the least score.
pub(crate) fn choose(
    among: &Candidates<'_>,
    run: Run,
    turns: &WeightedRoundRobin,
    score: impl Fn(&Candidate) -> f64,
) -> Option<Choice> {
    if among.all.len() <= EXACT_UP_TO { exact(among, run, turns, score) } else { of_two(among, turns, score) }
}

fn exact(
    among: &Candidates<'_>,
    run: Run,
    turns: &WeightedRoundRobin,
    score: impl Fn(&Candidate) -> f64,
) -> Option<Choice> {
    let mut least = f64::INFINITY;
    // One bit for each position that has the least score.
    let mut tied = 0_u32;
    for (position, candidate) in among.iter_free() {
        let score = score(candidate);
        match score.partial_cmp(&least) {
            Some(Ordering::Less) => {
                least = score;
                tied = 1 << position;
            }
            Some(Ordering::Equal) => tied |= 1 << position,
            Some(Ordering::Greater) | None => {}
        }
    }
    if tied.is_power_of_two() {
        return Some(Choice { position: tied.trailing_zeros() as usize, because: Because::Least });
    }
    turns
        .choose_where(among, run, |position| tied >> position & 1 == 1)
        .map(|choice| Choice { because: Because::LeastByTurn, ..choice })
}

fn of_two(among: &Candidates<'_>, turns: &WeightedRoundRobin, score: impl Fn(&Candidate) -> f64) -> Option<Choice> {
    let first = turns.draw().among(among, |_| true)?;
    let second = (0..ATTEMPTS).find_map(|_| turns.draw().among(among, |_| true).filter(|second| *second != first));
    let score = |position: usize| among.all.get(position).map_or(f64::INFINITY, &score);
    let position = match second {
        Some(second) if score(second) < score(first) => second,
        _ => first,
    };
    Some(Choice { position, because: Because::LesserOfTwo })
}
