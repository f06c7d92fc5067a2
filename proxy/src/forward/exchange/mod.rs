//! One request: admit, match, pick, send, answer.
//!
//! The straight line here is the hot path. What few requests need (reading ahead in a body, opening a connection,
//! upgrades) is boxed behind a branch, so that the future of the common case stays small.

mod admit;
mod answer_body;
mod outgoing;
mod reach;
mod read_ahead;
mod record;
mod send;
mod upgrade;
mod view;

use std::convert::Infallible;
use std::rc::Rc;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

pub(crate) use answer_body::AnswerBody;
use answer_body::Streamed;
use outgoing::Outgoing;
pub(crate) use outgoing::target_text;
use read_ahead::ReadAhead;
use record::Record;
use view::View;

use crate::answer::{Form, Reason, answer, method_not_allowed};
use crate::forward::client::ClientConnection;
use crate::forward::error::ForwardError;
use crate::matching::Found;
use crate::receive::{PoolRuntime, RouteRuntime};

/// Serves one request. Every failure is an answer.
pub(crate) async fn serve(
    client: Rc<ClientConnection>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let form = Form::of_parts(parts.version, &parts.method, &parts.headers);
    let mut record = Record::begin(&client, &parts);
    match forward(&client, &mut record, parts, body).await {
        Ok((parts, streamed)) => {
            record.answered(parts.status);
            Ok(Response::from_parts(parts, AnswerBody::streamed(streamed, record)))
        }
        Err(refusal) => Ok(refusal.answer(form, record)),
    }
}

/// Why a request is answered by us.
#[derive(Debug)]
enum Refusal {
    Reason(Reason),
    Methods(Vec<String>),
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl Refusal {
    #[cold]
    fn answer(self, form: Form, mut record: Record) -> Response<AnswerBody> {
        let (reason, response) = match self {
            Self::Reason(reason) => (reason, answer(form, reason)),
            Self::Methods(methods) => {
                (Reason::MethodNotAllowed, method_not_allowed(form, methods.iter().map(String::as_str)))
            }
        };
        record.refused(response.status(), reason);
        response.map(|body| AnswerBody::full(body, record))
    }
}

/// What the table says of a matched request.
#[derive(Clone, Copy, Debug)]
struct Routed<'a> {
    route: &'a RouteRuntime,
    pool: &'a PoolRuntime,
}

async fn forward(
    client: &Rc<ClientConnection>,
    record: &mut Record,
    mut parts: Parts,
    body: Incoming,
) -> Result<(http::response::Parts, Streamed), Refusal> {
    let worker = &client.worker;
    let admitted = admit::admit(client, &mut parts, &body)?;
    let snapshot = worker.snapshot();
    let mut body = Some(body);
    let mut ahead: Option<Box<ReadAhead>> = None;
    let outgoing;
    let reached;
    let routed = loop {
        let view = View::of(client, &parts, &admitted, record.started())?;
        record.seen(&view);
        let request = view.request(&parts, ahead.as_ref().map(|ahead| &ahead.facts));
        let wanted = match snapshot.matcher().find(&request) {
            Found::Route { route: index, prefix } => {
                record.matched(&snapshot, index);
                let route = snapshot.route(index).ok_or(Reason::InternalError)?;
                let pool = route.pool.as_deref().ok_or(Reason::InvalidConfiguration)?;
                if ahead.is_none() && pool.balancer.needs_body(&request) {
                    route.route.buffer_size
                } else {
                    let routed = Routed { route, pool };
                    reached = reach::reach(client, &snapshot, index, routed, &request, admitted.upgrade()).await?;
                    outgoing = Outgoing::of(&view, &parts, routed, &reached, prefix)?;
                    break routed;
                }
            }
            Found::NeedsBody { at_most } => at_most,
            Found::MethodNotAllowed(methods) => return Err(Refusal::Methods(methods)),
            Found::NoRoute => return Err(Reason::NoRoute.into()),
        };
        let Some(body) = body.take() else { return Err(Reason::InternalError.into()) };
        ahead = Some(Box::pin(read_ahead::read(client, body, wanted)).await?);
    };
    record.sent_to(reached.target(routed));
    let body = admit::watched(worker, body, ahead);
    record.watch(body.watch());
    let upgrade = if admitted.upgrade() { parts.extensions.remove::<OnUpgrade>() } else { None };
    outgoing.apply(client, &admitted, routed, &reached, &mut parts)?;
    send::send(client, admitted.version, routed, reached, Request::from_parts(parts, body), upgrade).await
}

impl From<ForwardError> for Refusal {
    fn from(error: ForwardError) -> Self {
        Self::Reason(error.reason())
    }
}
