//! What Targets refer to outside our own kinds.

use std::collections::BTreeSet;

use sluicegate_crds::target::TargetSpec;
use sluicegate_table::ObjectKey;

pub(super) use crate::objects::Reference;

/// What a Target of this namespace refers to.
pub(super) fn of(namespace: &str, spec: &TargetSpec) -> BTreeSet<Reference> {
    let key = |name: &str| ObjectKey::new(namespace, name);
    let secret = spec.credentials.as_ref().map(|found| key(&found.value_from.secret_key_ref.name));
    let authorities = spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref()).map(|found| key(&found.config_map.name));
    let service = spec.service.as_ref().map(|found| key(&found.name));
    let found = [secret.map(Reference::Secret), authorities.map(Reference::ConfigMap), service.map(Reference::Service)];
    found.into_iter().flatten().collect()
}
