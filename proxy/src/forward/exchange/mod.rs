//! One request: admit, match, pick, send, answer.
//!
//! The straight line here is the hot path. What few requests need (reading ahead in a body, opening a connection, more
//! than one attempt, upgrades) is boxed behind a branch, so that the future of the common case stays small.

mod admit;
mod answer_body;
mod attempts;
mod elsewhere;
mod fallback;
mod finish;
#[cfg(test)]
mod fixture;
mod outgoing;
mod reach;
mod read_ahead;
mod record;
mod refusal;
mod send;
mod spare;
mod tries;
mod upgrade;
mod view;

use std::convert::Infallible;
use std::rc::Rc;

use http::request::Parts;
use http::{Request, Response};

pub(crate) use answer_body::AnswerBody;
use answer_body::Streamed;
use attempts::{Attempts, Repeats};
pub(crate) use fallback::LONGEST_CHAIN;
use finish::Rest;
use outgoing::Outgoing;
pub(crate) use outgoing::target_text;
use reach::Wanted;
use read_ahead::ReadAhead;
use record::Record;
use refusal::Refusal;
use spare::Spare;
use view::{Seen, View};

use crate::answer::{Form, Reason};
use crate::forward::client::{ClientBody, ClientConnection};
use crate::forward::upstream::{Kept, RequestBody};
use crate::matching::Found;
use crate::receive::{PoolRuntime, RouteRuntime};

/// Serves one request. Every failure is an answer.
pub(crate) async fn serve(
    client: Rc<ClientConnection>,
    request: Request<ClientBody>,
) -> Result<Response<AnswerBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let form = Form::of_parts(parts.version, &parts.method, &parts.headers);
    let mut record = Record::begin(&client, &parts);
    match forward(&client, &mut record, form, parts, body).await {
        Ok((parts, streamed)) => {
            record.answered(parts.status, streamed.fallback());
            Ok(Response::from_parts(parts, AnswerBody::streamed(streamed, record)))
        }
        Err(refusal) => Ok(refusal.answer(form, record)),
    }
}

/// What the table says of a matched request.
#[derive(Clone, Copy, Debug)]
struct Routed<'a> {
    route: &'a RouteRuntime,
    pool: &'a PoolRuntime,
    /// The pool stands in for the route's own.
    fallback: bool,
}

async fn forward(
    client: &Rc<ClientConnection>,
    record: &mut Record,
    form: Form,
    mut parts: Parts,
    body: ClientBody,
) -> Result<(http::response::Parts, Streamed), Refusal> {
    let worker = &client.worker;
    let admitted = admit::admit(client, &mut parts, &body)?;
    let snapshot = worker.snapshot();
    let mut body = Some(body);
    let mut ahead: Option<Box<ReadAhead>> = None;
    let (outgoing, mut reached, repeats, asked, client_ip);
    let (route, prefix) = loop {
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
                    let routed = Routed { route, pool, fallback: false };
                    let upgrade = admitted.upgrade();
                    asked = fallback::asked(&snapshot, routed, &request);
                    let last_good = asked.as_deref();
                    let wanted =
                        Wanted { client, snapshot: &snapshot, route: index, request: &request, upgrade, last_good };
                    reached = reach::reach(wanted, routed, record).await?;
                    repeats = Repeats::of(form, &admitted, &view, &parts, &snapshot, &reached);
                    outgoing = Outgoing::of(&view, &parts, &reached, prefix)?;
                    client_ip = view.client_ip;
                    break (index, prefix);
                }
            }
            Found::NeedsBody { at_most } => at_most,
            Found::MethodNotAllowed(methods) => return Err(Refusal::Methods(methods)),
            Found::NoRoute => return Err(Reason::NoRoute.into()),
        };
        let Some(body) = body.take() else { return Err(Reason::InternalError.into()) };
        ahead = Some(Box::pin(read_ahead::read(client, body, wanted)).await?);
    };
    let (body, kept) = if repeats.keeps() {
        let kept = admit::kept(worker, body, ahead.as_deref_mut(), reached.routed.route.route.buffer_size);
        (kept.as_ref().and_then(Kept::read).unwrap_or_else(RequestBody::empty), kept)
    } else {
        (admit::watched(worker, body, ahead.as_deref_mut()), None)
    };
    record.watch(body.watch());
    let spare = if repeats.keeps() { Some(Spare::of(&parts, kept)) } else { None };
    let replaced = outgoing.apply(client, &admitted, &reached, &mut parts)?;
    let rest = Rest { upgrade: admitted.upgrade(), watch: body.watch().cloned(), asked };
    let outcome = send::attempt(client, admitted.version, &mut reached, Request::from_parts(parts, body)).await;
    // The answer is finished in one place, so that finishing it is compiled into this one: no copy of it is made.
    let answered = match outcome {
        Ok(answered) if !repeats.doubts(reached.routed, &answered) => answered,
        outcome => {
            let facts = ahead.as_ref().map(|ahead| &ahead.facts);
            let seen = Seen { client, admitted: &admitted, client_ip, received: record.started(), facts };
            let (snapshot, last_good) = (&snapshot, rest.asked.as_deref());
            let attempts =
                Attempts { client, snapshot, route, seen, last_good, prefix, record, repeats, spare, replaced };
            let answered;
            (reached, answered) = Box::pin(attempts.go_on(reached, outcome)).await?;
            answered
        }
    };
    finish::finish(client, admitted.version, reached, answered, rest)
}
