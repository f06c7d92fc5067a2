//! Ramp: an endpoint that returns or is new gets its share little by little.

use std::time::Duration;

use tokio::time::Instant;

use super::published::Word;
use super::timetable::after;

/// A share that grows from a tenth to the whole, in a straight line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ramp {
    began: Instant,
    /// Above zero.
    length: Duration,
    /// The share in force, of [`Word::WHOLE`].
    share: u32,
}

impl Ramp {
    /// The time from one share to the next.
    pub(super) const STEP: Duration = Duration::from_millis(100);

    /// The first share.
    const FIRST: u32 = Word::WHOLE / 10;

    /// A ramp of this length; `None`: there is nothing to ramp.
    pub(super) fn new(now: Instant, length: Duration) -> Option<Self> {
        (!length.is_zero()).then_some(Self { began: now, length, share: Self::FIRST })
    }

    /// The share, of [`Word::WHOLE`].
    pub(super) fn share(self) -> u32 {
        self.share
    }

    /// The ramp at a later time; `None`: it is over.
    pub(super) fn tick(self, now: Instant) -> Option<Self> {
        let passed = now.saturating_duration_since(self.began);
        if passed >= self.length {
            return None;
        }
        let part = u128::from(Word::WHOLE - Self::FIRST) * passed.as_nanos() / self.length.as_nanos().max(1);
        Some(Self { share: (Self::FIRST + part as u32).max(self.share), ..self })
    }

    /// When the next step is due, seen from `now`.
    pub(super) fn due(self, now: Instant) -> Instant {
        (now + Self::STEP).min(after(self.began, self.length))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_grows_from_a_tenth_to_the_whole() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(Ramp::new(start, Duration::ZERO), None);
        let mut ramp = Ramp::new(start, Duration::from_secs(9)).unwrap();
        assert_eq!(ramp.share() * 10 / Word::WHOLE, 0);
        for (millis, percent) in [(0, 10), (1000, 20), (4500, 55), (8000, 90), (8999, 100)] {
            ramp = ramp.tick(at(millis)).unwrap();
            let share = f64::from(ramp.share()) / f64::from(Word::WHOLE);
            assert!((share - f64::from(percent) / 100.0).abs() < 0.001, "{millis}: {share}");
        }
        assert_eq!(ramp.tick(at(9000)), None);
        assert_eq!((ramp.due(at(3000)), ramp.due(at(8950))), (at(3100), at(9000)));
    }
}
