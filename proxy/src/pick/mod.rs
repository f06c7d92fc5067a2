//! Picking: from a pool to the one target that gets the request.

use std::sync::Arc;

use http::HeaderValue;
use sluicegate_table::Pool;

use crate::endpoint::Endpoint;
use crate::request::RequestView;

pub mod least_latency;

/// The position of a member in the flat list of all members of a pool, levels in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberIndex(pub u32);

/// Picks the target of each request of one pool. Shared by all workers.
#[derive(Debug)]
pub struct Balancer {}

/// A picked member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Which member.
    pub member: MemberIndex,
    /// A `Set-Cookie` value that the answer must carry (cookie affinity, new or moved client).
    pub set_cookie: Option<HeaderValue>,
}

/// No member may get the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no usable target")]
pub struct NoUsableTarget;

impl Balancer {
    /// A balancer over the members of `pool`: `endpoints` holds one entry per member, levels in order, `None` where the
    /// Target is missing or unusable. `previous` hands on the sequence of the pool's last version.
    pub fn new(_pool: &Pool, _endpoints: &[Option<Arc<Endpoint>>], _previous: Option<&Self>) -> Self {
        Self {}
    }

    /// Whether the pick depends on the body of this request ([`crate::request::BodyFacts::conversation`]).
    pub fn needs_body(&self, _request: &RequestView<'_>) -> bool {
        false
    }

    /// Picks a member, passing over those already `tried` for this request.
    pub fn pick(&self, _request: &RequestView<'_>, _tried: &[MemberIndex]) -> Result<Picked, NoUsableTarget> {
        Err(NoUsableTarget)
    }
}
