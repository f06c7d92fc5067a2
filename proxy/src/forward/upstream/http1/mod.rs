//! An HTTP/1.1 connection to a target, which one exchange at a time has to itself.
//!
//! The exchange polls it: there is no task beside it, no channel to it, and nothing is copied from one future to another.
//! hyper's client has all of these, at 40 % of what a request cost (docs/decisions/http1.md).
//!
//! ```text
//!   begin ──▶ poll_head ──▶ poll_frame … end ──▶ may be kept for another
//!    │ Sending: head, body   │ Framing over Input
//!    ▼                       ▼
//!  the stream              the stream
//! ```
//!
//! While it is idle nobody polls it; whether it still serves is asked when it is taken.

mod answer;
mod answer_head;
mod error;
mod interim;
mod request_head;

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::{Body as _, Frame};

pub(crate) use answer::Answer;
pub use error::Http1Error;
use interim::Waiting;

use super::body::RequestBody;
use super::driven::Entry;
use super::gate::Permit;
use super::io::UpstreamStream;
use crate::forward::client::ClientConnection;
use crate::forward::http1::{Coding, Framing, Input, Prefixed, Sending, Taken};

/// The byte stream of a connection after a 101.
pub(crate) type Switched = Prefixed<UpstreamStream, (Entry, Permit)>;

/// An HTTP/1.1 connection to a target.
#[derive(Debug)]
pub(crate) struct Http1(Box<Open>);

#[derive(Debug)]
struct Open {
    stream: UpstreamStream,
    input: Input,
    /// How many of the input's bytes are known not to end a head.
    seen: usize,
    sending: Sending<RequestBody>,
    /// Of the answer that is being read.
    framing: Framing,
    /// What is asked for is a HEAD.
    to_head: bool,
    keep_alive: bool,
    /// An answer came over it before.
    kept: bool,
    /// What is asked for may be asked for again where nothing is heard.
    again: bool,
    /// The target has said something since it was asked.
    heard: bool,
    /// Room for the next answer's fields.
    headers: HeaderMap,
    interim: Waiting,
    /// So that it can be cut.
    entry: Entry,
    /// Once it is closed another may be opened in its place.
    permit: Permit,
}

/// A request of which only its head was sent, as it was written.
#[derive(Debug)]
pub(crate) struct Again {
    head: Vec<u8>,
    to_head: bool,
}

impl Http1 {
    pub(super) fn new(stream: UpstreamStream, entry: Entry, permit: Permit) -> Self {
        Self(Box::new(Open {
            stream,
            input: Input::of(BytesMut::new()),
            seen: 0,
            sending: Sending::nothing(),
            framing: Framing::END,
            to_head: false,
            keep_alive: true,
            kept: false,
            again: false,
            heard: false,
            headers: HeaderMap::new(),
            interim: Waiting::default(),
            entry,
            permit,
        }))
    }

    /// Whether an idle connection still serves: the target has neither closed it nor said anything unasked.
    pub(super) fn serves(&mut self) -> bool {
        self.0.stream.is_quiet()
    }

    /// Begins a request; [`Self::poll_head`] sends it.
    pub(crate) fn begin(&mut self, request: Request<RequestBody>) {
        let open = &mut *self.0;
        let (parts, body) = request.into_parts();
        open.again = open.kept && body.is_end_stream() && parts.method.is_idempotent();
        open.heard = false;
        open.sending.begin(body, |text, body| request_head::write(text, &parts, body));
        open.to_head = parts.method == Method::HEAD;
        // What is written is done with; its room serves for the answer's fields.
        open.headers = parts.headers;
        open.headers.clear();
    }

    /// The request, where it went over a connection that was kept and the target closed that without a word: it need not
    /// have seen the request, and what is idempotent and has no body may be sent again without asking anybody (RFC 9110,
    /// 9.2.2; RFC 9112, 9.3.1).
    #[cold]
    pub(crate) fn into_again(mut self) -> Option<Again> {
        let open = &mut *self.0;
        let again = open.again && !open.heard;
        again.then(|| Again { head: open.sending.take_head(), to_head: open.to_head })
    }

    /// Begins a request that another connection did not take.
    #[cold]
    pub(crate) fn begin_again(&mut self, again: Again) {
        let open = &mut *self.0;
        open.to_head = again.to_head;
        (open.again, open.heard) = (false, false);
        open.sending.begin(RequestBody::empty(), |text, _| {
            *text = again.head;
            Coding::Length(0)
        });
    }

    /// Sends the request and reads the answer's final head. Interim ones are passed on to `client`; `None`: it takes none.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        client: Option<&ClientConnection>,
    ) -> Poll<Result<Parts, Http1Error>> {
        let open = &mut *self.0;
        if let Poll::Ready(Err(error)) = open.poll_sending(cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            while let Some(mut head) = answer_head::take(&mut open.input.bytes, &mut open.seen, &mut open.headers)? {
                let status = head.parts.status;
                if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                    if let Some(client) = client {
                        open.interim.pass_on(client);
                    }
                    // Hints after the answer are worth nothing.
                    open.interim = Waiting::default();
                    open.keep_alive = head.keep_alive;
                    open.framing = if status == StatusCode::SWITCHING_PROTOCOLS {
                        // Whatever becomes of it, it is not HTTP/1.1 any more.
                        open.keep_alive = false;
                        Framing::END
                    } else {
                        answer_head::framing(&mut head.parts, open.to_head)?
                    };
                    return Poll::Ready(Ok(head.parts));
                }
                if client.is_some() {
                    open.interim.lay_down(head.parts);
                }
            }
            if let Some(client) = client {
                open.interim.pass_on(client);
            }
            if ready!(open.input.poll_fill(&mut open.stream, cx)).map_err(|error| open.failed(error))? == 0 {
                return Poll::Ready(Err(open.sending.take_failure().map_or(Http1Error::NoHead, Http1Error::Io)));
            }
            open.heard = true;
        }
    }

    /// The answer's body, once its head is there.
    pub(crate) fn into_answer(self) -> Answer {
        Answer::of(self)
    }

    /// The answer's next frame.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Http1Error>>> {
        let open = &mut *self.0;
        loop {
            match open.framing.take(&mut open.input.bytes) {
                Ok(Taken::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Taken::End) => return Poll::Ready(None),
                Ok(Taken::Nothing) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match ready!(open.input.poll_fill(&mut open.stream, cx)) {
                Ok(0) => return Poll::Ready(open.closed().map(Err)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(Http1Error::Io(error)))),
            }
        }
    }

    /// The byte stream behind a 101.
    fn into_switched(self) -> Switched {
        let open = *self.0;
        Prefixed::new(open.input.bytes, open.stream, (open.entry, open.permit))
    }

    /// Whether another request may follow the answer.
    fn is_reusable(&self) -> bool {
        let open = &*self.0;
        let read = open.framing.is_end() && open.input.bytes.is_empty();
        read && open.keep_alive && open.sending.was_written()
    }
}

impl Open {
    /// Sends more of the request; ready when that was all.
    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Http1Error>> {
        if self.sending.is_through() {
            return Poll::Ready(Ok(()));
        }
        self.sending.poll(&mut self.stream, cx).map_err(|_| Http1Error::ClientBody)
    }

    /// Why there is no answer: what failed first.
    #[cold]
    fn failed(&mut self, error: std::io::Error) -> Http1Error {
        Http1Error::Io(self.sending.take_failure().unwrap_or(error))
    }

    /// The target closed the connection within the answer: whether that is its end.
    #[cold]
    fn closed(&mut self) -> Option<Http1Error> {
        self.keep_alive = false;
        if self.framing != Framing::UntilClose {
            // It stays where it is, so that nobody takes what came for all of it.
            return Some(Http1Error::BrokenOff);
        }
        if let Some(error) = self.sending.take_failure() {
            // A reset is told once, and the sending may have been who was told.
            return Some(Http1Error::Io(error));
        }
        self.framing = Framing::END;
        None
    }
}

#[cfg(test)]
mod tests;
