//! Services, and the `EndpointSlice`s that say what is behind them.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};
use sluicegate_table::ObjectKey;

use super::metadata::{Metadata, Named, Version};
use crate::objects::ServicePort;

/// The label by which a slice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A Service.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "ServiceAsWritten")]
pub(in crate::source::cluster) struct ServiceObject {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its TCP ports.
    pub ports: Vec<ServicePort>,
}

impl Named for ServiceObject {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// A part of what is behind a Service.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "SliceAsWritten")]
pub(in crate::source::cluster) struct Slice {
    /// Its metadata.
    pub metadata: Metadata,
    /// The name of its Service; none: it belongs to no Service.
    pub service: Option<Box<str>>,
    /// What its addresses are.
    pub address_type: AddressType,
    /// What of it can serve.
    pub endpoints: Vec<Endpoint>,
    /// Its TCP ports by name.
    pub ports: Vec<(Box<str>, u16)>,
}

impl Named for Slice {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Slice {
    /// The key of its Service.
    pub(in crate::source::cluster) fn service_key(&self) -> Option<ObjectKey> {
        Some(ObjectKey::new(&*self.metadata.namespace, &**self.service.as_ref()?))
    }
}

/// What a slice's addresses are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(in crate::source::cluster) enum AddressType {
    /// IP version 4.
    IPv4,
    /// IP version 6.
    IPv6,
    /// Host names, or what a later Kubernetes knows: not used.
    #[default]
    #[serde(other)]
    Other,
}

/// One pod, or one address that somebody wrote by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::cluster) struct Endpoint {
    /// The address. A slice may list several that are one and the same; the first stands for all.
    pub address: IpAddr,
    /// The zone that it is in.
    pub zone: Option<Box<str>>,
    /// The pod's UID and name, where it is a pod.
    pub pod: Option<(Box<str>, Box<str>)>,
    /// It is ready; else it still serves while it ends.
    pub ready: bool,
}

#[derive(Deserialize)]
struct ServiceAsWritten {
    metadata: Metadata,
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    #[serde(deserialize_with = "or_default")]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    #[serde(deserialize_with = "or_default")]
    name: Box<str>,
    #[serde(rename = "port")]
    number: Option<u16>,
    #[serde(deserialize_with = "or_tcp")]
    protocol: Box<str>,
}

impl Default for Port {
    fn default() -> Self {
        Self { name: Box::default(), number: None, protocol: TCP.into() }
    }
}

const TCP: &str = "TCP";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SliceAsWritten {
    metadata: LabelledMetadata,
    #[serde(default)]
    address_type: AddressType,
    #[serde(default, deserialize_with = "or_default")]
    endpoints: Vec<EndpointAsWritten>,
    #[serde(default, deserialize_with = "or_default")]
    ports: Vec<Port>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LabelledMetadata {
    name: Box<str>,
    namespace: Box<str>,
    resource_version: Version,
    labels: Labels,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(rename = "kubernetes.io/service-name")]
    service: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointAsWritten {
    #[serde(default, deserialize_with = "or_default")]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    #[serde(default)]
    zone: Option<Box<str>>,
    #[serde(default)]
    target_ref: Option<TargetRef>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TargetRef {
    kind: Box<str>,
    uid: Box<str>,
    name: Box<str>,
}

impl From<ServiceAsWritten> for ServiceObject {
    fn from(written: ServiceAsWritten) -> Self {
        let ports = tcp(written.spec.ports);
        let ports = ports.map(|(name, port)| ServicePort { name: name.into(), port }).collect();
        Self { metadata: written.metadata, ports }
    }
}

impl From<SliceAsWritten> for Slice {
    fn from(written: SliceAsWritten) -> Self {
        let SliceAsWritten { metadata, address_type, endpoints, ports } = written;
        let LabelledMetadata { name, namespace, resource_version, labels } = metadata;
        let metadata = Metadata { name, namespace, resource_version, ..Metadata::default() };
        let endpoints = endpoints.into_iter().filter_map(|endpoint| {
            // Ready left out means that nobody knows, which Kubernetes asks to be taken for ready.
            let Conditions { ready, serving, terminating } = endpoint.conditions;
            let ready = ready != Some(false);
            let ends = serving == Some(true) && terminating == Some(true);
            if !ready && !ends {
                return None;
            }
            let address = endpoint.addresses.first()?.parse().ok()?;
            let pod = endpoint.target_ref.filter(|target| &*target.kind == "Pod" && !target.uid.is_empty());
            Some(Endpoint { address, zone: endpoint.zone, pod: pod.map(|pod| (pod.uid, pod.name)), ready })
        });
        let endpoints = endpoints.collect();
        Self { metadata, service: labels.service, address_type, endpoints, ports: tcp(ports).collect() }
    }
}

fn tcp(ports: Vec<Port>) -> impl Iterator<Item = (Box<str>, u16)> {
    ports.into_iter().filter(|port| &*port.protocol == TCP).filter_map(|port| Some((port.name, port.number?)))
}

/// The API server writes `null` for some empty lists.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn or_tcp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(|| TCP.into()))
}

/// A label selector of the slices of one Service.
pub(in crate::source::cluster) fn slices_of(service: &str) -> String {
    format!("{SERVICE_NAME}={service}")
}
