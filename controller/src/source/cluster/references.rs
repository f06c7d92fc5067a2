//! What Targets refer to outside our own kinds.

use std::collections::BTreeSet;
use std::fmt;

use sluicegate_crds::target::TargetSpec;
use sluicegate_table::ObjectKey;

/// One thing that a Target refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
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

/// What a Target of this namespace refers to.
pub(super) fn of(namespace: &str, spec: &TargetSpec) -> BTreeSet<Reference> {
    let key = |name: &str| ObjectKey::new(namespace, name);
    let secret = spec.credentials.as_ref().map(|found| key(&found.value_from.secret_key_ref.name));
    let authorities = spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref()).map(|found| key(&found.config_map.name));
    let service = spec.service.as_ref().map(|found| key(&found.name));
    let found = [secret.map(Reference::Secret), authorities.map(Reference::ConfigMap), service.map(Reference::Service)];
    found.into_iter().flatten().collect()
}
