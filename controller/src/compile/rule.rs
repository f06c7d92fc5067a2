//! A Rule becomes a route entry.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sluicegate_crds::rule::{self as crd, RuleSpec};
use sluicegate_crds::scalars::{Duration, Percent, Size};
use sluicegate_crds::status::Reason;
use sluicegate_table::{Backend, HeaderEdits, Hostname, Match, ObjectKey, PathMatch, Priority, Route, Share, Timeouts};

use super::claims::Claims;
use super::entries::{Otherwise, Verdict};
use super::faults::{Fault, Problems, shown};
use super::references::Scope;
use super::referrers::{Reference, Referred};
use super::standing::Standing;
use super::{durations, headers, inline, matches, names, retry};
use crate::objects::Objects;
use crate::problem::FieldPath;

/// The share that is the whole.
const WHOLE: u32 = 1_000_000;

/// What a Rule comes to.
pub(super) fn rule(
    key: &ObjectKey,
    meta: &ObjectMeta,
    spec: &RuleSpec,
    claims: &Claims,
    problems: &mut Problems,
) -> Verdict<Route> {
    let field = FieldPath::spec();
    let hostnames = hostnames(&spec.hostnames, &field.key("hostnames"), problems);
    let not_permitted = claims.check(&key.namespace, &hostnames, &field.key("hostnames"), problems);
    let matches = all_matches(&spec.matches, &field.key("matches"), problems);
    // Where it is known which requests a refused Rule is for, they are answered for what it is and not by another Rule.
    let known = !problems.refused();
    if spec.strip_path {
        check_strip_path(&matches, &field.key("stripPath"), problems);
    }
    let traffic = spec.traffic_percent.map(Percent::millionths).filter(|share| *share < WHOLE);
    let request_headers = spec
        .request_headers
        .as_ref()
        .map_or_else(HeaderEdits::default, |edits| headers::edits(edits, &field.key("requestHeaders"), problems));
    let backend = backend(key, spec, &field, problems);
    let timeouts = timeouts(spec.timeouts.as_ref(), &field.key("timeouts"), problems);
    let retry = spec.retry.as_ref().and_then(|written| retry::retry(written, &field.key("retry"), problems));
    let route = |backend: Backend| Route {
        created: meta.creation_timestamp.as_ref().map_or(0, |created| created.0.as_second()),
        hostnames: hostnames.into_iter().map(|(_, hostname)| hostname).collect(),
        matches: matches.into_iter().flatten().collect(),
        traffic: traffic.map(|millionths| Share { millionths }),
        strip_path: spec.strip_path,
        request_headers,
        buffer_size: spec.buffer_size.map_or(Route::BUFFER_SIZE, Size::bytes),
        backend,
        timeouts,
        priority: match spec.priority {
            crd::Priority::Critical => Priority::Critical,
            crd::Priority::High => Priority::High,
            crd::Priority::Normal => Priority::Normal,
            crd::Priority::Low => Priority::Low,
        },
        retry,
    };
    match backend {
        _ if not_permitted => Verdict::NotPermitted,
        // A Rule that is switched off is checked like any other, so that switching it on brings no surprise.
        Some(_) if !problems.refused() && !spec.active => Verdict::SwitchedOff,
        Some(backend) if !problems.refused() => Verdict::Entry(route(backend)),
        _ if !spec.active => Verdict::Refused(Otherwise::Nothing),
        _ if known => Verdict::Refused(Otherwise::Entry(stand_in(route(Backend::Invalid)))),
        _ => Verdict::Refused(Otherwise::Unknown),
    }
}

/// What a Rule comes to that was refused before. `spec` is as much of it as says which requests are its own.
pub(super) fn refused(
    key: &ObjectKey,
    meta: &ObjectMeta,
    spec: &RuleSpec,
    claims: &Claims,
    problems: &mut Problems,
) -> Verdict<Route> {
    // What is wrong with it is known; that what was left out is missing is no news.
    let mut found = Problems::default();
    match rule(key, meta, spec, claims, &mut found) {
        Verdict::Refused(otherwise) => Verdict::Refused(otherwise),
        Verdict::SwitchedOff => Verdict::Refused(Otherwise::Nothing),
        Verdict::Entry(route) => {
            Verdict::Refused(Otherwise::Entry(stand_in(Route { backend: Backend::Invalid, ..route })))
        }
        Verdict::NotPermitted => {
            problems.begin_with(found.because(Reason::HostnameNotPermitted));
            Verdict::NotPermitted
        }
    }
}

/// The route that answers for a refused Rule: all of it that says which requests are the Rule's, and no more.
fn stand_in(route: Route) -> Route {
    Route {
        strip_path: false,
        request_headers: HeaderEdits::default(),
        timeouts: Timeouts::default(),
        priority: Priority::default(),
        retry: None,
        ..route
    }
}

/// What a Rule names.
pub(super) fn references(spec: &RuleSpec) -> impl Iterator<Item = Reference> {
    spec.upstream.iter().map(|name| Reference::new(Referred::Upstream, name))
}

/// An Upstream that is not there or is refused.
pub(super) fn unresolved(
    spec: &RuleSpec,
    scope: Scope<'_>,
    objects: &Objects,
    upstream: impl Fn(&ObjectKey) -> Option<Standing>,
    problems: &mut Problems,
) {
    if let Some(name) = &spec.upstream {
        let standing = upstream(&scope.key(name));
        if let Some(fault) = scope.unusable("Upstream", name, standing, &objects.upstreams, "requests get 503") {
            problems.unresolved(&FieldPath::spec().key("upstream"), Reason::BackendNotFound, fault);
        }
    }
}

/// The host names, each with its field.
fn hostnames(written: &[String], field: &FieldPath, problems: &mut Problems) -> Vec<(FieldPath, Hostname)> {
    let mut seen = BTreeSet::new();
    let mut hostnames = Vec::with_capacity(written.len());
    for (position, text) in written.iter().enumerate() {
        let field = field.index(position);
        let Some(hostname) = problems.check(&field, names::hostname(text)) else { continue };
        if seen.insert(hostname.clone()) {
            hostnames.push((field, hostname));
        } else {
            problems.refuse(&field, Fault::invalid(format!("the host name {} is in the list twice", shown(text))));
        }
    }
    hostnames
}

fn all_matches(written: &[crd::RuleMatch], field: &FieldPath, problems: &mut Problems) -> Vec<Option<Match>> {
    if written.is_empty() {
        return vec![Some(matches::everything())];
    }
    written.iter().enumerate().map(|(position, one)| matches::one(one, &field.index(position), problems)).collect()
}

/// Only a prefix and a glob have a part that can be taken off.
fn check_strip_path(matches: &[Option<Match>], field: &FieldPath, problems: &mut Problems) {
    for (position, one) in matches.iter().enumerate() {
        if let Some(Match { path: PathMatch::RegularExpression(_) | PathMatch::Exact(_), .. }) = one {
            let message = format!("the path of spec.matches[{position}] has no part that can be taken off");
            let fault = Fault::invalid(message).hint("write type: Prefix or Glob, or leave `stripPath` out");
            problems.refuse(field, fault);
        }
    }
}

fn backend(key: &ObjectKey, spec: &RuleSpec, field: &FieldPath, problems: &mut Problems) -> Option<Backend> {
    match (&spec.upstream, spec.targets.as_slice()) {
        (Some(name), []) => Some(Backend::Pool(ObjectKey::new(key.namespace.clone(), name))),
        (None, []) => {
            let fault = Fault::invalid("there is neither `upstream` nor `targets`");
            problems.check(field, Err(fault.hint("name an Upstream, or write targets with a `url` each")))
        }
        (Some(_), [_, ..]) => {
            let fault = Fault::invalid("there are both `upstream` and `targets`");
            problems.check(&field.key("targets"), Err(fault.hint("leave one of them out")))
        }
        (None, targets) => {
            inline::pool(key, targets, &field.key("targets"), problems).map(|pool| Backend::Inline(Box::new(pool)))
        }
    }
}

fn timeouts(written: Option<&crd::Timeouts>, field: &FieldPath, problems: &mut Problems) -> Timeouts {
    let Some(written) = written else { return Timeouts::default() };
    let [request, per_try, idle] =
        [written.request, written.per_try, written.idle].map(|written| written.map(Duration::get));
    if let (Some(request), Some(per_try)) = (request, per_try) {
        problems.check(&field.key("perTry"), durations::at_most(per_try, "request", request));
    }
    Timeouts { request, per_try, idle }
}
