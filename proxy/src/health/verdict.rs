//! What an attempt's outcome means: to passive checks by their settings, to circuit breakers always the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use sluicegate_table::PassiveCheck;

use super::Outcome;

/// What an outcome means to passive checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ends a row of failures.
    Success,
    /// It is one more of them.
    Failure,
    /// The endpoint asks for a rest. It says itself when to come again, so that this is no failure.
    Rest(Duration),
    /// Nothing.
    None,
}

impl Outcome {
    /// What it means to passive checks.
    pub(crate) fn verdict(self, check: &PassiveCheck) -> Verdict {
        match self {
            Self::Answered { status, retry_after } => {
                if !check.statuses.iter().any(|range| range.contains(status.as_u16())) {
                    return Verdict::Success;
                }
                let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
                match retry_after.filter(|wait| asks && !wait.is_zero()) {
                    Some(wait) => Verdict::Rest(wait),
                    None => Verdict::Failure,
                }
            }
            Self::NotConnected | Self::Reset | Self::TimedOut => Verdict::Failure,
            Self::Slow => Verdict::None,
        }
    }

    /// Whether it is a failure to circuit breakers.
    pub(crate) fn fails_breaker(self) -> bool {
        match self {
            Self::Answered { status, .. } => status.is_server_error(),
            Self::NotConnected | Self::Reset | Self::TimedOut | Self::Slow => true,
        }
    }
}

/// What was judged of an attempt so far.
#[derive(Debug, Default)]
pub(crate) struct Judged(AtomicU64);

/// The same, to look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The answer's head came, so that its body may still break.
    pub(crate) answered: bool,
    /// It was a failure to passive checks.
    pub(crate) passive: bool,
    /// It was a failure to the circuit breaker.
    pub(crate) breaker: bool,
    /// It was slow, so that passive checks have still to judge what becomes of it.
    pub(crate) slow: bool,
    /// The number of the success that it was to the endpoint, up to 28 bits; 0: none.
    pub(crate) success: u32,
    /// The same to the circuit breaker of the pool as a whole.
    pub(crate) pool_success: u32,
}

impl Judged {
    const JUDGED: u64 = 1;
    const ANSWERED: u64 = 2;
    const PASSIVE: u64 = 4;
    const BREAKER: u64 = 8;
    /// Behind the numbers of successes.
    const SLOW: u64 = 1 << 60;
    /// Where the numbers of successes begin, and how long each is.
    const SUCCESS: u32 = 4;
    const NUMBER: u32 = 28;

    /// `None`: nothing yet.
    pub(crate) fn get(&self) -> Option<Judgement> {
        let bits = self.0.load(Ordering::Relaxed);
        (bits != 0).then_some(Judgement {
            answered: bits & Self::ANSWERED != 0,
            passive: bits & Self::PASSIVE != 0,
            breaker: bits & Self::BREAKER != 0,
            slow: bits & Self::SLOW != 0,
            success: Self::number(bits >> Self::SUCCESS),
            pool_success: Self::number(bits >> (Self::SUCCESS + Self::NUMBER)),
        })
    }

    pub(crate) fn set(&self, judgement: Judgement) {
        let mark = |set: bool, mark: u64| if set { mark } else { 0 };
        let bits = Self::JUDGED
            | mark(judgement.answered, Self::ANSWERED)
            | mark(judgement.passive, Self::PASSIVE)
            | mark(judgement.breaker, Self::BREAKER)
            | mark(judgement.slow, Self::SLOW)
            | u64::from(judgement.success) << Self::SUCCESS
            | u64::from(judgement.pool_success) << (Self::SUCCESS + Self::NUMBER);
        self.0.store(bits, Ordering::Relaxed);
    }

    fn number(bits: u64) -> u32 {
        (bits & ((1 << Self::NUMBER) - 1)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::fixture::passive;

    fn answered(status: u16, retry_after: Option<u64>) -> Outcome {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        Outcome::Answered { status, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn what_outcomes_mean() {
        let rest = |seconds| Verdict::Rest(Duration::from_secs(seconds));
        for (outcome, verdict, breaker) in [
            (answered(200, None), Verdict::Success, false),
            (answered(404, Some(5)), Verdict::Success, false),
            (answered(500, None), Verdict::Failure, true),
            (answered(500, Some(5)), Verdict::Failure, true),
            (answered(503, Some(5)), rest(5), true),
            (answered(503, Some(0)), Verdict::Failure, true),
            (answered(429, Some(7)), rest(7), false),
            (answered(429, None), Verdict::Failure, false),
            (Outcome::NotConnected, Verdict::Failure, true),
            (Outcome::Reset, Verdict::Failure, true),
            (Outcome::TimedOut, Verdict::Failure, true),
            (Outcome::Slow, Verdict::None, true),
        ] {
            assert_eq!((outcome.verdict(&passive(3, 60)), outcome.fails_breaker()), (verdict, breaker), "{outcome:?}");
        }
        let few = PassiveCheck { statuses: Vec::new(), ..passive(3, 60) };
        assert_eq!(answered(503, Some(5)).verdict(&few), Verdict::Success);
    }

    #[test]
    fn a_judgement_is_kept() {
        let judged = Judged::default();
        assert_eq!(judged.get(), None);
        let highest = (1 << Judged::NUMBER) - 1;
        for bits in 0..16 {
            let judgement = Judgement {
                answered: bits & 1 > 0,
                passive: bits & 2 > 0,
                breaker: bits & 4 > 0,
                slow: bits & 8 > 0,
                success: bits * 77,
                pool_success: highest - bits,
            };
            judged.set(judgement);
            assert_eq!(judged.get(), Some(judgement));
        }
    }
}
