//! Doing something after changes, but not too often.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Says when something is to be done about changes: at once after the first, and a least time after the last time, with
/// what changed in between as one.
#[derive(Debug)]
pub(crate) struct Pace {
    least: Duration,
    not_before: Instant,
    changed: bool,
}

impl Pace {
    /// With `least` time between two times.
    pub(crate) fn new(least: Duration) -> Self {
        Self { least, not_before: Instant::now(), changed: false }
    }

    /// Leaves at least `time` from now until the next time.
    pub(crate) fn rest(&mut self, time: Duration) {
        self.not_before = self.not_before.max(Instant::now() + time);
    }

    /// Done when something is to be done about a change, of which `changed` is the word. Dropped before, it forgets
    /// nothing.
    pub(crate) async fn due(&mut self, changed: impl Future<Output = ()>) {
        if !self.changed {
            changed.await;
            self.changed = true;
        }
        sleep_until(self.not_before).await;
        self.changed = false;
        self.not_before = Instant::now() + self.least;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_change_is_acted_on_at_once_and_later_ones_together() {
        let begun = Instant::now();
        let (changes, mut word) = watch::channel(0);
        let mut pace = Pace::new(Duration::from_secs(1));
        let mut seen = Vec::new();
        for change in 1..=3 {
            changes.send_replace(change);
            // Two are dropped while they wait for their time, which loses nothing.
            let due = pace.due(async { word.changed().await.unwrap() });
            if timeout(Duration::from_millis(300), due).await.is_ok() {
                seen.push((begun.elapsed().as_millis(), *word.borrow_and_update()));
            }
        }
        pace.due(async { word.changed().await.unwrap() }).await;
        seen.push((begun.elapsed().as_millis(), *word.borrow_and_update()));
        assert_eq!(seen, [(0, 1), (1000, 3)]);

        changes.send_replace(4);
        pace.rest(Duration::from_secs(5));
        pace.due(async { word.changed().await.unwrap() }).await;
        assert_eq!(begun.elapsed().as_millis(), 6000);
        word.mark_unchanged();
        assert!(timeout(Duration::from_mins(1), pace.due(async { word.changed().await.unwrap() })).await.is_err());
    }
}
