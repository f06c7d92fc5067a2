//! The health of an endpoint, shared by all pools, workers and versions of the table.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use sluicegate_table::ActiveCheck;
use tokio::time::Instant;

use super::{CheckState, CheckStatus, Shared, View};

/// The health of an endpoint, shared by all pools, workers and versions of the table.
#[derive(Debug)]
pub struct EndpointHealth {
    /// Those that some pool in force uses. Pools with the same settings share one.
    checks: Mutex<Vec<Weak<CheckState>>>,
    me: Weak<Self>,
    shared: Arc<Shared>,
}

impl EndpointHealth {
    /// The health of a new endpoint.
    pub fn new(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self { checks: Mutex::default(), me: me.clone(), shared: Arc::clone(shared) })
    }

    /// What is known of it.
    pub fn view(&self) -> View {
        View::healthy()
    }

    /// What active checks with these settings have found out: the same for everyone who asks for the same.
    pub fn check(&self, settings: &ActiveCheck) -> Arc<CheckState> {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        checks.retain(|check| {
            let Some(check) = check.upgrade() else { return false };
            if check.settings() == settings {
                found = Some(check);
            }
            true
        });
        found.unwrap_or_else(|| {
            let new = Arc::new(CheckState::new(settings.clone(), self.me.clone(), Arc::clone(&self.shared)));
            checks.push(Arc::downgrade(&new));
            new
        })
    }

    /// Active checks let it have requests again, or for the first time.
    #[expect(clippy::unused_self, reason = "nothing follows from it yet")]
    pub(super) fn passed_checks(&self, _before: CheckStatus, _now: Instant) {}
}
