//! Ejection: an endpoint that failed too often in a row gets no requests for a while, longer each time.

use std::time::Duration;

use sluicegate_table::PassiveCheck;
use tokio::time::Instant;

use super::timetable::after;

/// Whether an endpoint is ejected, and how often it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ejection {
    until: Option<Instant>,
    /// How many in a row the last one was; at most [`PassiveCheck::LONGEST`].
    times: u32,
    /// When the last one was over.
    returned: Option<Instant>,
    /// Those of the settings that decided last.
    interval: Duration,
    recovery: Duration,
    /// How many there were.
    count: u64,
}

impl Ejection {
    /// Until when it is ejected.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How many ejections in a row the last one was.
    pub(super) fn times(&self) -> u32 {
        self.times
    }

    /// How many ejections there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Ejects it: for the interval, times one more than the last time, less one for each interval served since. One that
    /// is ejected stays so for as long as it was.
    pub(super) fn eject(&mut self, now: Instant, check: &PassiveCheck) {
        if self.until.is_some() {
            return;
        }
        if let Some(returned) = self.returned {
            let served = now.saturating_duration_since(returned).as_nanos() / self.interval.as_nanos().max(1);
            self.times = self.times.saturating_sub(u32::try_from(served).unwrap_or(u32::MAX));
        }
        self.times = (self.times + 1).min(PassiveCheck::LONGEST);
        self.count += 1;
        (self.interval, self.recovery) = (check.interval, check.recovery);
        self.until = Some(after(now, check.interval.saturating_mul(self.times)));
    }

    /// Nobody has set it any more: it begins anew.
    pub(super) fn forget(&mut self) {
        *self = Self { count: self.count, ..Self::default() };
    }

    /// Ends it when it is over; the time that the endpoint then takes to get its whole share.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Duration> {
        self.until.take_if(|until| *until <= now)?;
        self.returned = Some(now);
        Some(self.recovery)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::health::fixture::passive;

    #[test]
    fn each_in_a_row_lasts_longer_up_to_ten_times() {
        let check = passive(3, 60);
        let mut now = Instant::now();
        let mut ejection = Ejection::default();
        for times in (1..=10).chain([10, 10]) {
            ejection.eject(now, &check);
            assert_eq!(ejection.until(), Some(now + Duration::from_mins(1) * times));
            now = ejection.until().unwrap();
            assert_eq!(ejection.tick(now.checked_sub(Duration::from_nanos(1)).unwrap()), None);
            assert_eq!(ejection.tick(now), Some(check.recovery));
            assert_eq!((ejection.until(), ejection.tick(now)), (None, None));
        }
        assert_eq!(ejection.count(), 12);
    }

    #[test]
    fn serving_for_an_interval_takes_one_off() {
        let check = passive(3, 60);
        let mut now = Instant::now();
        let mut ejection = Ejection::default();
        for (served, times) in [(0, 1), (59, 2), (0, 3), (60, 3), (120, 2), (200, 1), (1_000_000, 1), (0, 2)] {
            now += Duration::from_secs(served);
            ejection.eject(now, &check);
            assert_eq!(ejection.times(), times, "after {served} s");
            now = ejection.until().unwrap();
            ejection.tick(now);
        }
    }

    #[test]
    fn an_ejected_one_is_not_ejected_again() {
        let check = passive(3, 60);
        let now = Instant::now();
        let mut ejection = Ejection::default();
        ejection.eject(now, &check);
        let until = ejection.until();
        ejection.eject(now + Duration::from_secs(30), &check);
        assert_eq!((ejection.until(), ejection.times(), ejection.count()), (until, 1, 1));
    }
}
