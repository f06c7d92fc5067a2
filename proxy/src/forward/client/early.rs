//! Answers over HTTP/1.1 that come before the end of their request.
//!
//! hyper reads no further in a body that nobody wants, and closes the connection once the answer is written; but by then
//! it has said nothing of that in the answer's head, so that the client would send its next request into a connection
//! that ends (RFC 9112, 9.6). What became of the body shows when hyper looks at it next, which is before it asks for the
//! answer again. So an answer that may be early is held for one turn: hyper then says `Connection: close` itself, or has
//! found the body complete. Where a target still takes the body, it is said here: with the answer's end the exchange
//! ends, whatever is left of the request.

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::connection::ClientConnection;
use super::state::ConnectionState;
use crate::forward::exchange::{self, AnswerBody};

/// What serving one request gives.
type Served = Result<Response<AnswerBody>, Infallible>;

pin_project! {
    /// An exchange whose answer says when it ends the connection.
    struct Answering<F> {
        #[pin]
        exchange: F,
        client: Rc<ClientConnection>,
        chunked: bool,
        held: Option<Box<Response<AnswerBody>>>,
    }
}

/// Serves one request of HTTP/1.
pub(super) fn serve(client: &Rc<ClientConnection>, request: Request<Incoming>) -> impl Future<Output = Served> + use<> {
    let chunked = request.body().size_hint().exact().is_none();
    let exchange = exchange::serve(Rc::clone(client), request);
    Answering { exchange, client: Rc::clone(client), chunked, held: None }
}

impl<F: Future<Output = Served>> Future for Answering<F> {
    type Output = Served;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Served> {
        let this = self.project();
        if let Some(held) = this.held.take() {
            return Poll::Ready(Ok(told(*held, &this.client.state)));
        }
        let Ok(answer) = ready!(this.exchange.poll(cx));
        if may_be_early(answer.status(), *this.chunked, &this.client.state) {
            *this.held = Some(Box::new(answer));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(answer))
    }
}

/// Whether the rest of the request may be left unread: the client still sends it, or all of it has come in chunks, of which
/// hyper passes over no more than one, and the answer is one that is given without a look at them.
fn may_be_early(status: StatusCode, chunked: bool, state: &ConnectionState) -> bool {
    state.sends_on() || chunked && !status.is_success()
}

/// The answer that was held.
#[cold]
fn told(mut answer: Response<AnswerBody>, state: &ConnectionState) -> Response<AnswerBody> {
    if state.sends_on() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}
