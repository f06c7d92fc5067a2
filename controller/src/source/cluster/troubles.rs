//! What does not work at the moment, for the log and for who asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// What does not work at the moment. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<String, Trouble>>>);

/// One thing that does not work.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Since when.
    pub since: Instant,
    /// Why, with a remedy where one can be told.
    pub why: String,
}

impl Troubles {
    /// What does not work, such as `watching Secrets in namespace a`, and why.
    pub fn current(&self) -> BTreeMap<String, Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something does not work. Said once in the log, and again where the reason changes.
    pub(super) fn note(&self, what: &str, why: &str) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match troubles.get_mut(what) {
            Some(trouble) if trouble.why == why => return,
            Some(trouble) => why.clone_into(&mut trouble.why),
            None => {
                troubles.insert(what.to_owned(), Trouble { since: Instant::now(), why: why.to_owned() });
            }
        }
        tracing::warn!(what, why, "does not work: what is known stays in force, and it is tried again");
    }

    /// It works.
    pub(super) fn over(&self, what: &str) {
        let trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
        if let Some(trouble) = trouble {
            tracing::info!(what, after = ?trouble.since.elapsed(), "works again");
        }
    }
}
