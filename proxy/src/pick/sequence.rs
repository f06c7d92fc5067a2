//! The sequence that all workers of the process share, for turns that must be exact over all of them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
/// Whether a choice is made or only asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// A request is waiting: the choice uses up its turn.
    Real,
    /// A request that has been to another member is waiting: it uses up a turn of those that are kept for such requests.
    Again,
    /// `explain`: nothing changes.
    Dry,
}

/// A sequence of turns. Versions of a pool share it, so that an edit neither repeats nor skips a turn even while some
/// workers still pick from the last version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence(Arc<Counter>);

/// On cache lines of its own: every worker writes it for every request.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter {
    first: AtomicU64,
    again: AtomicU64,
}

impl Sequence {
    /// The number of the turn at hand; a real run uses it up. (At a billion a second the numbers last 580 years.)
    pub(crate) fn turn(&self, run: Run) -> u64 {
        match run {
            Run::Real => self.0.first.fetch_add(1, Ordering::Relaxed),
            Run::Again => self.0.again.fetch_add(1, Ordering::Relaxed),
            Run::Dry => self.0.first.load(Ordering::Relaxed),
        }
    }
}
