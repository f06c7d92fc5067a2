//! A pool at run time: its balancer, and for each member the endpoint and the link that leads to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use sluicegate_table::{ObjectKey, Pool, Target, TargetState};

use crate::endpoint::{Endpoint, TargetRuntime, places};
use crate::forward::headers::{HeaderRewrite, UnusableHeaders};
use crate::forward::upstream::Link;
use crate::pick::{Balancer, MemberIndex};

/// A pool at run time, shared by all workers.
#[derive(Debug)]
pub struct PoolRuntime {
    /// The Upstream's key; for a pool written in a Rule, the Rule's.
    pub key: ObjectKey,
    /// The entry.
    pub pool: Arc<Pool>,
    /// Picks the target of each request.
    pub balancer: Balancer,
    /// Of each member of the entry, levels in order.
    targets: Box<[Option<Arc<TargetRuntime>>]>,
    members: Box<[MemberRuntime]>,
}

/// Versions of a pool are told apart by being two: what is the same is shared.
impl PartialEq for PoolRuntime {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for PoolRuntime {}

/// A member of a pool at run time: an endpoint. A Target with several is as many members.
#[derive(Debug)]
pub struct MemberRuntime {
    /// The Target's key.
    pub target: ObjectKey,
    /// `None` while the Target does not exist, or has no address.
    pub reach: Option<Reach>,
}

/// How a member is reached.
#[derive(Debug)]
pub struct Reach {
    /// The endpoint and its counters.
    pub endpoint: Arc<Endpoint>,
    /// The connections to it, on this pool's terms.
    pub link: Arc<Link>,
    /// The Target's own headers and credential, shared by its endpoints.
    pub rewrite: Arc<Rewrite>,
}

/// A Target's headers and credential, or why nothing can be sent with them.
type Rewrite = Result<HeaderRewrite, UnusableHeaders>;

impl PoolRuntime {
    /// The pool of `last` where nothing changed, else a new one that takes over counters, sequence and links.
    pub(super) fn shared_or_new(
        key: &ObjectKey,
        pool: &Arc<Pool>,
        find: impl Fn(&ObjectKey) -> Option<Arc<TargetRuntime>>,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let names = || pool.levels.iter().flat_map(|level| &level.members).map(|member| &member.target);
        let targets: Box<[Option<Arc<TargetRuntime>>]> = names().map(find).collect();
        if let Some(last) = last
            && last.pool == *pool
            && last.targets.iter().zip(&targets).all(|(last, now)| same(last.as_ref(), now.as_ref()))
        {
            return Arc::clone(last);
        }
        let before: HashMap<(&ObjectKey, Option<SocketAddr>), &Reach> = last
            .iter()
            .flat_map(|last| &last.members)
            .filter_map(|member| member.reach.as_ref())
            .map(|reach| ((&reach.endpoint.key, reach.endpoint.address), reach))
            .collect();
        let mut members = Vec::with_capacity(targets.len());
        for (key, target) in names().zip(&targets) {
            let mut rewrite: Option<Arc<Rewrite>> = None;
            for endpoint in places(target.as_ref()) {
                let reach = endpoint.map(|endpoint| {
                    let before = before.get(&(key, endpoint.address)).copied();
                    let rewrite = rewrite.get_or_insert_with(|| rewrite_for(&endpoint.target, before));
                    Reach::new(endpoint, rewrite, pool, before)
                });
                members.push(MemberRuntime { target: key.clone(), reach });
            }
        }
        let balancer = Balancer::new(pool, &targets, last.map(|last| &last.balancer));
        Arc::new(Self { key: key.clone(), pool: Arc::clone(pool), balancer, targets, members: members.into() })
    }

    /// The members, levels in order.
    pub fn members(&self) -> &[MemberRuntime] {
        &self.members
    }

    /// A member that was picked.
    pub fn member(&self, index: MemberIndex) -> Option<&Reach> {
        self.members.get(index.0 as usize).and_then(|member| member.reach.as_ref())
    }

    /// Tells the links of the members which of them lead to targets that finish what is in flight.
    pub(super) fn mark_leaving(&self) {
        for reach in self.members.iter().filter_map(|member| member.reach.as_ref()) {
            reach.link.set_leaving(reach.endpoint.target.state != TargetState::Enabled);
        }
    }

    /// The members of the level that a member is in.
    pub(crate) fn level_of(&self, index: MemberIndex) -> Range<u32> {
        let mut targets = self.targets.iter();
        let mut first = 0;
        for level in &self.pool.levels {
            let members = targets.by_ref().take(level.members.len());
            let next = first + members.map(|target| places(target.as_ref()).count() as u32).sum::<u32>();
            if index.0 < next {
                return first..next;
            }
            first = next;
        }
        first..first
    }

    /// The Targets of the members of the entry.
    pub(super) fn target_keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.pool.levels.iter().flat_map(|level| &level.members).map(|member| &member.target)
    }

    /// The Target of a member of the entry.
    pub(super) fn target(&self, target: &ObjectKey) -> Option<&Arc<TargetRuntime>> {
        self.target_keys().zip(&self.targets).find(|(name, _)| *name == target).and_then(|(_, target)| target.as_ref())
    }
}

fn same(last: Option<&Arc<TargetRuntime>>, now: Option<&Arc<TargetRuntime>>) -> bool {
    match (last, now) {
        (Some(last), Some(now)) => Arc::ptr_eq(last, now),
        (None, None) => true,
        _ => false,
    }
}

/// The headers of a Target, which those of the last version may serve for.
fn rewrite_for(target: &Arc<Target>, last: Option<&Reach>) -> Arc<Rewrite> {
    match last {
        Some(last) if Arc::ptr_eq(&last.endpoint.target, target) => Arc::clone(&last.rewrite),
        _ => Arc::new(HeaderRewrite::for_target(target)),
    }
}

impl Reach {
    fn new(endpoint: &Arc<Endpoint>, rewrite: &Arc<Rewrite>, pool: &Pool, last: Option<&Self>) -> Self {
        let link = Link::shared_or_new(&endpoint.target, endpoint.address, pool, last.map(|last| &last.link));
        Self { endpoint: Arc::clone(endpoint), link, rewrite: Arc::clone(rewrite) }
    }
}
