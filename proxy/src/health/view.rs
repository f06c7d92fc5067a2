//! What is known of an endpoint's health, for those who tell people: reports, metrics, logs, `explain`.

use sluicegate_table::watch::{BreakerState, UnhealthyReason};
use tokio::time::Instant;

/// What is known of an endpoint's health at a moment. That it drains or is disabled follows from the table and is not
/// part of this, nor are active checks, which belong to it and their settings ([`super::CheckState`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its circuit breaker.
    pub breaker: BreakerState,
    /// Until when the circuit breaker is open; `None`: it is not.
    pub open_until: Option<Instant>,
    /// Until when it is ejected; `None`: it is not.
    pub ejected_until: Option<Instant>,
    /// How many ejections in a row the last one was; 0: none so far.
    pub times_ejected: u32,
    /// Until when it rests; `None`: it does not.
    pub resting_until: Option<Instant>,
    /// How much of its share of the requests it gets, of [`Self::WHOLE`].
    pub share: u32,
    /// How often it was ejected since the process started to know it.
    pub ejections: u64,
    /// How often its circuit breaker opened.
    pub openings: u64,
}

impl View {
    /// The whole share.
    pub const WHOLE: u32 = 65_536;

    /// Why it gets no requests while others do, apart from active checks; `None`: it is healthy.
    pub fn reason(&self) -> Option<UnhealthyReason> {
        if self.breaker != BreakerState::Closed {
            Some(UnhealthyReason::CircuitOpen)
        } else if self.resting_until.is_some() {
            Some(UnhealthyReason::Resting)
        } else {
            self.ejected_until.map(|_| UnhealthyReason::Ejected)
        }
    }

    /// As [`Self::reason`], with what active checks found, where there are any.
    pub fn reason_with(&self, check: Option<super::CheckStatus>) -> Option<UnhealthyReason> {
        self.reason().or_else(|| match check? {
            super::CheckStatus::Passing => None,
            super::CheckStatus::Failing => Some(UnhealthyReason::FailedChecks),
            super::CheckStatus::Unchecked => Some(UnhealthyReason::NotChecked),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::CheckStatus;

    #[test]
    fn what_real_answers_tell_is_the_reason_whether_there_are_checks_or_not() {
        let healthy = View {
            breaker: BreakerState::Closed,
            open_until: None,
            ejected_until: None,
            times_ejected: 0,
            resting_until: None,
            share: View::WHOLE,
            ejections: 0,
            openings: 0,
        };
        let ejected = View { ejected_until: Some(Instant::now()), ..healthy.clone() };
        for check in [None, Some(CheckStatus::Passing), Some(CheckStatus::Failing)] {
            assert_eq!(ejected.reason_with(check), Some(UnhealthyReason::Ejected), "{check:?}");
        }
        assert_eq!(healthy.reason_with(None), None);
        assert_eq!(healthy.reason_with(Some(CheckStatus::Failing)), Some(UnhealthyReason::FailedChecks));
    }
}
