//! Time for one worker: a coarse clock and deadlines that are swept, not timed.
//!
//! A timer of tokio's per request costs 0.35 µs. Deadlines here are entries of a slab that one task per worker looks
//! through every [`TICK`]; a deadline is late by at most two ticks and never early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

/// How often deadlines are looked through.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Milliseconds since the worker started, as of the last tick.
pub(crate) type Millis = u64;

/// A worker's coarse clock and its deadlines.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    now: Cell<Millis>,
    deadlines: RefCell<Slab<Entry>>,
}

#[derive(Debug)]
struct Entry {
    at: Millis,
    waker: Option<Waker>,
}

impl Clock {
    /// A clock that starts at zero.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { start: Instant::now(), now: Cell::new(0), deadlines: RefCell::new(Slab::new()) })
    }

    /// The time as of the last tick.
    pub(crate) fn now(&self) -> Millis {
        self.now.get()
    }

    /// The time since an earlier one, as of the last tick.
    pub(crate) fn since(&self, earlier: Millis) -> Duration {
        Duration::from_millis(self.now().saturating_sub(earlier))
    }

    /// Moves the clock on and wakes what is due.
    pub(crate) fn tick(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now.set(now);
        for (_, entry) in &mut *self.deadlines.borrow_mut() {
            if entry.at <= now
                && let Some(waker) = entry.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// A deadline `after` from now.
    pub(crate) fn deadline(self: &Rc<Self>, after: Duration) -> Deadline {
        let key = self.deadlines.borrow_mut().insert(Entry { at: self.due(after), waker: None });
        Deadline { clock: Rc::clone(self), key }
    }

    fn due(&self, after: Duration) -> Millis {
        // The clock may be one tick behind: adding it keeps a deadline from being early.
        let after = u64::try_from((after + TICK).as_millis()).unwrap_or(u64::MAX);
        self.now().saturating_add(after)
    }
}

/// A moment at which a task wants to be woken. Dropping it forgets it.
#[derive(Debug)]
pub(crate) struct Deadline {
    clock: Rc<Clock>,
    key: usize,
}

impl Deadline {
    /// Moves the deadline to `after` from now.
    pub(crate) fn reset(&self, after: Duration) {
        if let Some(entry) = self.clock.deadlines.borrow_mut().get_mut(self.key) {
            entry.at = self.clock.due(after);
        }
    }

    /// The time left, as of the last tick.
    pub(crate) fn remaining(&self) -> Duration {
        let deadlines = self.clock.deadlines.borrow();
        let at = deadlines.get(self.key).map_or(0, |entry| entry.at);
        Duration::from_millis(at.saturating_sub(self.clock.now()))
    }

    /// Whether the deadline has passed; where it has not, the task of `cx` is woken when it does.
    pub(crate) fn poll_passed(&self, cx: &Context<'_>) -> bool {
        let mut deadlines = self.clock.deadlines.borrow_mut();
        let Some(entry) = deadlines.get_mut(self.key) else { return false };
        if entry.at <= self.clock.now() {
            return true;
        }
        match &entry.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => entry.waker = Some(cx.waker().clone()),
        }
        false
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.clock.deadlines.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    async fn passed(deadline: Deadline) {
        poll_fn(|cx| if deadline.poll_passed(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        let clock = Clock::new();
        let start = Instant::now();
        let sweep = async {
            loop {
                tokio::time::sleep(TICK).await;
                clock.tick();
            }
        };
        tokio::select! {
            () = passed(clock.deadline(Duration::from_millis(210))) => {}
            () = sweep => {}
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(210), "early: {took:?}");
        assert!(took <= Duration::from_millis(210) + 2 * TICK, "late: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_deadline_counts_anew_and_a_dropped_one_is_forgotten() {
        let clock = Clock::new();
        let deadline = clock.deadline(Duration::from_millis(100));
        tokio::time::advance(Duration::from_millis(90)).await;
        clock.tick();
        deadline.reset(Duration::from_millis(100));
        tokio::time::advance(Duration::from_millis(90)).await;
        clock.tick();
        let early = poll_fn(|cx| Poll::Ready(deadline.poll_passed(cx))).await;
        assert!(!early);
        drop(deadline);
        assert!(clock.deadlines.borrow().is_empty());
    }
}
