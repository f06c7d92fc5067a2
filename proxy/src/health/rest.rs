//! Rest: an endpoint that answered 429 or 503 with `Retry-After` is left alone for as long.

use std::time::Duration;

use sluicegate_table::PassiveCheck;
use tokio::time::Instant;

use super::timetable::after;

/// Whether an endpoint rests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    until: Option<Instant>,
}

impl Rest {
    /// Until when it rests.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Lets it rest as long as it asked for, at most [`PassiveCheck::LONGEST`] intervals, and never shorter than it asked
    /// for before.
    pub(super) fn rest(&mut self, now: Instant, asked: Duration, check: &PassiveCheck) {
        let until = after(now, asked.min(check.interval.saturating_mul(PassiveCheck::LONGEST)));
        self.until = self.until.max(Some(until));
    }

    /// Ends it when it is over.
    pub(super) fn tick(&mut self, now: Instant) {
        self.until.take_if(|until| *until <= now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::fixture::passive;

    #[test]
    fn it_rests_as_long_as_it_asks_for_within_limits() {
        let check = passive(3, 60);
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        let mut rest = Rest::default();
        rest.rest(now, Duration::from_secs(20), &check);
        assert_eq!(rest.until(), after(20));
        rest.rest(now, Duration::from_secs(5), &check);
        assert_eq!(rest.until(), after(20));
        rest.tick(now + Duration::from_secs(19));
        assert_eq!(rest.until(), after(20));
        rest.rest(now, Duration::from_secs(100_000), &check);
        assert_eq!(rest.until(), after(600));
        rest.tick(now + Duration::from_mins(10));
        assert_eq!(rest.until(), None);
    }
}
