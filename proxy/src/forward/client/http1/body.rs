//! A request's body on an HTTP/1.1 connection.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Weak;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::open::Open;
use crate::forward::error::ClientBodyError;
use crate::forward::http1::Framing;

/// A request's body, on its connection. It does not keep the connection.
#[derive(Debug)]
pub(crate) struct Http1Body {
    pub(super) open: Weak<RefCell<Open>>,
    /// The request's.
    pub(super) number: u32,
}

impl Http1Body {
    /// What is still to come; `None`: the request is over.
    fn framing(&self) -> Option<Framing> {
        let open = self.open.upgrade()?;
        let open = open.borrow();
        (open.number == self.number).then_some(open.framing)
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = ClientBodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        let Some(open) = self.open.upgrade() else { return Poll::Ready(Some(Err(ClientBodyError::Over))) };
        let mut open = open.borrow_mut();
        if open.number != self.number {
            return Poll::Ready(Some(Err(ClientBodyError::Over)));
        }
        let frame = open.poll_frame(cx);
        if open.framing.is_end() || open.ended {
            open.is_read(cx);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.framing().is_some_and(Framing::is_end)
    }

    fn size_hint(&self) -> SizeHint {
        self.framing().and_then(Framing::left).map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
