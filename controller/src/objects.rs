//! The objects that compile works on: what a source found, checked against the schema, with refusals kept in place.

use std::collections::BTreeMap;
use std::fmt;
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
}

/// An object as a source found it.
#[derive(Clone, Debug)]
pub enum Candidate<T> {
    /// It passed the schema and its CEL rules.
    Valid(Arc<T>),
    /// It did not; its last valid version, where the table holds one, stays in force.
    Refused(Arc<Vec<Problem>>),
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
