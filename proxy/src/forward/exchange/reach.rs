//! From a pool to a connection: pick a member and check out a connection to it.
//!
//! A target that takes no connection has seen nothing of the request, so the next one is tried.

use std::rc::Rc;

use http::HeaderValue;
use sluicegate_table::ObjectKey;
use smallvec::SmallVec;

use super::{Refusal, Routed};
use crate::answer::Reason;
use crate::endpoint::InFlight;
use crate::forward::client::ClientConnection;
use crate::forward::clock::Deadline;
use crate::forward::deadline::within;
use crate::forward::error::ForwardError;
use crate::forward::upstream::{Checkout, Connections};
use crate::matching::RouteIndex;
use crate::pick::{MemberIndex, Picked};
use crate::receive::Reach;
use crate::request::RequestView;
use crate::worker::LocalSnapshot;

/// A picked member and a connection to it.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) member: MemberIndex,
    pub(super) connections: Rc<Connections>,
    /// `None` once the request is sent over it.
    pub(super) checkout: Option<Checkout>,
    /// The request wants a connection that speaks HTTP/1.1 to itself.
    pub(super) upgrade: bool,
    pub(super) in_flight: InFlight,
    pub(super) set_cookie: Option<HeaderValue>,
    /// `timeouts.request`, running since the pick.
    pub(super) deadline: Option<Deadline>,
}

impl Reached {
    /// The member as the pool knows it.
    pub(super) fn reach<'a>(&self, routed: Routed<'a>) -> Result<&'a Reach, Refusal> {
        routed.pool.member(self.member).ok_or_else(|| Reason::InternalError.into())
    }

    /// The Target's key.
    pub(super) fn target<'a>(&self, routed: Routed<'a>) -> &'a ObjectKey {
        routed.pool.member(self.member).map_or(&routed.pool.key, |member| &member.endpoint.key)
    }

    /// Whether the request goes over HTTP/2.
    pub(super) fn http2(&self) -> bool {
        matches!(self.checkout, Some(Checkout::Http2(_)))
    }
}

/// Picks a member and checks out a connection.
pub(super) async fn reach(
    client: &ClientConnection,
    snapshot: &Rc<LocalSnapshot>,
    route: RouteIndex,
    routed: Routed<'_>,
    request: &RequestView<'_>,
    upgrade: bool,
) -> Result<Reached, Refusal> {
    let mut picked = routed.pool.balancer.pick(request, &[]).map_err(|_| Reason::NoHealthyTarget)?;
    let member = routed.pool.member(picked.member).ok_or(Reason::NoHealthyTarget)?;
    let connections = snapshot.picked(&client.worker, route, routed.pool, picked.member, member);
    let deadline = routed.route.route.timeouts.request.map(|limit| client.worker.clock().deadline(limit));
    if let Some(checkout) = connections.ready(upgrade) {
        return Ok(Reached {
            member: picked.member,
            connections,
            checkout: Some(checkout),
            upgrade,
            in_flight: InFlight::begin_as(&member.endpoint.load, picked.probe.take()),
            set_cookie: picked.set_cookie,
            deadline,
        });
    }
    let opening = Opening { client, snapshot, route, routed, request, upgrade };
    Box::pin(opening.open(picked, connections, deadline)).await
}

/// The cold path: no connection is ready.
struct Opening<'a> {
    client: &'a ClientConnection,
    snapshot: &'a Rc<LocalSnapshot>,
    route: RouteIndex,
    routed: Routed<'a>,
    request: &'a RequestView<'a>,
    upgrade: bool,
}

impl Opening<'_> {
    /// Opens a connection to the picked member, or to others should that fail.
    async fn open(
        self,
        mut picked: Picked,
        mut connections: Rc<Connections>,
        deadline: Option<Deadline>,
    ) -> Result<Reached, Refusal> {
        let mut tried: SmallVec<[MemberIndex; 8]> = SmallVec::new();
        loop {
            let member = self.routed.pool.member(picked.member).ok_or(Reason::NoHealthyTarget)?;
            let worker = &self.client.worker;
            let in_flight = InFlight::begin_as(&member.endpoint.load, picked.probe.take());
            let priority = self.routed.route.route.priority;
            let opened = if let Some(checkout) = connections.ready(self.upgrade) {
                Ok(checkout)
            } else {
                let opening = connections.open(worker.dialer(), priority, self.upgrade);
                within(deadline.as_ref(), opening).await.unwrap_or(Err(ForwardError::RequestTimeout))
            };
            let error = match opened {
                Ok(checkout) => {
                    return Ok(Reached {
                        member: picked.member,
                        connections,
                        checkout: Some(checkout),
                        upgrade: self.upgrade,
                        in_flight,
                        set_cookie: picked.set_cookie,
                        deadline,
                    });
                }
                Err(error) => error,
            };
            tracing::debug!(target = %member.endpoint.key, %error, "no connection to a target");
            if !error.is_connect() {
                return Err(error.into());
            }
            in_flight.unanswered();
            tried.push(picked.member);
            picked = self.routed.pool.balancer.pick(self.request, &tried).map_err(|_| Refusal::from(error))?;
            let member = self.routed.pool.member(picked.member).ok_or(Reason::NoHealthyTarget)?;
            connections = self.snapshot.picked(worker, self.route, self.routed.pool, picked.member, member);
        }
    }
}
