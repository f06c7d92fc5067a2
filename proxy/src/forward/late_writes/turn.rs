//! What one turn of a worker's tasks wants to send, and the task that sends it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::tcp::Late;

/// More than this is not worth a copy: it is written at once.
pub(super) const MOST: usize = 4096;
/// A turn with more writes than this ends early, so that the first of them does not wait long.
const WRITES: usize = 64;

thread_local! {
    /// `None`: nobody writes late on this thread.
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// What waits for the end of the turn on a thread.
struct Turn {
    writes: Vec<Write>,
    /// The bytes of all writes, one after the other.
    bytes: Vec<u8>,
    /// Sockets that were full, for the writer's task to see to.
    full: Vec<Arc<Late>>,
    writer: Waker,
}

struct Write {
    to: Arc<Late>,
    /// Where its bytes end; they begin where those of the last one end.
    end: usize,
}

/// Sends what this thread's tasks write late, for as long as it is polled. One task a thread.
pub(crate) async fn write_late() {
    let _begun = Begun::begin();
    let mut draining = FuturesUnordered::new();
    poll_fn(|cx| {
        TURN.with_borrow_mut(|turn| {
            if let Some(turn) = turn {
                if !turn.writer.will_wake(cx.waker()) {
                    turn.writer.clone_from(cx.waker());
                }
                turn.send();
                draining.extend(turn.full.drain(..).map(Late::drained));
            }
        });
        while let Poll::Ready(Some(())) = draining.poll_next_unpin(cx) {}
        Poll::<()>::Pending
    })
    .await;
}

/// Takes `parts` to be sent at the end of the turn. `false`: this thread does not write late.
pub(super) fn take<'a>(to: &Arc<Late>, parts: impl Iterator<Item = &'a [u8]>) -> bool {
    TURN.with_borrow_mut(|turn| {
        let Some(turn) = turn else { return false };
        if turn.writes.is_empty() {
            turn.writer.wake_by_ref();
        }
        parts.for_each(|part| turn.bytes.extend_from_slice(part));
        match turn.writes.last_mut() {
            Some(last) if Arc::ptr_eq(&last.to, to) => last.end = turn.bytes.len(),
            _ => turn.writes.push(Write { to: Arc::clone(to), end: turn.bytes.len() }),
        }
        if turn.writes.len() >= WRITES {
            turn.send();
        }
        true
    })
}

/// Ends the turn now.
pub(super) fn send_now() {
    TURN.with_borrow_mut(|turn| {
        if let Some(turn) = turn {
            turn.send();
        }
    });
}

impl Turn {
    fn send(&mut self) {
        let mut start = 0;
        for Write { to, end } in self.writes.drain(..) {
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            if to.send(bytes) {
                self.full.push(to);
                self.writer.wake_by_ref();
            }
        }
        self.bytes.clear();
    }
}

/// The thread writes late until this is dropped.
struct Begun;

impl Begun {
    fn begin() -> Self {
        let turn = Turn {
            writes: Vec::new(),
            bytes: Vec::new(),
            full: Vec::new(),
            // The writer's task has not been polled yet; its own waker comes with its first poll.
            writer: Waker::noop().clone(),
        };
        TURN.set(Some(turn));
        Self
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        send_now();
        TURN.set(None);
    }
}
