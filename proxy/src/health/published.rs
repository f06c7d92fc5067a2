//! What picks read of an endpoint's health: one word, and the places left in a round of probes.
//!
//! Both are written under the lock of the endpoint's state, places also by those who take one or give it back. Nothing else
//! is published through them, so all accesses are relaxed. A pick may read a word that is a moment old: places are none
//! whenever the circuit breaker is not half-open, so that an old word lets no probe through. They are always exchanged and
//! never just stored, so that all their changes are in one order.

use super::atomics::{AtomicU32, AtomicU64, Ordering};

/// What picks read of an endpoint's health.
#[derive(Debug)]
pub(crate) struct Published {
    word: AtomicU32,
    /// The number of the half-open phase in the upper half, the places left in the lower.
    places: AtomicU64,
}

impl Published {
    /// Of one of which nothing bad is known.
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), places: AtomicU64::new(0) }
    }

    /// The word.
    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    /// Replaces the word.
    pub(crate) fn set_word(&self, word: Word) {
        self.word.store(word.0, Ordering::Relaxed);
    }

    /// Places left for probes.
    pub(crate) fn places(&self) -> u32 {
        self.places.load(Ordering::Relaxed) as u32
    }

    /// Begins the half-open phase of this number with so many places.
    pub(crate) fn open_places(&self, phase: u32, places: u32) {
        self.places.swap(pack(phase, places), Ordering::Relaxed);
    }

    /// Ends a half-open phase: nothing can be taken, and what is given back from now on is gone.
    pub(crate) fn close_places(&self, phase: u32) {
        self.places.swap(pack(phase.wrapping_add(1), 0), Ordering::Relaxed);
    }

    /// Adds places to the half-open phase.
    pub(crate) fn add_places(&self, phase: u32, places: u32) {
        self.change(|now, left| (now == phase).then(|| left.saturating_add(places)));
    }

    /// Takes a place; the number of the phase, or `None` where none is left.
    pub(crate) fn take_place(&self) -> Option<u32> {
        self.change(|_, left| left.checked_sub(1))
    }

    /// Gives back a place that was taken in this phase.
    pub(crate) fn give_back(&self, phase: u32) {
        self.add_places(phase, 1);
    }

    /// Replaces the places left by what `change` makes of phase and places; the phase, where anything changed.
    fn change(&self, change: impl Fn(u32, u32) -> Option<u32>) -> Option<u32> {
        let mut packed = self.places.load(Ordering::Relaxed);
        loop {
            let phase = (packed >> 32) as u32;
            let next = pack(phase, change(phase, packed as u32)?);
            match self.places.compare_exchange_weak(packed, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(phase),
                Err(current) => packed = current,
            }
        }
    }
}

fn pack(phase: u32, places: u32) -> u64 {
    u64::from(phase) << 32 | u64::from(places)
}

/// An endpoint's health in a word. 0: nothing bad is known of it, and it gets its whole share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word(u32);

impl Word {
    /// The lower half: how much of its share is withheld, of [`Self::WHOLE`].
    const WITHHELD: u32 = 0xffff;
    /// It is ejected.
    pub(crate) const EJECTED: Self = Self(1 << 16);
    /// It rests.
    pub(crate) const RESTING: Self = Self(1 << 17);
    /// Its circuit breaker is open.
    pub(crate) const OPEN: Self = Self(1 << 18);
    /// Its circuit breaker lets probes through.
    pub(crate) const HALF_OPEN: Self = Self(1 << 19);
    /// It failed lately, so that a success makes a difference. Without effect on picks.
    pub(crate) const FAILED_LATELY: Self = Self(1 << 20);

    /// The whole share.
    pub(crate) const WHOLE: u32 = 65_536;

    /// With these marks too.
    pub(crate) const fn and(self, marks: Self) -> Self {
        Self(self.0 | marks.0)
    }

    /// With these marks, if so.
    pub(crate) const fn and_if(self, condition: bool, marks: Self) -> Self {
        if condition { self.and(marks) } else { self }
    }

    /// With this share of [`Self::WHOLE`]; never none at all.
    pub(crate) const fn with_share(self, share: u32) -> Self {
        let withheld = Self::WHOLE.saturating_sub(share);
        Self(self.0 & !Self::WITHHELD | if withheld > Self::WITHHELD { Self::WITHHELD } else { withheld })
    }

    /// How much of its share it gets, of [`Self::WHOLE`].
    pub(crate) const fn share(self) -> u32 {
        Self::WHOLE - (self.0 & Self::WITHHELD)
    }

    /// Whether it has any of these marks.
    pub(crate) const fn has(self, marks: Self) -> bool {
        self.0 & marks.0 != 0
    }

    /// Whether picks need to look no further.
    pub(crate) const fn is_plain(self) -> bool {
        self.0 & !Self::FAILED_LATELY.0 == 0
    }

    /// The marks that picks go by, without the share.
    pub(crate) const fn marks(self) -> Self {
        Self(self.0 & !(Self::WITHHELD | Self::FAILED_LATELY.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_share_and_marks_apart() {
        assert!(Word::default().is_plain() && Word::FAILED_LATELY.is_plain());
        for share in [1, 6_554, 65_535, Word::WHOLE] {
            let word = Word::EJECTED.and(Word::FAILED_LATELY).with_share(share);
            assert_eq!((word.share(), word.marks()), (share, Word::EJECTED));
            assert!(word.has(Word::EJECTED) && !word.has(Word::RESTING.and(Word::OPEN)) && !word.is_plain());
        }
        assert_eq!(Word::default().with_share(0).share(), 1);
        assert!(!Word::default().with_share(Word::WHOLE - 1).is_plain());
    }

    #[test]
    fn places_are_taken_once_and_given_back_in_their_phase_only() {
        let published = Published::new();
        assert_eq!(published.take_place(), None);
        published.open_places(7, 2);
        assert_eq!([(); 3].map(|()| published.take_place()), [Some(7), Some(7), None]);
        published.give_back(6);
        assert_eq!(published.places(), 0);
        published.give_back(7);
        published.add_places(7, 1);
        assert_eq!(published.places(), 2);
        published.close_places(7);
        published.give_back(7);
        assert_eq!((published.places(), published.take_place()), (0, None));
    }
}
