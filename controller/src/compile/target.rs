//! A Target becomes a target entry.

use sluicegate_crds::target::{self as crd, TargetSpec};
use sluicegate_table::{Protocol, Target, TargetState, Tls, TrustRoots};

use super::credentials::credential;
use super::faults::{Fault, Problems};
use super::headers::{self, Seen};
use super::references::Scope;
use super::referrers::{Reference, Referred};
use super::roots::roots;
use super::services::{self, Place};
use super::{health_checks, names, paths, unreadable};
use crate::objects::Objects;
use crate::problem::FieldPath;

/// The entry of a Target; `None` if the object is refused.
pub(super) fn target(
    spec: &TargetSpec,
    objects: &Objects,
    scope: Scope<'_>,
    problems: &mut Problems,
) -> Option<Target> {
    if unreadable::check(spec, objects, scope, problems) {
        return None;
    }
    let field = FieldPath::spec();
    let place = services::place(spec, objects, scope, &field, problems);
    let path = problems.check(&field.key("path"), paths::base(spec.path.as_deref().unwrap_or_default()));
    let mut seen = Seen::default();
    let headers = headers::fixed(&spec.headers, headers::settable_name, &field.key("headers"), &mut seen, problems);
    let credential = match &spec.credentials {
        None => None,
        Some(credentials) => {
            let field = field.key("credentials");
            let credential = credential(credentials, objects, scope, &field, problems);
            if let Some(credential) = &credential {
                let field = field.key("header");
                problems.check(&field, seen.once(credential.header.clone(), &field));
            }
            credential
        }
    };
    let tls = tls(spec, objects, scope, &field.key("tls"), problems);
    let health_checks = health_checks::health_checks(spec.health_checks.as_ref(), &field.key("healthChecks"), problems);
    let mut label = |name: &str, written: Option<&str>| {
        written.and_then(|written| problems.check(&field.key(name), names::topology_label(written)))
    };
    let region = label("region", spec.region.as_deref());
    let zone = label("zone", spec.zone.as_deref());
    if problems.refused() {
        return None;
    }
    let Place { host, port, discovered } = place?;
    Some(Target {
        discovered,
        path: path?,
        state: match spec.state {
            crd::TargetState::Enabled => TargetState::Enabled,
            crd::TargetState::Draining => TargetState::Draining,
            crd::TargetState::Disabled => TargetState::Disabled,
        },
        headers,
        credential,
        tls,
        health_checks,
        region,
        zone,
        ..Target::new(host, port, protocol(spec.protocol))
    })
}

/// What a Target's entry depends on.
pub(super) fn references(spec: &TargetSpec) -> impl Iterator<Item = Reference> {
    let service = spec.service.as_ref().map(|service| Reference::new(Referred::Service, &service.name));
    let secret = spec.credentials.as_ref().map(|credentials| &credentials.value_from.secret_key_ref);
    let secret = secret.map(|secret| Reference::new(Referred::Secret, &secret.name));
    let authorities = spec.tls.as_ref().and_then(|tls| tls.ca_ref.as_ref()).map(|reference| &reference.config_map);
    let authorities = authorities.map(|map| Reference::new(Referred::ConfigMap, &map.name));
    service.into_iter().chain(secret).chain(authorities)
}

fn protocol(protocol: crd::Protocol) -> Protocol {
    match protocol {
        crd::Protocol::Http => Protocol::Http,
        crd::Protocol::Https => Protocol::Https,
        crd::Protocol::H2c => Protocol::H2c,
    }
}

fn tls(spec: &TargetSpec, objects: &Objects, scope: Scope<'_>, field: &FieldPath, problems: &mut Problems) -> Tls {
    let Some(tls) = &spec.tls else { return Tls::default() };
    if spec.protocol != crd::Protocol::Https {
        let fault = Fault::invalid("TLS settings have no effect with a protocol other than HTTPS");
        problems.refuse(field, fault.hint("write protocol: HTTPS, or leave `tls` out"));
    }
    let server_name =
        tls.server_name.as_deref().and_then(|name| problems.check(&field.key("serverName"), names::host(name)));
    let roots = tls
        .ca_ref
        .as_ref()
        .map_or(TrustRoots::System, |reference| roots(reference, objects, scope, &field.key("caRef"), problems));
    Tls { server_name, roots }
}
