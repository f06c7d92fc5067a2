//! What a Target refers to and the controller has no right to read.
//!
//! Rights go by mistake, and for a moment: what is in force stays. Where the thing was read before, its last value serves;
//! where it was not, the Target is refused, so that proxies keep the version that they have, credentials included.

use sluicegate_crds::status::Reason;
use sluicegate_crds::target::TargetSpec;

use super::faults::{Fault, Problems, shown};
use super::references::Scope;
use crate::objects::{Objects, Reference};
use crate::problem::FieldPath;

/// Notes what of a Target's references may not be read. Gives whether nothing is known of one.
pub(super) fn check(spec: &TargetSpec, objects: &Objects, scope: Scope<'_>, problems: &mut Problems) -> bool {
    let field = FieldPath::spec();
    let secret = spec.credentials.as_ref().map(|credentials| &credentials.value_from.secret_key_ref.name);
    let authorities = spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref()).map(|reference| &reference.config_map.name);
    let service = spec.service.as_ref().map(|service| &service.name);
    let secret = secret.map(|name| {
        let key = scope.key(name);
        let held = objects.secrets.contains_key(&key);
        ("Secret", name, field.key("credentials").key("valueFrom").key("secretKeyRef"), held, Reference::Secret(key))
    });
    let authorities = authorities.map(|name| {
        let key = scope.key(name);
        let held = objects.config_maps.contains_key(&key);
        ("ConfigMap", name, field.key("tls").key("caRef").key("configMap"), held, Reference::ConfigMap(key))
    });
    let service = service.map(|name| {
        let key = scope.key(name);
        let held = objects.services.contains_key(&key);
        ("Service", name, field.key("service"), held, Reference::Service(key))
    });
    let mut nothing_known = false;
    for (kind, name, field, held, reference) in [secret, authorities, service].into_iter().flatten() {
        let Some(why) = objects.unreadable.get(&reference) else { continue };
        let message = format!("the controller may not read the {kind} {}: {why}", shown(name));
        if held {
            let fault = Fault::invalid(message).so("what it read of it before stays in force");
            problems.unresolved(&field.key("name"), Reason::RefNotPermitted, fault);
        } else {
            nothing_known = true;
            problems.unknown(&field.key("name"), Reason::RefNotPermitted, Fault::invalid(message));
        }
    }
    nothing_known
}
