//! An Upstream becomes a pool entry.
//!
//! The entry names its members by key whether or not they exist: a Target that comes later changes its own entry only.
//! What is missing now is said in `ResolvedRefs`.

use std::collections::BTreeMap;

use sluicegate_crds::scalars::Duration;
use sluicegate_crds::status::Reason;
use sluicegate_crds::upstream::{self as crd, UpstreamSpec};
use sluicegate_table::{Affinity, Connections, EgressProxy, Level, Member, ObjectKey, Pool};

use super::fallbacks::Fallbacks;
use super::faults::{Checked, Fault, Problems, shown};
use super::references::Scope;
use super::referrers::{Reference, Referred};
use super::standing::Standing;
use super::weights::{self, Asked};
use super::{circuit_breaker, durations, headers, health_checks, names};
use crate::objects::Objects;
use crate::problem::FieldPath;

/// What follows from a fallback that is not there.
const NO_FALLBACK: &str = "there is no fallback: requests get 503 while circuit breakers are open";

const NAME_ANOTHER: &str = "create that Upstream, or let requests fall back to another one, a response or the cache";

/// The entry of an Upstream; `None` if the object is refused.
pub(super) fn upstream(
    key: &ObjectKey,
    spec: &UpstreamSpec,
    scope: Scope<'_>,
    fallbacks: &Fallbacks,
    problems: &mut Problems,
) -> Option<Pool> {
    let field = FieldPath::spec();
    let asked = members_by_level(&spec.targets, &field.key("targets"), problems);
    let algorithm = weights::algorithm(spec.algorithm, &asked, &field.key("algorithm"), problems);
    let levels: Vec<Option<Level>> = asked
        .into_iter()
        .map(|(priority, members)| {
            let weights = weights::level(priority, &members, problems)?;
            let members = members
                .iter()
                .zip(weights)
                .map(|(member, weight)| Member { target: scope.key(member.member), weight })
                .collect();
            Some(Level { priority, members })
        })
        .collect();
    let affinity = spec.affinity.as_ref().and_then(|written| affinity(written, &field.key("affinity"), problems));
    let connections = connections(spec.connections.as_ref(), &field.key("connections"), problems);
    let egress_proxy =
        spec.egress_proxy.as_ref().and_then(|written| egress_proxy(written, &field.key("egressProxy"), problems));
    let health_checks = health_checks::health_checks(spec.health_checks.as_ref(), &field.key("healthChecks"), problems);
    let circuit_breaker = spec
        .circuit_breaker
        .as_ref()
        .and_then(|written| circuit_breaker::circuit_breaker(written, scope, &field.key("circuitBreaker"), problems));
    if let Some(fault) = fallbacks.fault(key) {
        problems.refuse(&fallback_field(), fault);
    }
    if problems.refused() {
        return None;
    }
    let slow_start = spec.slow_start.map(Duration::get);
    let levels = levels.into_iter().collect::<Option<_>>()?;
    let pool = Pool::new(algorithm, levels);
    Some(Pool { affinity, connections, egress_proxy, health_checks, circuit_breaker, slow_start, ..pool })
}

/// What an Upstream names.
pub(super) fn references(spec: &UpstreamSpec) -> impl Iterator<Item = Reference> {
    let members = spec.targets.iter().map(|member| Reference::new(Referred::Target, &member.name));
    members.chain(fallback(spec).map(|name| Reference::new(Referred::Fallback, name)))
}

/// The Upstream that another one falls back to.
pub(super) fn fallback(spec: &UpstreamSpec) -> Option<&str> {
    spec.circuit_breaker.as_ref()?.fallback.as_ref()?.upstream.as_deref()
}

fn fallback_field() -> FieldPath {
    FieldPath::spec().key("circuitBreaker").key("fallback").key("upstream")
}

/// The members, and the Upstream to fall back to, that are not there or are refused.
pub(super) fn unresolved(
    spec: &UpstreamSpec,
    scope: Scope<'_>,
    objects: &Objects,
    target: impl Fn(&ObjectKey) -> Option<Standing>,
    upstream: impl Fn(&ObjectKey) -> Option<Standing>,
    problems: &mut Problems,
) {
    for (position, crd::Member { name, .. }) in spec.targets.iter().enumerate() {
        let standing = target(&scope.key(name));
        if let Some(fault) = scope.unusable("Target", name, standing, &objects.targets, "it gets no requests") {
            let field = FieldPath::spec().key("targets").index(position).key("name");
            problems.unresolved(&field, Reason::BackendNotFound, fault);
        }
    }
    // Where it leads back here, that says more.
    let Some(name) = fallback(spec).filter(|_| !problems.has(&fallback_field())) else { return };
    let standing = upstream(&scope.key(name));
    let Some(fault) = scope.unusable("Upstream", name, standing, &objects.upstreams, NO_FALLBACK) else { return };
    if standing.is_none() {
        // Other references are missed by the first request, this one by the first outage.
        problems.refuse_field(&fallback_field(), Reason::BackendNotFound, fault.or_hint(NAME_ANOTHER));
    } else {
        problems.unresolved(&fallback_field(), Reason::BackendNotFound, fault);
    }
}

/// The members by priority, lowest number first, in the order that users wrote.
fn members_by_level<'a>(
    members: &'a [crd::Member],
    field: &FieldPath,
    problems: &mut Problems,
) -> Vec<(u16, Vec<Asked<'a>>)> {
    if members.is_empty() {
        problems.refuse(field, Fault::invalid("there are no targets").hint("name at least one Target"));
    }
    let mut levels: BTreeMap<u16, Vec<Asked<'a>>> = BTreeMap::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, member) in members.iter().enumerate() {
        let field = field.index(position);
        if let Some(before) = seen.insert(&member.name, position) {
            let message = format!("the Target {} is also in spec.targets[{before}]", shown(&member.name));
            problems.refuse(&field.key("name"), Fault::invalid(message).hint("name each Target once"));
        }
        levels.entry(member.priority).or_default().push(Asked { member: &member.name, weight: member.weight, field });
    }
    levels.into_iter().collect()
}

fn affinity(written: &crd::Affinity, field: &FieldPath, problems: &mut Problems) -> Option<Affinity> {
    let crd::Affinity { cookie, header, client_ip, conversation } = written;
    let ways = [cookie.is_some(), header.is_some(), client_ip.is_some(), conversation.is_some()];
    let count = ways.into_iter().filter(|there| *there).count();
    if count != 1 {
        let message = format!("{count} ways to recognise a client are set, not one");
        let fault = Fault::invalid(message).hint("set exactly one of cookie, header, clientIP and conversation");
        problems.refuse(field, fault);
        return None;
    }
    if let Some(cookie) = cookie {
        let field = field.key("cookie");
        let name = problems.check(&field.key("name"), cookie_name(&cookie.name));
        let ttl = match cookie.ttl {
            None => None,
            Some(ttl) => Some(problems.check(&field.key("ttl"), durations::whole_seconds(ttl.get()))?),
        };
        return Some(Affinity::Cookie { name: name?, ttl });
    }
    if let Some(header) = header {
        let name = problems.check(&field.key("header").key("name"), headers::name(&header.name))?;
        return Some(Affinity::Header { name });
    }
    if let Some(conversation) = conversation {
        let field = field.key("conversation").key("header");
        let header = match &conversation.header {
            None => None,
            Some(name) => Some(problems.check(&field, headers::name(name))?),
        };
        return Some(Affinity::Conversation { header });
    }
    Some(Affinity::ClientIp)
}

/// A cookie's name is a token, as a header's is, but keeps its case.
fn cookie_name(name: &str) -> Checked<String> {
    match headers::name(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(Fault::invalid(format!("{} is no cookie name", shown(name)))
            .hint("a name consists of letters, digits and any of !#$%&'*+-.^_`|~")),
    }
}

fn connections(written: Option<&crd::Connections>, field: &FieldPath, problems: &mut Problems) -> Connections {
    let defaults = Connections::default();
    let Some(written) = written else { return defaults };
    if written.max == Some(0) {
        let fault = Fault::invalid("0 connections let no request through").hint("leave `max` out for no limit");
        problems.refuse(&field.key("max"), fault);
    }
    Connections {
        max: written.max,
        max_pending: written.max_pending.unwrap_or(defaults.max_pending),
        idle_timeout: written.idle_timeout.map_or(defaults.idle_timeout, Duration::get),
        keep_alive: written.keep_alive.unwrap_or(defaults.keep_alive),
        connect_timeout: written.connect_timeout.map_or(defaults.connect_timeout, Duration::get),
    }
}

fn egress_proxy(written: &crd::EgressProxy, field: &FieldPath, problems: &mut Problems) -> Option<EgressProxy> {
    let host = problems.check(&field.key("host"), names::host(&written.host));
    let port = problems.check(&field.key("port"), names::port(written.port));
    Some(EgressProxy { host: host?, port: port? })
}
