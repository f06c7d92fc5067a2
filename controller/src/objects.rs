//! The objects that compile works on: what a source found, checked against the schema, with refusals kept in place.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::ObjectKey;

use crate::problem::Problem;

/// Everything a source holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Rules.
    pub rules: BTreeMap<ObjectKey, Candidate<Rule>>,
    /// Upstreams.
    pub upstreams: BTreeMap<ObjectKey, Candidate<Upstream>>,
    /// Targets.
    pub targets: BTreeMap<ObjectKey, Candidate<Target>>,
    /// Secrets that were found; absent: missing.
    pub secrets: BTreeMap<ObjectKey, Arc<SecretData>>,
    /// `ConfigMap`s that were found; absent: missing.
    pub config_maps: BTreeMap<ObjectKey, Arc<BTreeMap<String, String>>>,
    /// Services that were found, with what is behind them; absent: missing. A folder has none.
    pub services: BTreeMap<ObjectKey, Arc<Service>>,
    /// What the source may not read at the moment, and why. What it read of it before is still held above. A folder has
    /// none.
    pub unreadable: BTreeMap<Reference, Arc<str>>,
}

impl Objects {
    /// Takes in what has changed.
    pub fn apply(&mut self, change: Change) {
        fn put<T>(map: &mut BTreeMap<ObjectKey, T>, key: ObjectKey, value: Option<T>) {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        match change {
            Change::Rule(key, rule) => put(&mut self.rules, key, rule),
            Change::Upstream(key, upstream) => put(&mut self.upstreams, key, upstream),
            Change::Target(key, target) => put(&mut self.targets, key, target),
            Change::Secret(key, secret) => put(&mut self.secrets, key, secret),
            Change::ConfigMap(key, map) => put(&mut self.config_maps, key, map),
            Change::Service(key, service) => put(&mut self.services, key, service),
            Change::Unreadable(reference, Some(why)) => drop(self.unreadable.insert(reference, why)),
            Change::Unreadable(reference, None) => drop(self.unreadable.remove(&reference)),
        }
    }

    /// All of it as changes to nothing.
    pub fn into_changes(self) -> impl Iterator<Item = Change> {
        let rules = self.rules.into_iter().map(|(key, rule)| Change::Rule(key, Some(rule)));
        let upstreams = self.upstreams.into_iter().map(|(key, upstream)| Change::Upstream(key, Some(upstream)));
        let targets = self.targets.into_iter().map(|(key, target)| Change::Target(key, Some(target)));
        let secrets = self.secrets.into_iter().map(|(key, secret)| Change::Secret(key, Some(secret)));
        let config_maps = self.config_maps.into_iter().map(|(key, map)| Change::ConfigMap(key, Some(map)));
        let services = self.services.into_iter().map(|(key, service)| Change::Service(key, Some(service)));
        let unreadable = self.unreadable.into_iter().map(|(reference, why)| Change::Unreadable(reference, Some(why)));
        let referred = secrets.chain(config_maps).chain(services).chain(unreadable);
        referred.chain(targets).chain(upstreams).chain(rules)
    }
}

/// One thing that a source found changed. `None`: it is no more.
#[derive(Clone, Debug)]
pub enum Change {
    /// A Rule.
    Rule(ObjectKey, Option<Candidate<Rule>>),
    /// An Upstream.
    Upstream(ObjectKey, Option<Candidate<Upstream>>),
    /// A Target.
    Target(ObjectKey, Option<Candidate<Target>>),
    /// A Secret.
    Secret(ObjectKey, Option<Arc<SecretData>>),
    /// A `ConfigMap`.
    ConfigMap(ObjectKey, Option<Arc<BTreeMap<String, String>>>),
    /// A Service or what is behind it.
    Service(ObjectKey, Option<Arc<Service>>),
    /// Whether something may be read, and why not.
    Unreadable(Reference, Option<Arc<str>>),
}

/// Something outside our own kinds that a Target refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// A Secret.
    Secret(ObjectKey),
    /// A `ConfigMap`.
    ConfigMap(ObjectKey),
    /// A Service with what is behind it.
    Service(ObjectKey),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(key) => write!(f, "Secret {key}"),
            Self::ConfigMap(key) => write!(f, "ConfigMap {key}"),
            Self::Service(key) => write!(f, "Service {key}"),
        }
    }
}

/// A Service and what is behind it, put together from all of its `EndpointSlice`s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// The addresses that are ready to serve, in order.
    pub endpoints: Vec<ServiceEndpoint>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty where the Service has one port only and gives it none.
    pub name: String,
    /// The number that clients of the Service use.
    pub port: u16,
}

/// An address behind a Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceEndpoint {
    /// The pod's address.
    pub address: IpAddr,
    /// The zone that it is in.
    pub zone: Option<String>,
    /// By the names of the Service's ports: the number that the pod listens on.
    pub ports: BTreeMap<String, u16>,
}

/// An object as a source found it.
#[derive(Clone, Debug)]
pub enum Candidate<T> {
    /// It passed the schema and its CEL rules.
    Valid(Arc<T>),
    /// It did not; its last valid version, where the table holds one, stays in force.
    Refused(Arc<Refused<T>>),
}

/// An object that did not pass the schema and its CEL rules.
#[derive(Clone, Debug)]
pub struct Refused<T> {
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Its `metadata.generation`, where it was read.
    pub generation: Option<i64>,
    /// Of a Rule: that much of it as says which requests are its own, where nothing is wrong with that.
    pub requests: Option<T>,
}

impl<T> Candidate<T> {
    /// An object of which nothing but what is wrong with it is known.
    pub fn refused(problems: Vec<Problem>) -> Self {
        Self::Refused(Arc::new(Refused { problems, generation: None, requests: None }))
    }
}

/// The data of a Secret. `Debug` shows the keys only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(pub BTreeMap<String, Vec<u8>>);

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The kinds that users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `Rule`.
    Rule,
    /// `Upstream`.
    Upstream,
    /// `Target`.
    Target,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Names one object: kind and key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub key: ObjectKey,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}
