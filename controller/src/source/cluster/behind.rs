//! What is behind a Service, put together from its slices.

use std::collections::BTreeMap;

use super::projected::{AddressType, Endpoint, ServiceObject, Slice, Version};
use crate::objects::{Service, ServiceEndpoint};

/// A Service that a Target refers to, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// The Service itself.
    pub(super) service: Option<ServiceObject>,
    /// Its slices by name.
    pub(super) slices: BTreeMap<Box<str>, Slice>,
    /// What happened up to this version is known to be in the slices.
    pub(super) as_of: Version,
}

/// What tells one pod from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identity<'a> {
    Pod(&'a str),
    Address(std::net::IpAddr),
}

impl Behind {
    /// The Service with the addresses that are ready. A pod with an IPv4 and an IPv6 address is one endpoint and is
    /// reached by IPv4: two would be counted, balanced and judged as two. While a slice is being split a pod may be in
    /// both halves; it is one, too. Where no pod is ready those that still serve while they end will do, as they do for
    /// Kubernetes' own Services: when all pods are replaced at once, they are all that there is.
    pub(super) fn whole(&self) -> Option<Service> {
        let ports = self.service.as_ref()?.ports.clone();
        let mut found: BTreeMap<Identity<'_>, (AddressType, ServiceEndpoint)> = BTreeMap::new();
        let slices = || self.slices.values().filter(|slice| slice.address_type != AddressType::Other);
        let any_ready = slices().flat_map(|slice| &slice.endpoints).any(|endpoint| endpoint.ready);
        for slice in slices() {
            for endpoint in slice.endpoints.iter().filter(|endpoint| endpoint.ready == any_ready) {
                let here = (slice.address_type, described(endpoint, &slice.ports));
                match found.entry(identity(endpoint)) {
                    std::collections::btree_map::Entry::Vacant(vacant) => {
                        vacant.insert(here);
                    }
                    std::collections::btree_map::Entry::Occupied(mut known) => merge(known.get_mut(), here),
                }
            }
        }
        let mut endpoints: Vec<ServiceEndpoint> = found.into_values().map(|(_, endpoint)| endpoint).collect();
        endpoints.sort();
        Some(Service { ports, endpoints })
    }
}

fn identity(endpoint: &Endpoint) -> Identity<'_> {
    match &endpoint.pod {
        Some((uid, _)) => Identity::Pod(uid),
        None => Identity::Address(endpoint.address),
    }
}

fn described(endpoint: &Endpoint, ports: &[(Box<str>, u16)]) -> ServiceEndpoint {
    let ports = ports.iter().map(|(name, port)| (String::from(&**name), *port)).collect();
    ServiceEndpoint { address: endpoint.address, zone: endpoint.zone.as_deref().map(str::to_owned), ports }
}

/// Of two views of one pod the lower address family counts; where that is the same, what either shows.
fn merge(known: &mut (AddressType, ServiceEndpoint), other: (AddressType, ServiceEndpoint)) {
    if other.0 < known.0 {
        *known = other;
    } else if other.0 == known.0 {
        for (name, port) in other.1.ports {
            known.1.ports.entry(name).or_insert(port);
        }
    }
}
