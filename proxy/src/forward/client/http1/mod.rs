//! An HTTP/1.1 connection from a client.
//!
//! One future reads a head, has it served, and writes the answer; hyper's server parses the same way and then hands each
//! message through a service, a body channel and an encoder of its own (docs/decisions/http1.md). Knowing where the
//! client's bytes are, it can also say what hyper cannot: 408 to half a head behind an answer, an interim answer,
//! `Connection: close` in an answer that comes before its request's end.
//!
//! ```text
//!         ┌───────────────── may go on ─────────────────┐
//!         ▼                                             │
//!   poll_head ──▶ exchange::serve ──▶ Sending: head, body ──▶ end: closes, lingers
//!         │  refused                  ▲     │ 101
//!         └──────── raw answer ───────┼─────┼──▶ end
//!                                     │     └──▶ Prefixed, to the tunnel
//!               Http1Body ◀── Open ───┘
//! ```

mod answer_head;
mod body;
mod date;
mod open;
mod request_head;

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::response::Response;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use tokio::io::{AsyncRead, ReadBuf};

use answer_head::Asked;
pub(crate) use body::Http1Body;
pub(crate) use date::Date;
use open::Open;
use request_head::RequestHead;

use super::body::ClientBody;
use super::connection::ClientConnection;
use super::io::ClientIo;
use super::state::Verdict;
use crate::answer::Reason;
use crate::forward::exchange::{self, AnswerBody};
use crate::forward::http1::{Framing, Prefixed, Sending};

/// The byte stream of a client's connection after a 101.
pub(crate) type ClientSwitched = Prefixed<ClientIo>;

/// Of a body that nobody wants, what is read only to use its connection again: what nginx, too, would rather read than
/// have the client connect anew.
const PASSED_OVER: u64 = 64 * 1024;

/// Serves a connection of which `read` was read, to its end.
pub(super) async fn serve(client: Rc<ClientConnection>, io: ClientIo, read: BytesMut) {
    Connection {
        client,
        open: Rc::new(RefCell::new(Open::new(io, read))),
        seen: 0,
        headers: HeaderMap::new(),
        sending: Sending::nothing(),
    }
    .run()
    .await;
}

struct Connection {
    client: Rc<ClientConnection>,
    open: Rc<RefCell<Open>>,
    /// How many of the bytes that were read are known not to end a head.
    seen: usize,
    /// Room for the next request's fields.
    headers: HeaderMap,
    sending: Sending<AnswerBody>,
}

/// What comes after an exchange.
enum Next {
    /// Another one.
    Request,
    /// The end, all being said.
    End,
    /// Nothing: the client has gone, or its answer broke off.
    Cut,
    /// What both sides have switched to.
    Switch,
}

impl Connection {
    async fn run(mut self) {
        loop {
            let head = poll_fn(|cx| self.poll_head(cx)).await;
            let next = match head {
                Ok(Some(head)) => self.exchange(head).await,
                Ok(None) => Next::End,
                Err(reason) => return self.refuse(reason).await,
            };
            match next {
                Next::Request => self.let_others().await,
                Next::End => {
                    let owed = self.open.borrow_mut().owed();
                    return self.end(owed, true).await;
                }
                Next::Cut => return,
                Next::Switch => return self.switch(),
            }
        }
    }

    /// Others on this thread have their turn between requests that came together and are answered without waiting.
    async fn let_others(&self) {
        if !self.open.borrow().input.bytes.is_empty() {
            tokio::task::coop::consume_budget().await;
        }
    }

    /// The next request's head; `None`: there is none to come.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<RequestHead>, Reason>> {
        let state = &self.client.state;
        let limit = self.client.worker.settings().limits.request_headers;
        let open = &mut *self.open.borrow_mut();
        loop {
            if !open.framing.is_end() {
                // What is left of a request that was answered before its end.
                state.is_not_idle();
                if !open.pass_over() {
                    return Poll::Ready(Ok(None));
                }
            }
            if open.framing.is_end() {
                if let Some(head) = request_head::take(&mut open.input.bytes, &mut self.seen, &mut self.headers, limit)?
                {
                    return Poll::Ready(Ok(Some(head)));
                }
                if !open.input.bytes.is_empty() {
                    state.begin_head();
                }
            }
            let asked = open.framing.is_end() && !open.input.bytes.is_empty();
            match state.verdict() {
                Verdict::None => {}
                Verdict::Graceful if asked => {}
                // A client that sent nothing has asked nothing: there is nothing to answer.
                Verdict::HeaderTimeout if asked => return Poll::Ready(Err(Reason::HeaderTimeout)),
                Verdict::Graceful | Verdict::HeaderTimeout | Verdict::Close => return Poll::Ready(Ok(None)),
            }
            open.settle();
            match ready!(open.input.poll_fill(&mut open.io, cx)) {
                Ok(read) if read > 0 => {}
                Ok(_) | Err(_) => {
                    open.ended = true;
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    async fn exchange(&mut self, head: RequestHead) -> Next {
        let RequestHead { parts, framing, keep_alive, expects, trailers } = head;
        let http_10 = parts.version == Version::HTTP_10;
        let mut asked = Asked { http_10, head: parts.method == Method::HEAD, trailers, keep_alive };
        let body = self.begin(framing, expects);
        let mut serving = pin!(exchange::serve(Rc::clone(&self.client), Request::from_parts(parts, body)));
        let served = poll_fn(|cx| {
            if let Poll::Ready(Ok(answer)) = serving.as_mut().poll(cx) {
                return Poll::Ready(Some(answer));
            }
            self.poll_meanwhile(cx).map(|()| None)
        });
        let Some(answer) = served.await else { return Next::Cut };
        let status = answer.status();
        self.answer(answer, &mut asked);
        match poll_fn(|cx| self.poll_sending(cx)).await {
            Next::Request if status == StatusCode::SWITCHING_PROTOCOLS => Next::Switch,
            Next::Request if !asked.keep_alive => Next::End,
            next => next,
        }
    }

    /// Begins a request, whose body this is.
    fn begin(&mut self, framing: Framing, expects: bool) -> ClientBody {
        let open = &mut *self.open.borrow_mut();
        open.number = open.number.wrapping_add(1);
        (open.framing, open.expects) = (framing, expects);
        if framing.is_end() {
            return ClientBody::Empty;
        }
        ClientBody::Http1(Http1Body { open: Rc::downgrade(&self.open), number: open.number })
    }

    /// What happens while the answer is waited for; ready when the client has gone.
    fn poll_meanwhile(&self, cx: &mut Context<'_>) -> Poll<()> {
        let open = &mut *self.open.borrow_mut();
        self.client.put_interim(|heads| open.put_interim(heads));
        match open.poll_interim(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) | Poll::Pending => open.poll_gone(cx),
        }
    }

    /// Begins to send an answer, and decides whether the connection goes on after it.
    fn answer(&mut self, answer: Response<AnswerBody>, asked: &mut Asked) {
        let open = &mut *self.open.borrow_mut();
        self.client.put_interim(|heads| open.put_interim(heads));
        asked.keep_alive &= self.client.state.verdict() == Verdict::None && self.may_go_on(open);
        // Nothing comes between an answer's head and its body.
        open.expects = false;
        let (parts, body) = answer.into_parts();
        let date = self.client.worker.date();
        self.sending.begin(body, |text, body| answer_head::write(text, &parts, body, asked, date));
        // What is written is done with; its room serves for the next request's fields.
        self.headers = parts.headers;
        self.headers.clear();
    }

    /// Whether the request's end is there, or little of it is missing that nobody wants any more.
    fn may_go_on(&self, open: &mut Open) -> bool {
        if open.framing.is_end() {
            return true;
        }
        let wanted = Rc::weak_count(&self.open) > 0;
        !wanted
            && open.pass_over()
            && open.framing.left().is_some_and(|left| left == 0 || left <= PASSED_OVER && !open.expects)
    }

    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let open = &mut *self.open.borrow_mut();
        if ready!(open.poll_interim(cx)).is_err() {
            return Poll::Ready(Next::Cut);
        }
        match self.sending.poll(&mut open.io, cx) {
            Poll::Ready(Ok(())) if self.sending.take_failure().is_none() => Poll::Ready(Next::Request),
            Poll::Ready(_) => Poll::Ready(Next::Cut),
            Poll::Pending => open.poll_gone(cx).map(|()| Next::Cut),
        }
    }

    /// Answers a head that is none, or that does not come.
    #[cold]
    async fn refuse(self, reason: Reason) {
        self.client.worker.record_unread(reason, self.client.forwarded.peer());
        let mut refusal = Vec::new();
        answer_head::write_refusal(&mut refusal, reason, self.client.worker.date());
        self.open.borrow_mut().put_interim(&refusal);
        // Who has had its time for a head gets no more; what it has sent so far is read, so that the answer arrives.
        self.end(true, reason != Reason::HeaderTimeout).await;
    }

    /// Closes our side. `owed`: the client may have sent what nobody has read. `linger`: its end is waited for then.
    async fn end(self, owed: bool, linger: bool) {
        let said = poll_fn(|cx| self.open.borrow_mut().poll_end(cx));
        if said.await.is_err() || !owed {
            return;
        }
        self.client.state.linger();
        poll_fn(|cx| {
            let discarded = self.poll_discard(&mut self.open.borrow_mut(), cx);
            if linger { discarded } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Throws away what comes, up to the client's end.
    fn poll_discard(&self, open: &mut Open, cx: &mut Context<'_>) -> Poll<()> {
        let mut piece = [const { MaybeUninit::uninit() }; 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut piece);
            // Past TLS: its records need not be understood any more.
            match ready!(Pin::new(open.io.tcp()).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.client.state.lingers_on(),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Gives the stream to who has switched.
    #[cold]
    fn switch(self) {
        if let Ok(open) = Rc::try_unwrap(self.open) {
            let open = open.into_inner();
            self.client.switch(Prefixed::new(open.input.bytes, open.io, ()));
        }
    }
}

#[cfg(test)]
mod tests;
