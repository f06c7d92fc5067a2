//! A pool at run time: its balancer, and for each member the endpoint and the link that leads to it.

use std::collections::HashMap;
use std::sync::Arc;

use sluicegate_table::{ObjectKey, Pool};

use crate::endpoint::Endpoint;
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
    members: Vec<MemberRuntime>,
}

/// A member of a pool at run time.
#[derive(Debug)]
pub struct MemberRuntime {
    /// The Target's key.
    pub target: ObjectKey,
    /// `None` while the Target does not exist.
    pub reach: Option<Reach>,
}

/// How a member is reached.
#[derive(Debug)]
pub struct Reach {
    /// The target and its counters.
    pub endpoint: Arc<Endpoint>,
    /// The connections to it, on this pool's terms.
    pub link: Arc<Link>,
    /// The target's own headers and credential.
    pub rewrite: Result<HeaderRewrite, UnusableHeaders>,
}

impl PoolRuntime {
    /// The pool of `last` where nothing changed, else a new one that takes over counters, sequence and links.
    pub(super) fn shared_or_new(
        key: &ObjectKey,
        pool: &Arc<Pool>,
        find: impl Fn(&ObjectKey) -> Option<Arc<Endpoint>>,
        last: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        let names = || pool.levels.iter().flat_map(|level| &level.members).map(|member| &member.target);
        let endpoints: Vec<Option<Arc<Endpoint>>> = names().map(find).collect();
        if let Some(last) = last
            && last.pool == *pool
            && last.members.iter().zip(&endpoints).all(|(member, endpoint)| member.leads_to(endpoint.as_ref()))
        {
            return Arc::clone(last);
        }
        let before: HashMap<&ObjectKey, &Reach> = last
            .iter()
            .flat_map(|last| &last.members)
            .filter_map(|member| Some((&member.target, member.reach.as_ref()?)))
            .collect();
        let members: Vec<MemberRuntime> = names()
            .zip(&endpoints)
            .map(|(key, endpoint)| {
                let before = before.get(key).copied();
                let reach = endpoint.as_ref().map(|endpoint| Reach::new(endpoint, pool, before));
                MemberRuntime { target: key.clone(), reach }
            })
            .collect();
        let balancer = Balancer::new(pool, &endpoints, last.map(|last| &last.balancer));
        Arc::new(Self { key: key.clone(), pool: Arc::clone(pool), balancer, members })
    }

    /// The members, levels in order.
    pub fn members(&self) -> &[MemberRuntime] {
        &self.members
    }

    /// A member that was picked.
    pub fn member(&self, index: MemberIndex) -> Option<&Reach> {
        self.members.get(index.0 as usize).and_then(|member| member.reach.as_ref())
    }

    /// The endpoint of a member.
    pub(super) fn endpoint(&self, target: &ObjectKey) -> Option<&Arc<Endpoint>> {
        self.reach(target).map(|reach| &reach.endpoint)
    }

    fn reach(&self, target: &ObjectKey) -> Option<&Reach> {
        self.members.iter().find(|member| member.target == *target).and_then(|member| member.reach.as_ref())
    }
}

impl MemberRuntime {
    fn leads_to(&self, endpoint: Option<&Arc<Endpoint>>) -> bool {
        match (&self.reach, endpoint) {
            (Some(reach), Some(endpoint)) => Arc::ptr_eq(&reach.endpoint, endpoint),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Reach {
    fn new(endpoint: &Arc<Endpoint>, pool: &Pool, last: Option<&Self>) -> Self {
        let target = &endpoint.target;
        let link = Link::shared_or_new(target, pool, last.map(|last| &last.link));
        Self { endpoint: Arc::clone(endpoint), link, rewrite: HeaderRewrite::for_target(target) }
    }
}
