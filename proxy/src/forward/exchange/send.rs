//! Sending: the request to the target, the answer's head back.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{SET_COOKIE, VIA};
use http::{HeaderValue, Request, Response, StatusCode, Version, response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::upgrade::OnUpgrade;

use super::answer_body::{Carrier, Streamed};
use super::reach::Reached;
use super::{Refusal, Routed, upgrade};
use crate::answer::Reason;
use crate::forward::client::ClientConnection;
use crate::forward::deadline::within;
use crate::forward::error::ForwardError;
use crate::forward::headers::strip_response;
use crate::forward::upstream::{Checkout, RequestBody};

/// How often a request that was never sent is given to a fresh connection.
const UNSENT: u32 = 3;

/// An answer's head and body, and what carries it.
type Answered = (Response<Incoming>, Carrier);

/// Sends the request and makes the answer's head what a client that speaks `version` gets.
pub(super) async fn send(
    client: &Rc<ClientConnection>,
    version: Version,
    routed: Routed<'_>,
    mut reached: Reached,
    request: Request<RequestBody>,
    on_upgrade: Option<OnUpgrade>,
) -> Result<(response::Parts, Streamed), Refusal> {
    let watch = request.body().watch().cloned();
    // Reading the clock costs as much as matching does, so it is read for the pools that compare times only.
    let sent = routed.pool.balancer.compares_latency().then(Instant::now);
    let result = carry(client, version, routed, &mut reached, request).await;
    let (response, carrier) = match result {
        Ok(answered) => answered,
        Err(error) => {
            let clients = watch.and_then(|watch| watch.take_failure());
            let targets = clients.is_none();
            let cause = clients.unwrap_or(error);
            tracing::debug!(target = %reached.target(routed), error = %cause, "no answer from a target");
            if sent.is_some() && targets {
                reached.in_flight.unanswered();
            }
            return Err(cause.into());
        }
    };
    if let Some(sent) = sent {
        reached.in_flight.answered_after(sent.elapsed());
    }
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        let link = Arc::clone(reached.connections.link());
        let switched = upgrade::Switched { parts, carrier, body, in_flight: reached.in_flight, link };
        return upgrade::upgrade(client, switched, on_upgrade);
    }
    strip_response(&mut parts.headers, parts.status, version).map_err(|_| Reason::UpstreamProtocolError)?;
    parts.headers.append(VIA, via(parts.version));
    if let Some(cookie) = reached.set_cookie {
        parts.headers.append(SET_COOKIE, cookie);
    }
    parts.version = Version::HTTP_11;
    let idle = routed.route.route.timeouts.idle.map(|limit| (client.worker.clock().deadline(limit), limit));
    Ok((parts, Streamed { body, carrier, idle, _in_flight: Some(reached.in_flight), ended: false }))
}

/// Sends over the connection that was checked out, and over a fresh one as long as nothing was sent: a target may close
/// an idle connection at any moment.
async fn carry(
    client: &Rc<ClientConnection>,
    version: Version,
    routed: Routed<'_>,
    reached: &mut Reached,
    mut request: Request<RequestBody>,
) -> Result<Answered, ForwardError> {
    // HTTP/1.0 has no interim answers, and hyper has no way to send them over HTTP/2.
    let interim_to = (version == Version::HTTP_11).then_some(&**client);
    let mut fresh = None;
    for _ in 0..UNSENT {
        let checkout = fresh.take().or_else(|| reached.checkout.take());
        let failed = match checkout.ok_or(ForwardError::Internal("a request without a connection"))? {
            Checkout::Http1(mut connection) => {
                let sending = pin!(connection.sender.try_send_request(request));
                let sending = connection.interim.passed_on(interim_to, sending);
                match within(reached.deadline.as_ref(), sending).await {
                    Some(Ok(response)) => {
                        let carrier = Carrier::Http1 {
                            connection: Some(connection),
                            connections: Rc::clone(&reached.connections),
                            clock: Rc::clone(client.worker.clock()),
                        };
                        return Ok((response, carrier));
                    }
                    Some(Err(failed)) => failed,
                    None => return Err(ForwardError::RequestTimeout),
                }
            }
            Checkout::Http2(stream) => {
                let sending = stream.sender().try_send_request(request);
                match within(reached.deadline.as_ref(), sending).await {
                    Some(Ok(response)) => return Ok((response, Carrier::Http2 { _stream: stream })),
                    Some(Err(failed)) => failed,
                    None => return Err(ForwardError::RequestTimeout),
                }
            }
        };
        request = unsent(failed)?;
        let worker = &client.worker;
        let opening = reached.connections.open(worker.dialer(), routed.route.route.priority, reached.upgrade);
        let opened = Box::pin(within(reached.deadline.as_ref(), opening)).await;
        fresh = Some(opened.unwrap_or(Err(ForwardError::RequestTimeout))?);
    }
    Err(ForwardError::Internal("fresh connections closed before they took the request"))
}

/// The request, where nothing of it was sent.
fn unsent(mut failed: TrySendError<Request<RequestBody>>) -> Result<Request<RequestBody>, ForwardError> {
    failed.take_message().ok_or_else(|| ForwardError::Exchange(failed.into_error()))
}

/// This hop, as the next one sees it (RFC 9110, 7.6.3).
fn via(received: Version) -> HeaderValue {
    match received {
        Version::HTTP_2 => HeaderValue::from_static("2 sluicegate"),
        Version::HTTP_10 => HeaderValue::from_static("1.0 sluicegate"),
        _ => HeaderValue::from_static("1.1 sluicegate"),
    }
}
