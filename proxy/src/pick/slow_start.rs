//! Slow start: what joins others gets its share little by little.

use std::sync::Arc;
use std::time::Duration;

use super::candidates::Candidate;
use super::levels::Level;

/// Begins the ramps of endpoints that are new in `now` and that nobody has used before, where others of their level were
/// there already: an endpoint on its own has nobody who could take over its share.
pub(crate) fn begin(length: Duration, before: &[Level], now: &[Level]) {
    let was_there = |candidate: &&Candidate| {
        let mut before = before.iter().flat_map(|level| &level.candidates);
        before.any(|before| Arc::ptr_eq(&before.load, &candidate.load))
    };
    for level in now {
        if !level.candidates.iter().any(|candidate| was_there(&candidate)) {
            continue;
        }
        let new = level.candidates.iter().filter(|candidate| !was_there(candidate));
        for candidate in new.filter(|candidate| !candidate.load.was_picked()) {
            candidate.health.slow_start(length, !candidate.checked());
        }
    }
}

#[cfg(test)]
mod tests;
