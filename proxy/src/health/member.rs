//! The health of a pool's members, put together from what the table says, what checks find and what real answers tell.

use std::sync::Arc;

use sluicegate_table::watch::{BreakerState, EndpointState, UnhealthyReason};
use sluicegate_table::{BreakerScope, CircuitBreaker, Target, TargetState};

use super::{CheckState, CheckStatus, View};
use crate::endpoint::Endpoint;
use crate::receive::PoolRuntime;

/// The health of a member of a pool.
#[derive(Debug)]
pub struct MemberHealth<'a> {
    /// The endpoint.
    pub endpoint: &'a Arc<Endpoint>,
    /// Its state for this pool: another one may check it otherwise.
    pub state: EndpointState,
    /// Why it is unhealthy.
    pub reason: Option<UnhealthyReason>,
    /// Its circuit breaker, where the pool has one for each endpoint.
    pub breaker: Option<BreakerState>,
    /// What real answers tell.
    pub view: View,
    /// What active checks find, where the pool has any.
    pub check: Option<&'a Arc<CheckState>>,
}

/// The health of all members of a pool that have an endpoint, levels in order.
pub(crate) fn of_members(pool: &PoolRuntime) -> impl Iterator<Item = MemberHealth<'_>> {
    let mut checks = pool.balancer.checks().peekable();
    let closed = is_closed(pool);
    pool.members().iter().enumerate().filter_map(move |(at, member)| {
        // Both are in the order of the members.
        let check = checks.next_if(|(member, _)| member.0 as usize == at).map(|(_, check)| check);
        let endpoint = &member.reach.as_ref()?.endpoint;
        let view = endpoint.load.health().view();
        let (state, reason) = state_of(&endpoint.target, &view, check.map(|check| check.status()), closed);
        let breaker = breaker_of(pool).map(|_| view.breaker);
        Some(MemberHealth { endpoint, state, reason, breaker, view, check })
    })
}

/// The state of an endpoint of a Target, and why it is unhealthy: what a person wants of it first, then what was found.
/// `pool_closed`: as [`is_closed`].
pub(super) fn state_of(
    target: &Target,
    view: &View,
    check: Option<CheckStatus>,
    pool_closed: bool,
) -> (EndpointState, Option<UnhealthyReason>) {
    match target.state {
        TargetState::Draining => (EndpointState::Draining, None),
        TargetState::Disabled => (EndpointState::Disabled, None),
        TargetState::Enabled if !pool_closed => (EndpointState::Unhealthy, Some(UnhealthyReason::CircuitOpen)),
        TargetState::Enabled => match view.reason_with(check) {
            Some(reason) => (EndpointState::Unhealthy, Some(reason)),
            None => (EndpointState::Healthy, None),
        },
    }
}

/// The circuit breakers that a pool has for its endpoints, each one.
pub(super) fn breaker_of(pool: &PoolRuntime) -> Option<&CircuitBreaker> {
    pool.pool.circuit_breaker.as_ref().filter(|breaker| breaker.scope == BreakerScope::Endpoint)
}

/// Whether the circuit breaker that a pool has as a whole is closed; so it is where there is none.
pub(super) fn is_closed(pool: &PoolRuntime) -> bool {
    pool.balancer.breaker().is_none_or(|breaker| breaker.view().breaker == BreakerState::Closed)
}
