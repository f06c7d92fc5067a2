//! Whether something that was worked out from the words of several endpoints still holds.

use super::atomics::{AtomicU32, AtomicU64, Ordering};

/// Grows with each change of a word, after the word has changed.
#[derive(Debug)]
pub(crate) struct Generation(AtomicU32);

impl Generation {
    /// The first.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// The one at hand. Words that are read after this are no older than it.
    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Begins the next, which comes with all words set before.
    pub(crate) fn grow(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// What was worked out, a number below [`u32::MAX`], and in which generation: both in one, since workers may work it out at
/// the same time.
#[derive(Debug)]
pub(crate) struct WorkedOut(AtomicU64);

impl WorkedOut {
    const NOTHING: u32 = u32::MAX;

    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(u64::from(Self::NOTHING)))
    }

    /// What was worked out in this generation; `None`: nothing was.
    pub(crate) fn get(&self, generation: u32) -> Option<u32> {
        let packed = self.0.load(Ordering::Relaxed);
        ((packed >> 32) as u32 == generation && packed as u32 != Self::NOTHING).then_some(packed as u32)
    }

    /// Keeps what was worked out from words read after this generation was.
    pub(crate) fn set(&self, generation: u32, found: u32) {
        self.0.store(u64::from(generation) << 32 | u64::from(found), Ordering::Relaxed);
    }
}
