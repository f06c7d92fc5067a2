//! Waiting for a future no longer than a deadline.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::clock::Deadline;

/// The future's result, or `None` once the deadline has passed. Without a deadline, just the future.
pub(crate) async fn within<F: Future>(deadline: Option<&Deadline>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if deadline.is_some_and(|deadline| deadline.poll_passed(cx)) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
