//! Failures in a row, as passive checks count them.

use std::collections::VecDeque;

use sluicegate_table::PassiveCheck;
use tokio::time::Instant;

/// Failures in a row and when they were, latest last. Pools may have different thresholds, so that as many are kept as the
/// highest of them asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    failures: VecDeque<Instant>,
    most: usize,
}

impl Row {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds a failure.
    pub(super) fn fail(&mut self, now: Instant, check: &PassiveCheck) {
        self.most = self.most.max(check.threshold as usize);
        self.failures.push_back(now);
        while self.failures.len() > self.most {
            self.failures.pop_front();
        }
    }

    /// Whether it is long enough to eject.
    pub(super) fn ejects(&self, now: Instant, check: &PassiveCheck) -> bool {
        let recent = |failure: &&Instant| now.saturating_duration_since(**failure) <= check.interval;
        self.failures.iter().rev().take_while(recent).count() >= check.threshold as usize
    }

    /// Puts failures in front of these.
    pub(super) fn resume(&mut self, mut earlier: Self) {
        earlier.most = earlier.most.max(self.most);
        earlier.failures.append(&mut self.failures);
        *self = earlier;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::fixture::passive;

    #[test]
    fn failures_in_a_row_eject_while_none_is_too_old() {
        let check = passive(3, 10);
        let start = Instant::now();
        let mut row = Row::default();
        for (second, ejects) in [(0, false), (6, false), (11, false), (15, true), (16, true), (27, false)] {
            let now = start + Duration::from_secs(second);
            row.fail(now, &check);
            assert_eq!(row.ejects(now, &check), ejects, "{second}");
        }
        assert_eq!(row.failures.len(), 3);
    }

    #[test]
    fn each_threshold_counts_for_itself() {
        let (low, high) = (passive(2, 10), passive(4, 10));
        let now = Instant::now();
        let mut row = Row::default();
        row.fail(now, &high);
        for _ in 0..2 {
            row.fail(now, &low);
        }
        assert!(row.ejects(now, &low) && !row.ejects(now, &high));
        row.fail(now, &low);
        assert!(row.ejects(now, &high));
    }

    #[test]
    fn a_row_goes_on_where_it_was_taken_to_have_ended() {
        let check = passive(3, 10);
        let now = Instant::now();
        let mut row = Row::default();
        row.fail(now, &check);
        let earlier = std::mem::take(&mut row);
        assert!(row.is_empty());
        row.fail(now, &check);
        row.resume(earlier);
        row.fail(now, &check);
        assert!(row.ejects(now, &check));
    }
}
