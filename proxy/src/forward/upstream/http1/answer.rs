//! An answer's body on an HTTP/1.1 connection, and the rest of the request where the answer came before it was sent.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;

use super::{Http1, Http1Error, Switched};

/// An answer's body, on its connection.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The request was sent.
    Alone(Http1),
    /// The request is still being sent, by a task of its own: the target may go on reading while the client does not.
    Early(Early),
}

/// A connection that an answer and a request share.
#[derive(Debug)]
pub(crate) struct Early {
    pub(super) connection: Rc<RefCell<Http1>>,
    _sending: Aborted,
}

/// A task that ends with what it was for.
#[derive(Debug)]
struct Aborted(AbortHandle);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Answer {
    pub(super) fn of(connection: Http1) -> Self {
        if connection.0.sending.is_through() { Self::Alone(connection) } else { Self::early(connection) }
    }

    #[cold]
    fn early(connection: Http1) -> Self {
        let connection = Rc::new(RefCell::new(connection));
        let shared = Rc::clone(&connection);
        let sending = tokio::task::spawn_local(async move {
            if let Err(error) = poll_fn(|cx| shared.borrow_mut().0.poll_sending(cx)).await {
                tracing::debug!(%error, "a request that was answered early cannot be sent to its end");
                // The target would wait for the rest; whoever reads its answer finds it broken off.
                shared.borrow().0.entry.cut();
            }
        });
        Self::Early(Early { connection, _sending: Aborted(sending.abort_handle()) })
    }

    /// The next frame.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        match self {
            Self::Alone(connection) => connection.poll_frame(cx),
            Self::Early(early) => early.connection.borrow_mut().poll_frame(cx),
        }
    }

    /// Whether all of it was taken.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Self::Alone(connection) => connection.0.framing.is_end(),
            Self::Early(early) => early.connection.borrow().0.framing.is_end(),
        }
    }

    /// How much is still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let left = match self {
            Self::Alone(connection) => connection.0.framing.left(),
            Self::Early(early) => early.connection.borrow().0.framing.left(),
        };
        left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    /// The connection, where another request may follow.
    pub(crate) fn into_connection(self) -> Option<Http1> {
        let mut connection = self.alone().filter(Http1::is_reusable)?;
        connection.0.kept = true;
        connection.0.input.settle();
        Some(connection)
    }

    /// The byte stream behind an answer that switches protocols; `None`: the request is still being sent.
    pub(crate) fn into_switched(self) -> Option<Switched> {
        self.alone().map(Http1::into_switched)
    }

    fn alone(self) -> Option<Http1> {
        match self {
            Self::Alone(connection) => Some(connection),
            // While its task sends there is no other use for it.
            Self::Early(early) => Rc::try_unwrap(early.connection).ok().map(RefCell::into_inner),
        }
    }
}
