//! Draws by weight in constant time (Walker's alias method, in Vose's form).

use super::candidates::{Candidate, Candidates};
use super::fast_random;

/// How often a draw is repeated when it hits a candidate that may not be drawn, before those that may are added up.
const ATTEMPTS: u32 = 4;

/// A lottery among the candidates of a level.
#[derive(Debug)]
pub(crate) struct Draw {
    columns: Box<[Column]>,
    /// By candidate.
    tickets: Box<[u32]>,
}

/// A column of the table: a draw that hits it goes to its own candidate below the threshold, to the other one above.
#[derive(Clone, Copy, Debug)]
struct Column {
    threshold: u32,
    other: u32,
}

impl Draw {
    /// A lottery in which candidates have tickets in proportion to their weights.
    pub(crate) fn new(candidates: &[Candidate]) -> Self {
        let tickets = tickets(candidates);
        let count = candidates.len() as u64;
        let total: u64 = tickets.iter().copied().map(u64::from).sum();
        // In units in which a full column is `total`. A column that nobody fills up stays its own candidate's.
        let mut filled: Vec<u64> = tickets.iter().map(|tickets| u64::from(*tickets) * count).collect();
        let mut columns: Vec<Column> =
            (0..candidates.len()).map(|at| Column { threshold: u32::MAX, other: at as u32 }).collect();
        let (mut short, mut long): (Vec<usize>, Vec<usize>) =
            (0..candidates.len()).partition(|&at| filled.get(at).is_some_and(|filled| *filled < total));
        while let (Some(&giver), Some(taker)) = (long.last(), short.pop()) {
            let has = filled.get(taker).copied().unwrap_or(0);
            if let Some(column) = columns.get_mut(taker) {
                *column = Column { threshold: ((has << 32) / total.max(1)) as u32, other: giver as u32 };
            }
            if let Some(left) = filled.get_mut(giver) {
                *left -= total - has;
                if *left < total {
                    long.pop();
                    short.push(giver);
                }
            }
        }
        Self { columns: columns.into(), tickets }
    }

    /// Draws among all candidates.
    fn any(&self) -> usize {
        let (at, coin) = fast_random::below(self.columns.len() as u32);
        match self.columns.get(at as usize) {
            Some(column) if coin > column.threshold => column.other as usize,
            _ => at as usize,
        }
    }

    /// Draws among the free candidates for which `wanted` holds, each with its weight's share of theirs.
    pub(crate) fn among(&self, candidates: &Candidates<'_>, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        for _ in 0..ATTEMPTS {
            let position = self.any();
            if candidates.free(position) && wanted(position) {
                return Some(position);
            }
        }
        let tickets = || {
            let free = candidates.iter_free().filter(|(position, _)| wanted(*position));
            free.filter_map(|(position, _)| Some((position, *self.tickets.get(position)?)))
        };
        let total: u32 = tickets().map(|(_, tickets)| tickets).sum();
        let (mut ticket, _) = fast_random::below(total);
        for (position, tickets) in tickets() {
            match ticket.checked_sub(tickets) {
                Some(rest) => ticket = rest,
                None => return Some(position),
            }
        }
        None
    }
}

/// Where weights are divided over endpoints, there are about this many tickets, so that rounding does not show.
const DIVIDED: f64 = (1_u32 << 30) as f64;

/// The tickets of each candidate: its weight, or a multiple of it where weights are not whole.
#[expect(clippy::cast_sign_loss, reason = "weights are above 0")]
fn tickets(candidates: &[Candidate]) -> Box<[u32]> {
    let weights = || candidates.iter().map(|candidate| f64::from(candidate.weight));
    let whole = weights().all(|weight| weight.fract() == 0.0);
    let scale = if whole { 1.0 } else { DIVIDED / weights().sum::<f64>() };
    weights().map(|weight| (weight * scale).round() as u32).collect()
}
