//! Counting attempts: what became of each, which were tried again, and what stood in for targets.

use std::sync::atomic::{AtomicU64, Ordering};

use super::requests::add;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl $name {
            /// All of them, each at its number.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The label.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words! {
    /// What became of an attempt.
    AttemptOutcome {
        /// An answer's head came.
        Answered = "answered",
        /// No connection came about.
        NotConnected = "not-connected",
        /// Connections, and the queue for them, were full.
        Overloaded = "overloaded",
        /// The target refused the request unprocessed.
        Refused = "refused",
        /// The connection broke before an answer's head.
        Reset = "reset",
        /// No answer's head came in time.
        TimedOut = "timed-out",
    }
}

words! {
    /// What was decided about an attempt that failed.
    RetryDecision {
        /// Tried again.
        Retried = "retried",
        /// Tried again at the next priority level.
        FailedOver = "failed-over",
        /// Not: the Rule's `attempts` are used up.
        Attempts = "attempts",
        /// Not: the budget is used up.
        Budget = "budget",
        /// Not: its body is not kept.
        Body = "body",
        /// Not: the wait would last too long.
        Wait = "wait",
        /// Not: no target may get it.
        NoTarget = "no-target",
        /// Not: the Rule excludes such requests.
        Excluded = "excluded",
    }
}

words! {
    /// What stood in for targets whose circuit breakers are open.
    FallbackKind {
        /// Another Upstream.
        Upstream = "upstream",
        /// A fixed answer.
        Response = "response",
        /// The last good answer.
        Cache = "cache",
    }
}

/// What a route's attempts came to.
#[derive(Debug, Default)]
pub(super) struct AttemptCounts {
    outcomes: [AtomicU64; AttemptOutcome::ALL.len()],
    decisions: [AtomicU64; RetryDecision::ALL.len()],
    fallbacks: [AtomicU64; FallbackKind::ALL.len()],
}

/// Sums over shards, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AttemptTotals {
    outcomes: [u64; AttemptOutcome::ALL.len()],
    decisions: [u64; RetryDecision::ALL.len()],
    fallbacks: [u64; FallbackKind::ALL.len()],
}

impl AttemptCounts {
    pub(super) fn ended(&self, outcome: AttemptOutcome) {
        count(&self.outcomes, outcome as usize);
    }

    pub(super) fn decided(&self, decision: RetryDecision) {
        count(&self.decisions, decision as usize);
    }

    pub(super) fn fell_back(&self, kind: FallbackKind) {
        count(&self.fallbacks, kind as usize);
    }

    pub(super) fn add_to(&self, totals: &mut AttemptTotals) {
        sum(&mut totals.outcomes, &self.outcomes);
        sum(&mut totals.decisions, &self.decisions);
        sum(&mut totals.fallbacks, &self.fallbacks);
    }
}

impl AttemptTotals {
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        AttemptOutcome::ALL.iter().map(|outcome| outcome.word()).zip(self.outcomes)
    }

    pub(super) fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RetryDecision::ALL.iter().map(|decision| decision.word()).zip(self.decisions)
    }

    pub(super) fn fallbacks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FallbackKind::ALL.iter().map(|kind| kind.word()).zip(self.fallbacks)
    }
}

fn count(counters: &[AtomicU64], number: usize) {
    if let Some(counter) = counters.get(number) {
        add(counter, 1);
    }
}

fn sum(totals: &mut [u64], counters: &[AtomicU64]) {
    for (total, counter) in totals.iter_mut().zip(counters) {
        *total += counter.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shards_count_is_added_up_under_its_word() {
        let (one, two) = (AttemptCounts::default(), AttemptCounts::default());
        one.ended(AttemptOutcome::Reset);
        two.ended(AttemptOutcome::Reset);
        two.decided(RetryDecision::Excluded);
        one.fell_back(FallbackKind::Cache);
        let mut totals = AttemptTotals::default();
        one.add_to(&mut totals);
        two.add_to(&mut totals);
        let counted = |counts: Vec<(&'static str, u64)>| counts.into_iter().filter(|(_, count)| *count > 0).collect();
        let all: Vec<_> = totals.outcomes().chain(totals.decisions()).chain(totals.fallbacks()).collect();
        let counted: Vec<_> = counted(all);
        assert_eq!(counted, [("reset", 2), ("excluded", 1), ("cache", 1)]);
    }
}
