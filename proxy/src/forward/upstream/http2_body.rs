//! A client's body as hyper sends it over HTTP/2: as it is, but for trailers, which go through the same filter as those over
//! HTTP/1.1.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::{BodyFailed, RequestBody};
use crate::forward::headers::strip_trailers;

/// A client's body as a target gets it over HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2Body(RequestBody);

impl Http2Body {
    /// This body.
    pub(crate) fn new(body: RequestBody) -> Self {
        Self(body)
    }

    /// The body that it was made of, or what is left of it.
    pub(crate) fn into_inner(self) -> RequestBody {
        self.0
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let next = Pin::new(&mut self.get_mut().0).poll_frame(cx);
        match next {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => Poll::Ready(stripped(frame).map(Ok)),
            next => next,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// What may be in trailers; `None`: nothing is left, so that the body ends without any.
#[cold]
fn stripped(frame: Frame<Bytes>) -> Option<Frame<Bytes>> {
    let mut trailers = frame.into_trailers().ok()?;
    strip_trailers(&mut trailers);
    (!trailers.is_empty()).then(|| Frame::trailers(trailers))
}
