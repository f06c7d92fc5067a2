//! What a scrape reads from the table in force: numbers that live with targets and pools, not with requests.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use sluicegate_table::ObjectKey;

use crate::receive::Current;

/// Gives the numbers of the table in force at the moment of a scrape.
pub trait Gauges: Debug + Send + Sync {
    /// The version of the table in force; `None` before the first.
    fn table_version(&self) -> Option<u64>;

    /// Every target in force.
    fn targets(&self) -> Vec<TargetGauges>;

    /// Every target of every pool in force; for targets written in place, the Rule's key stands for the Upstream's.
    fn upstream_targets(&self) -> Vec<UpstreamTargetGauges>;
}

/// A target's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGauges {
    /// The Target.
    pub target: ObjectKey,
    /// Requests from the pick until the end of the answer's body.
    pub in_flight: u32,
}

/// The numbers of a target as a member of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTargetGauges {
    /// The Upstream.
    pub upstream: ObjectKey,
    /// The Target.
    pub target: ObjectKey,
    /// Connections for this Upstream.
    pub connections: ConnectionCounts,
}

/// A pool's connections to one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// In use.
    pub active: u64,
    /// Kept for the next request.
    pub idle: u64,
    /// Requests that wait for a connection.
    pub pending: u64,
}

impl Gauges for Current {
    fn table_version(&self) -> Option<u64> {
        (self.generation() > 0).then(|| self.load().table.version)
    }

    fn targets(&self) -> Vec<TargetGauges> {
        let snapshot = self.load();
        let members = snapshot.pools().flat_map(|pool| pool.members());
        // Pools that share a Target share its endpoints, each of which counts once.
        let endpoints: BTreeMap<(&ObjectKey, Option<SocketAddr>), u32> = members
            .filter_map(|member| member.reach.as_ref())
            .map(|reach| ((&reach.endpoint.key, reach.endpoint.address), reach.endpoint.load.in_flight()))
            .collect();
        let mut targets: BTreeMap<&ObjectKey, u32> = BTreeMap::new();
        for ((target, _), in_flight) in endpoints {
            *targets.entry(target).or_default() += in_flight;
        }
        targets.into_iter().map(|(target, in_flight)| TargetGauges { target: target.clone(), in_flight }).collect()
    }

    fn upstream_targets(&self) -> Vec<UpstreamTargetGauges> {
        let snapshot = self.load();
        let mut members: BTreeMap<(&ObjectKey, &ObjectKey), ConnectionCounts> = BTreeMap::new();
        for pool in snapshot.pools() {
            for member in pool.members() {
                let Some(reach) = &member.reach else { continue };
                let (open, idle) = (u64::from(reach.link.open()), u64::from(reach.link.idle()));
                let counts = members.entry((&pool.key, &member.target)).or_default();
                counts.active += open.saturating_sub(idle);
                counts.idle += idle;
                counts.pending += u64::from(reach.link.pending());
            }
        }
        let numbers = |((upstream, target), connections): ((&ObjectKey, &ObjectKey), _)| UpstreamTargetGauges {
            upstream: upstream.clone(),
            target: target.clone(),
            connections,
        };
        members.into_iter().map(numbers).collect()
    }
}
