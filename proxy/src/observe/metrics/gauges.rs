//! What a scrape reads from the table in force: numbers that live with targets and pools, not with requests.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use sluicegate_table::watch::{BreakerState, EndpointState};
use sluicegate_table::{BreakerScope, ObjectKey, Table, Target, TrustRoots};

use crate::endpoint::Endpoint;
use crate::health::{EndpointHealth, View, of_members};
use crate::pick::Panic;
use crate::receive::Current;

/// Gives the numbers of the table in force at the moment of a scrape.
pub trait Gauges: Debug + Send + Sync {
    /// The version of the table in force; `None` before the first.
    fn table_version(&self) -> Option<u64>;

    /// Every target in force.
    fn targets(&self) -> Vec<TargetGauges>;

    /// Every target of every pool in force; for targets written in place, the Rule's key stands for the Upstream's.
    fn upstream_targets(&self) -> Vec<UpstreamTargetGauges>;

    /// Every endpoint of every pool in force.
    fn members(&self) -> Vec<MemberGauges>;

    /// Every circuit breaker in force.
    fn breakers(&self) -> Vec<BreakerGauges>;

    /// Every level of every pool in force, and whether it is used although too little of it is healthy.
    fn levels(&self) -> Vec<LevelGauges>;
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

/// The health of an endpoint as a member of one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberGauges {
    /// The Upstream.
    pub upstream: ObjectKey,
    /// The Target.
    pub target: ObjectKey,
    /// The address, where it has been discovered.
    pub address: Option<SocketAddr>,
    /// The Target's region, where it is known.
    pub region: Option<String>,
    /// The endpoint's zone, where it is known.
    pub zone: Option<String>,
    /// Whether it gets requests.
    pub healthy: bool,
    /// How much of its share it gets, from 0 to 1: less than 1 while it is on its way back.
    pub share: f64,
    /// How often real answers had it ejected.
    pub ejections: u64,
}

/// A level of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelGauges {
    /// The Upstream.
    pub upstream: ObjectKey,
    /// The level's priority number; `None`: all levels, when nothing is healthy in any.
    pub priority: Option<u16>,
    /// Whether it is used although too little of it is healthy.
    pub panics: bool,
}

/// A circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerGauges {
    /// The Target whose endpoint it guards, or the Upstream.
    pub service: ObjectKey,
    /// Which of the two.
    pub scope: BreakerScope,
    /// The endpoint's address, where it has been discovered.
    pub address: Option<SocketAddr>,
    /// Its state.
    pub state: BreakerState,
    /// How often it opened.
    pub openings: u64,
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

    fn members(&self) -> Vec<MemberGauges> {
        let snapshot = self.load();
        let mut members = BTreeMap::new();
        for pool in snapshot.pools() {
            for member in of_members(pool) {
                let endpoint = member.endpoint;
                let gauges = MemberGauges {
                    upstream: pool.key.clone(),
                    target: endpoint.key.clone(),
                    address: endpoint.address,
                    region: endpoint.target.region.clone(),
                    zone: zone(&snapshot.table, endpoint),
                    healthy: member.state == EndpointState::Healthy && can_be_sent_to(&endpoint.target),
                    share: f64::from(member.view.share) / f64::from(View::WHOLE),
                    ejections: member.view.ejections,
                };
                // A Target may be in several levels of a pool, where one check counts for all.
                members.insert((&pool.key, &endpoint.key, endpoint.address), gauges);
            }
        }
        members.into_values().collect()
    }

    fn breakers(&self) -> Vec<BreakerGauges> {
        let snapshot = self.load();
        let mut breakers = BTreeMap::new();
        for pool in snapshot.pools() {
            if let Some(breaker) = pool.balancer.breaker().map(EndpointHealth::view) {
                let service = pool.key.clone();
                let gauges = BreakerGauges {
                    service,
                    scope: BreakerScope::Upstream,
                    address: None,
                    state: breaker.breaker,
                    openings: breaker.openings,
                };
                breakers.insert((true, &pool.key, None), gauges);
            }
            for member in of_members(pool) {
                let endpoint = member.endpoint;
                let Some(state) = member.breaker else { continue };
                let (service, address, openings) = (endpoint.key.clone(), endpoint.address, member.view.openings);
                let gauges = BreakerGauges { service, scope: BreakerScope::Endpoint, address, state, openings };
                breakers.insert((false, &endpoint.key, endpoint.address), gauges);
            }
        }
        breakers.into_values().collect()
    }

    fn levels(&self) -> Vec<LevelGauges> {
        let snapshot = self.load();
        let mut levels = BTreeMap::new();
        for pool in snapshot.pools() {
            let panic = pool.balancer.panic();
            let priorities = pool.pool.levels.iter().map(|level| Some(level.priority));
            for priority in priorities.chain([None]) {
                let panics = panic == Some(priority.map_or(Panic::LastResort, Panic::Level));
                levels.insert((&pool.key, priority), LevelGauges { upstream: pool.key.clone(), priority, panics });
            }
        }
        levels.into_values().collect()
    }
}

/// Whether the table has everything without which nothing may be sent.
fn can_be_sent_to(target: &Target) -> bool {
    target.credential.as_ref().is_none_or(|credential| credential.value.is_some())
        && target.tls.roots != TrustRoots::Missing
}

/// The zone that an endpoint is in: of one that has been discovered its own, else its Target's.
fn zone(table: &Table, endpoint: &Endpoint) -> Option<String> {
    let Some(address) = endpoint.address else { return endpoint.target.zone.clone() };
    let listed = &table.endpoints.get(&endpoint.key)?.addresses;
    let at = listed.binary_search_by_key(&address, |listed| listed.address).ok()?;
    listed.get(at)?.zone.clone().or_else(|| endpoint.target.zone.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn members_say_where_they_are_and_breakers_what_they_guard() {
        let seconds = |seconds| json!(std::time::Duration::from_secs(seconds));
        let breaker = |scope| {
            json!({ "failureThreshold": 5, "window": seconds(10), "minimumRequests": 10, "successThreshold": 3,
                "timeout": seconds(5), "openDuration": seconds(30), "probes": 3, "successes": 2, "scope": scope })
        };
        let pool = |priority, target, breaker| {
            json!({ "algorithm": "RoundRobin", "circuitBreaker": breaker,
                "levels": [{ "priority": priority, "members": [{ "target": target, "weight": 100 }] }] })
        };
        let missing = json!({ "header": "authorization", "value": null });
        let table = json!({
            "version": 1, "routes": {},
            "pools": {
                "default/near": pool(1, "default/pods", breaker("Endpoint")),
                "default/far": pool(2, "default/host", breaker("Upstream")),
            },
            "targets": {
                "default/pods": { "host": "a.b.svc", "port": 80, "protocol": "HTTP", "discovered": true, "zone": "z" },
                "default/host": { "host": "h", "port": 80, "protocol": "HTTP", "region": "eu", "zone": "eu-1",
                    "credential": missing },
            },
            "endpoints": { "default/pods": { "addresses": [
                { "address": "10.0.0.1:80", "zone": "z-1" }, { "address": "10.0.0.2:80" },
            ] } },
        });
        let current = Current::default();
        assert_eq!(current.apply(Arc::new(serde_json::from_value(table).unwrap())), []);
        let members: Vec<_> = current
            .members()
            .into_iter()
            .map(|member| (member.upstream.name, member.region, member.zone, member.healthy))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        // Nothing is sent to a Target whose credential is missing.
        assert_eq!(
            members,
            [
                ("far".to_owned(), text("eu"), text("eu-1"), false),
                ("near".to_owned(), None, text("z-1"), true),
                ("near".to_owned(), None, text("z"), true),
            ]
        );
        let breakers: Vec<_> = current
            .breakers()
            .into_iter()
            .map(|breaker| (breaker.service.name, breaker.scope, breaker.address.is_some(), breaker.state))
            .collect();
        assert_eq!(
            breakers,
            [
                ("pods".to_owned(), BreakerScope::Endpoint, true, BreakerState::Closed),
                ("pods".to_owned(), BreakerScope::Endpoint, true, BreakerState::Closed),
                ("far".to_owned(), BreakerScope::Upstream, false, BreakerState::Closed),
            ]
        );
        let levels: Vec<_> = current.levels().into_iter().map(|level| (level.upstream.name, level.priority)).collect();
        let [far, near] = ["far", "near"].map(str::to_owned);
        assert_eq!(levels, [(far.clone(), None), (far, Some(2)), (near.clone(), None), (near, Some(1))]);
    }
}
