//! Targets at run time: the entry of the table, the endpoints behind it, and what all workers share about each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sluicegate_table::{Endpoints, ObjectKey, Target};

use crate::health::{EndpointHealth, Judged, Probe, Shared};
use crate::pick::least_latency::PeakEwma;

/// A Target at run time: its entry, and where it is.
#[derive(Debug)]
pub struct TargetRuntime {
    /// The entry it was made from.
    pub target: Arc<Target>,
    /// The addresses it was made from, where the Target's place is discovered.
    pub addresses: Option<Arc<Endpoints>>,
    /// One for each address, in their order; for a Target whose place is its host, exactly one.
    pub endpoints: Box<[Arc<Endpoint>]>,
}

/// One place that requests to a Target are sent to: health, load, connections and limits are counted for each. A new
/// version of the Target makes new `Endpoint`s that share the old ones' [`Load`].
#[derive(Debug)]
pub struct Endpoint {
    /// The Target's key.
    pub key: ObjectKey,
    /// The address, where the Target's place is discovered; `None`: what its host resolves to.
    pub address: Option<SocketAddr>,
    /// The Target's entry.
    pub target: Arc<Target>,
    /// Counters that outlive a change of the entry.
    pub load: Arc<Load>,
}

impl TargetRuntime {
    /// The Target of `last` where nothing changed, else a new one that takes over the counters of the endpoints that
    /// stay. `addresses` count for a discovered Target only.
    pub(crate) fn shared_or_new(
        key: &ObjectKey,
        target: &Arc<Target>,
        addresses: Option<&Arc<Endpoints>>,
        last: Option<&Arc<Self>>,
        health: &Arc<Shared>,
    ) -> Arc<Self> {
        let addresses = addresses.filter(|_| target.discovered);
        if let Some(last) = last
            && last.target == *target
            && last.addresses.as_ref() == addresses
        {
            return Arc::clone(last);
        }
        let endpoint = |address: Option<SocketAddr>| {
            let before = last.and_then(|last| last.endpoint(address)).filter(|before| before.is_at(target));
            let load = before.map_or_else(|| Arc::new(Load::new(health)), |before| Arc::clone(&before.load));
            Arc::new(Endpoint { key: key.clone(), address, target: Arc::clone(target), load })
        };
        let endpoints = if target.discovered {
            let listed = addresses.into_iter().flat_map(|endpoints| &endpoints.addresses);
            listed.map(|listed| endpoint(Some(listed.address))).collect()
        } else {
            Box::from([endpoint(None)])
        };
        Arc::new(Self { target: Arc::clone(target), addresses: addresses.cloned(), endpoints })
    }

    /// The endpoint at an address. Addresses are listed in their order.
    fn endpoint(&self, address: Option<SocketAddr>) -> Option<&Arc<Endpoint>> {
        let at = self.endpoints.binary_search_by_key(&address, |endpoint| endpoint.address).ok()?;
        self.endpoints.get(at)
    }
}

impl Endpoint {
    /// Whether `target` leads to the same place: what is known of another host says nothing about this one.
    fn is_at(&self, target: &Target) -> bool {
        self.address.is_some() || (&self.target.host, self.target.port) == (&target.host, target.port)
    }
}

/// The places of a member of a pool in lists of endpoints: one for each endpoint of its Target, and one that is empty where
/// there is none. All lists are made by this, so that a position means the same in each.
pub(crate) fn places(target: Option<&Arc<TargetRuntime>>) -> impl Iterator<Item = Option<&Arc<Endpoint>>> {
    let endpoints = target.map_or(&[][..], |target| &target.endpoints);
    let empty = endpoints.is_empty().then_some(None);
    endpoints.iter().map(Some).chain(empty)
}

/// What all workers share about an endpoint: atomics only. Each has cache lines of its own (two, as processors fetch them
/// in pairs), so that requests to one endpoint do not slow down those to another.
#[derive(Debug)]
#[repr(align(128))]
pub struct Load {
    in_flight: AtomicU32,
    picked: AtomicBool,
    /// The time to the answer's head.
    pub(crate) latency: PeakEwma,
    health: Arc<EndpointHealth>,
}

impl Default for Load {
    /// That of an endpoint on its own.
    fn default() -> Self {
        Self::new(&Arc::default())
    }
}

impl Load {
    /// The load of a new endpoint, whose health has `shared` in common with that of others.
    pub fn new(shared: &Arc<Shared>) -> Self {
        let (in_flight, picked) = (AtomicU32::new(0), AtomicBool::new(false));
        Self { in_flight, picked, latency: PeakEwma::default(), health: EndpointHealth::new(shared) }
    }

    /// The endpoint's health.
    pub fn health(&self) -> &Arc<EndpointHealth> {
        &self.health
    }

    /// Requests in flight: from the pick until the end of the answer's body.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it was ever picked.
    pub fn was_picked(&self) -> bool {
        self.picked.load(Ordering::Relaxed)
    }
}

/// Counts a request in flight until it is dropped, which must be at the end of the answer's body.
#[derive(Debug)]
pub struct InFlight {
    load: Arc<Load>,
    /// Held until the attempt is judged or over.
    probe: Option<Probe>,
    judged: Judged,
}

impl InFlight {
    /// Counts one request in flight, from its pick on.
    pub fn begin(load: &Arc<Load>) -> Self {
        Self::begin_as(load, None)
    }

    /// As [`Self::begin`], with the probe that the pick gave.
    pub fn begin_as(load: &Arc<Load>, probe: Option<Probe>) -> Self {
        if !load.was_picked() {
            load.picked.store(true, Ordering::Relaxed);
        }
        load.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { load: Arc::clone(load), probe, judged: Judged::default() }
    }

    /// The load of the endpoint that it is sent to.
    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// The probe of a half-open circuit breaker that it is. Probes want to be judged, whatever the pool asks for.
    pub fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref()
    }

    /// What was judged of it.
    pub(crate) fn judged(&self) -> &Judged {
        &self.judged
    }

    /// Records the time from sending until the answer's head. Of use only where the pool
    /// [`compares latency`](crate::pick::Balancer::compares_latency).
    pub fn answered_after(&self, time: Duration) {
        self.load.latency.observe(time, Instant::now());
    }

    /// Records that the attempt ended without an answer's head: a failed connection, a reset, a timeout. Not for clients
    /// that went away, which says nothing about the target.
    pub fn unanswered(&self) {
        self.load.latency.observe_failure(Instant::now());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.load.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use serde_json::json;

    use super::*;

    fn runtime(
        target: &serde_json::Value,
        addresses: &[&str],
        last: Option<&Arc<TargetRuntime>>,
    ) -> Arc<TargetRuntime> {
        let listed: Vec<_> = addresses.iter().map(|address| json!({ "address": address })).collect();
        let addresses: Arc<Endpoints> = serde_json::from_value(json!({ "addresses": listed })).unwrap();
        let target: Arc<Target> = serde_json::from_value(target.clone()).unwrap();
        TargetRuntime::shared_or_new(&ObjectKey::new("default", "t"), &target, Some(&addresses), last, &Arc::default())
    }

    #[test]
    fn counters_outlive_a_change_of_addresses_and_of_the_target() {
        let target = json!({ "host": "orders.shop.svc", "port": 80, "discovered": true, "protocol": "HTTP" });
        let first = runtime(&target, &["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"], None);
        let held: Vec<InFlight> = first.endpoints.iter().map(|endpoint| InFlight::begin(&endpoint.load)).collect();

        assert!(Arc::ptr_eq(&first, &runtime(&target, &["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"], Some(&first))));
        let second = runtime(&target, &["10.0.0.2:80", "10.0.0.3:80", "[fd00::1]:80"], Some(&first));
        let in_flight = |runtime: &TargetRuntime| -> Vec<u32> {
            runtime.endpoints.iter().map(|endpoint| endpoint.load.in_flight()).collect()
        };
        assert_eq!(in_flight(&second), [1, 0, 1]);

        let edited = json!({ "host": "orders.shop.svc", "port": 80, "discovered": true, "protocol": "H2C" });
        let third = runtime(&edited, &["10.0.0.2:80", "[fd00::1]:80"], Some(&second));
        assert_eq!(in_flight(&third), [1, 1]);
        drop(held);
        assert_eq!(in_flight(&third), [0, 0]);
    }

    #[test]
    fn a_target_whose_place_is_its_host_has_one_endpoint_whatever_is_listed() {
        let target = json!({ "host": "orders.example.com", "port": 80, "protocol": "HTTP" });
        let first = runtime(&target, &["10.0.0.1:80", "10.0.0.2:80"], None);
        assert_eq!(first.endpoints.iter().map(|endpoint| endpoint.address).collect::<Vec<_>>(), [None]);
        assert!(Arc::ptr_eq(&first, &runtime(&target, &[], Some(&first))));
    }
}
