//! Certificate authorities from a `ConfigMap`: checked as a proxy would, so that it never meets a bundle it cannot load.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sluicegate_crds::status::Reason;
use sluicegate_crds::target::CaRef;
use sluicegate_table::TrustRoots;

use super::faults::{Checked, Fault, Problems, shown};
use super::references::Scope;
use crate::objects::Objects;
use crate::problem::FieldPath;

const NO_REQUESTS: &str = "the target gets no requests";

/// The certificate authorities that `reference` names. Missing or unusable ones are never replaced by the system's.
pub(super) fn roots(
    reference: &CaRef,
    objects: &Objects,
    scope: Scope<'_>,
    field: &FieldPath,
    problems: &mut Problems,
) -> TrustRoots {
    let reference = &reference.config_map;
    let field = field.key("configMap");
    let mut missing = |key: &str, fault: Fault| {
        problems.unresolved(&field.key(key), Reason::ConfigMapNotFound, fault.so(NO_REQUESTS));
        TrustRoots::Missing
    };
    let Some(data) = objects.config_maps.get(&scope.key(&reference.name)) else {
        return missing("name", scope.missing("ConfigMap", &reference.name, &objects.config_maps));
    };
    let Some(text) = data.get(&reference.key) else {
        let message = format!("the ConfigMap {} has no key {}", shown(&reference.name), shown(&reference.key));
        return missing("key", Fault::invalid(message));
    };
    match certificates(text) {
        Ok(()) => TrustRoots::Pem(text.clone()),
        Err(fault) => {
            let key = format!("{} of the ConfigMap {}", shown(&reference.key), shown(&reference.name));
            missing("key", Fault::invalid(format!("the key {key} cannot be used: {}", fault.message())))
        }
    }
}

/// Checks that the text holds certificates, all of which can be trusted as authorities.
fn certificates(pem: &str) -> Checked<()> {
    let mut store = RootCertStore::empty();
    for (position, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let number = position + 1;
        let certificate =
            certificate.map_err(|_| Fault::invalid(format!("its certificate {number} is no well-formed PEM")))?;
        store
            .add(certificate)
            .map_err(|error| Fault::invalid(format!("its certificate {number} cannot be trusted: {error}")))?;
    }
    if store.is_empty() { Err(Fault::invalid("it holds no PEM certificate")) } else { Ok(()) }
}
