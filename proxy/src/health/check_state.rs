//! What active checks with the same settings have found out about an endpoint.
//!
//! | state | on a success | on a failure |
//! |---|---|---|
//! | Unchecked | Passing at once | Failing after `unhealthyThreshold` in a row |
//! | Passing | stays | Failing after `unhealthyThreshold` in a row |
//! | Failing | Passing after `healthyThreshold` in a row | stays |

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sluicegate_table::{ActiveCheck, EgressProxy};
use tokio::time::Instant;

use super::{EndpointHealth, Shared};

/// What active checks with the same settings have found out about an endpoint. Shared by all pools that check it so.
#[derive(Debug)]
pub struct CheckState {
    settings: ActiveCheck,
    egress_proxy: Option<EgressProxy>,
    /// A [`CheckStatus`].
    status: AtomicU8,
    row: Mutex<Row>,
    endpoint: Weak<EndpointHealth>,
    shared: Arc<Shared>,
}

/// What active checks say of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CheckStatus {
    /// It may get requests.
    Passing = 0,
    /// None has succeeded yet, and too few have failed to tell.
    Unchecked = 1,
    /// It is unhealthy.
    Failing = 2,
}

/// The last results, as far as they are alike.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    passed: bool,
    length: u32,
}

impl CheckState {
    pub(super) fn new(
        (settings, egress_proxy): (ActiveCheck, Option<EgressProxy>),
        status: CheckStatus,
        endpoint: Weak<EndpointHealth>,
        shared: Arc<Shared>,
    ) -> Self {
        let status = AtomicU8::new(status as u8);
        Self { settings, egress_proxy, status, row: Mutex::default(), endpoint, shared }
    }

    /// How is checked.
    pub fn settings(&self) -> &ActiveCheck {
        &self.settings
    }

    /// What checks go through: what goes for one way says nothing about another.
    pub fn egress_proxy(&self) -> Option<&EgressProxy> {
        self.egress_proxy.as_ref()
    }

    /// What the checks say.
    pub fn status(&self) -> CheckStatus {
        match self.status.load(Ordering::Relaxed) {
            0 => CheckStatus::Passing,
            1 => CheckStatus::Unchecked,
            _ => CheckStatus::Failing,
        }
    }

    /// Whether the endpoint may get requests.
    pub(crate) fn passes(&self) -> bool {
        self.status.load(Ordering::Relaxed) == CheckStatus::Passing as u8
    }

    /// Takes in the result of a check at `now`. Every worker sees what follows from it at once.
    pub fn set(&self, passed: bool, now: Instant) {
        let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        let length = if row.passed == passed { row.length.saturating_add(1) } else { 1 };
        *row = Row { passed, length };
        let before = self.status();
        let after = match (before, passed) {
            (CheckStatus::Unchecked, true) => CheckStatus::Passing,
            (CheckStatus::Failing, true) if length >= self.settings.healthy_threshold => CheckStatus::Passing,
            (CheckStatus::Unchecked | CheckStatus::Passing, false) if length >= self.settings.unhealthy_threshold => {
                CheckStatus::Failing
            }
            _ => before,
        };
        if after == before {
            return;
        }
        if after == CheckStatus::Passing
            && let Some(endpoint) = self.endpoint.upgrade()
        {
            endpoint.passed_checks(before, now);
        }
        self.status.store(after as u8, Ordering::Relaxed);
        drop(row);
        self.shared.changed();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::time::Duration;

    use sluicegate_table::Probe;

    use super::*;

    #[test]
    fn thresholds_decide() {
        let settings = ActiveCheck {
            probe: Probe::Tcp,
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        };
        let endpoint = EndpointHealth::new(&Arc::default());
        let state = endpoint.check(&settings, None);
        assert!(Arc::ptr_eq(&state, &endpoint.check(&settings, None)));
        let other = endpoint.check(&ActiveCheck { healthy_threshold: 1, ..settings }, None);
        let now = Instant::now();
        let mut seen = String::new();
        for result in "-+--+----+-++--+---".chars() {
            state.set(result == '+', now);
            seen.push(match state.status() {
                CheckStatus::Passing => 'P',
                CheckStatus::Unchecked => 'U',
                CheckStatus::Failing => 'F',
            });
        }
        assert_eq!(seen, "UPPPPPPFFFFFPPPPPPF");
        assert_eq!(other.status(), CheckStatus::Unchecked);
        for _ in 0..3 {
            other.set(false, now);
        }
        assert_eq!(other.status(), CheckStatus::Failing);
        other.set(true, now);
        assert_eq!(other.status(), CheckStatus::Passing);
    }

    #[test]
    fn the_same_question_at_other_times_begins_with_its_answer() {
        let settings = ActiveCheck {
            probe: Probe::Tcp,
            interval: Duration::from_secs(15),
            timeout: Duration::from_secs(5),
            healthy_threshold: 2,
            unhealthy_threshold: 1,
        };
        let endpoint = EndpointHealth::new(&Arc::default());
        let state = endpoint.check(&settings, None);
        for (passed, status) in [(false, CheckStatus::Failing), (true, CheckStatus::Passing)] {
            for _ in 0..2 {
                state.set(passed, Instant::now());
            }
            let other = endpoint.check(&ActiveCheck { interval: Duration::from_secs(5), ..settings.clone() }, None);
            assert_eq!(other.status(), status);
            let question = ActiveCheck { probe: Probe::Grpc { service: String::new() }, ..settings.clone() };
            assert_eq!(endpoint.check(&question, None).status(), CheckStatus::Unchecked);
        }
    }
}
