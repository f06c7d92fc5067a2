//! Targets that name a Service: the place in their entry, and the addresses behind it in an entry of their own.
//!
//! The Target's entry names the Service in the form `NAME.NAMESPACE.svc`, which is what the pods see as `Host` and what
//! TLS asks for. The addresses follow from that entry and the Service alone. So a refused Target's last valid version
//! follows its pods too, and nothing but the table has to be known for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use sluicegate_crds::status::Reason;
use sluicegate_crds::target::{ServiceRef, TargetSpec};
use sluicegate_table::{EndpointAddress, Endpoints, ObjectKey, Target};

use super::faults::{Fault, Problems, shown};
use super::names;
use super::references::Scope;
use super::referrers::{Reference, Referred};
use crate::objects::{Objects, Service, ServicePort};
use crate::problem::FieldPath;

const NO_REQUESTS: &str = "the target gets no requests";

/// Where a Target's requests go.
pub(super) struct Place {
    /// The host, as [`Target::host`].
    pub(super) host: String,
    /// The port, as [`Target::port`].
    pub(super) port: u16,
    /// As [`Target::discovered`].
    pub(super) discovered: bool,
}

/// The place that a Target names; `None` if the object is refused.
pub(super) fn place(
    spec: &TargetSpec,
    objects: &Objects,
    scope: Scope<'_>,
    field: &FieldPath,
    problems: &mut Problems,
) -> Option<Place> {
    match (&spec.host, &spec.service) {
        (Some(host), None) => {
            let host = problems.check(&field.key("host"), names::host(host));
            let field = field.key("port");
            let port = match spec.port {
                Some(port) => problems.check(&field, names::port(port)),
                None => problems.check(&field, Err(Fault::invalid("a host needs a port beside it"))),
            };
            Some(Place { host: host?, port: port?, discovered: false })
        }
        (None, Some(service)) => {
            if spec.port.is_some() {
                let fault = Fault::invalid("a port beside a Service has no effect");
                problems.refuse(&field.key("port"), fault.hint("write the Service's port in service.port"));
            }
            let field = field.key("service");
            let port = problems.check(&field.key("port"), names::port(service.port));
            let host = problems.check(&field.key("name"), names::host(&host(&scope.key(&service.name))));
            look_up(service, objects, scope, &field, problems);
            Some(Place { host: host?, port: port?, discovered: true })
        }
        (host, _) => {
            let message = if host.is_some() {
                "there are both `host` and `service`"
            } else {
                "there is neither `host` nor `service`"
            };
            problems.refuse(field, Fault::invalid(message).hint("write exactly one of them"));
            None
        }
    }
}

/// Says what is not there of the Service. That no pod is ready is no matter of references.
fn look_up(service: &ServiceRef, objects: &Objects, scope: Scope<'_>, field: &FieldPath, problems: &mut Problems) {
    let Some(found) = objects.services.get(&scope.key(&service.name)) else {
        let fault = scope.missing("Service", &service.name, &objects.services);
        return problems.unresolved(&field.key("name"), Reason::BackendNotFound, fault.so(NO_REQUESTS));
    };
    if port(found, service.port).is_none() {
        let message = format!("the Service {} has no port {}", shown(&service.name), service.port);
        let fault = Fault::invalid(message).so(NO_REQUESTS).hint(ports(&found.ports));
        problems.unresolved(&field.key("port"), Reason::BackendNotFound, fault);
    }
}

fn ports(ports: &[ServicePort]) -> String {
    let named = |port: &ServicePort| match port.name.as_str() {
        "" => port.port.to_string(),
        name => format!("{} ({name})", port.port),
    };
    match ports {
        [] => "it has no ports".to_owned(),
        ports => format!("its ports: {}", ports.iter().map(named).collect::<Vec<_>>().join(", ")),
    }
}

fn port(service: &Service, number: u16) -> Option<&ServicePort> {
    service.ports.iter().find(|port| port.port == number)
}

/// The Service's name within the cluster.
fn host(service: &ObjectKey) -> String {
    format!("{}.{}.svc", service.name, service.namespace)
}

/// What the entry of the Target `key` depends on, if it is a Service.
pub(super) fn reference(key: &ObjectKey, entry: &Target) -> Option<Reference> {
    service(key, entry).map(|service| Reference::new(Referred::Service, &service.name))
}

/// The Service that the entry of the Target `key` leads to.
fn service(key: &ObjectKey, entry: &Target) -> Option<ObjectKey> {
    if !entry.discovered {
        return None;
    }
    let name = entry.host.strip_suffix(".svc")?.strip_suffix(&key.namespace)?.strip_suffix('.')?;
    Some(ObjectKey::new(key.namespace.clone(), name))
}

/// The addresses behind the Target `key`, none where the Service or its port is not there; `None` where the Target names
/// no Service.
pub(super) fn endpoints(
    key: &ObjectKey,
    entry: &Target,
    services: &BTreeMap<ObjectKey, Arc<Service>>,
) -> Option<Endpoints> {
    let service = service(key, entry)?;
    let found = services.get(&service).and_then(|service| Some((service, port(service, entry.port)?)));
    let mut addresses: Vec<EndpointAddress> = found
        .into_iter()
        .flat_map(|(service, port)| {
            service.endpoints.iter().filter_map(|endpoint| {
                let number = *endpoint.ports.get(&port.name)?;
                Some(EndpointAddress {
                    address: SocketAddr::new(endpoint.address, number),
                    zone: endpoint.zone.clone(),
                })
            })
        })
        .collect();
    addresses.sort();
    // One pod may be in two slices for a moment, the zone known in one of them only: what is known wins.
    addresses.dedup_by(|next, kept| {
        let same = next.address == kept.address;
        if same {
            kept.zone = next.zone.take();
        }
        same
    });
    Some(Endpoints { addresses })
}
