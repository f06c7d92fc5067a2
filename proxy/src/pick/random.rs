//! `Random`: a draw by weight.

use super::algorithm::{Algorithm, Because, Choice};
use super::candidates::{Candidate, Candidates};
use super::draw::Draw;
use super::sequence::Run;

/// Draws by weight, each request on its own.
#[derive(Debug)]
pub(crate) struct Random {
    draw: Draw,
}

impl Random {
    /// Draws among `candidates`.
    pub(crate) fn new(candidates: &[Candidate]) -> Self {
        Self { draw: Draw::new(candidates) }
    }
}

impl Algorithm for Random {
    fn choose(&self, among: &Candidates<'_>, _run: Run) -> Option<Choice> {
        self.draw.among(among, |_| true).map(|position| Choice { position, because: Because::Drawn })
    }
}

#[cfg(test)]
mod tests;
