//! Laws of compile, on arbitrary objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use regex::RegexBuilder;
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{
    Backend, Backoff, CircuitBreaker, Entries, Fallback, HeaderEdits, HealthChecks, HttpProbe, Match, ObjectKey,
    PathMatch, Pool, Probe, REGEX_NEST_LIMIT, REGEX_SIZE_LIMIT, Retry, Route, StatusRange, Table, ValueMatch,
    ValueTest, whole_value,
};

use super::arbitrary::{objects, refused};
use super::changes;
use crate::compile::{Compiled, ObjectStatus, Standing, compile};
use crate::objects::{Change, Kind, ObjectId, Objects};
use crate::problem::Severity;

fn ids(objects: &Objects) -> BTreeSet<ObjectId> {
    let id = |kind| move |key: &ObjectKey| ObjectId { kind, key: key.clone() };
    let rules = objects.rules.keys().map(id(Kind::Rule));
    rules
        .chain(objects.upstreams.keys().map(id(Kind::Upstream)))
        .chain(objects.targets.keys().map(id(Kind::Target)))
        .collect()
}

/// The keys of entries that are not shared between the two tables.
fn changed(before: &Table, after: &Table) -> Vec<ObjectId> {
    fn of<E>(kind: Kind, before: &Entries<E>, after: &Entries<E>) -> Vec<ObjectId> {
        let same = |key: &ObjectKey| match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            (before, after) => before.is_none() && after.is_none(),
        };
        let keys: BTreeSet<&ObjectKey> = before.keys().chain(after.keys()).collect();
        keys.into_iter().filter(|key| !same(key)).map(|key| ObjectId { kind, key: key.clone() }).collect()
    }
    [
        of(Kind::Rule, &before.routes, &after.routes),
        of(Kind::Upstream, &before.pools, &after.pools),
        of(Kind::Target, &before.targets, &after.targets),
    ]
    .concat()
}

fn assert_can_be_sent(headers: &[(String, String)]) {
    for (name, value) in headers {
        assert_eq!(HeaderName::from_bytes(name.as_bytes()).unwrap().as_str(), name);
        HeaderValue::from_str(value).unwrap();
    }
}

fn assert_builds(pattern: &str) {
    RegexBuilder::new(&whole_value(pattern)).size_limit(REGEX_SIZE_LIMIT).nest_limit(REGEX_NEST_LIMIT).build().unwrap();
}

fn assert_test(value: &ValueMatch) {
    if let ValueTest::RegularExpression(pattern) = &value.test {
        assert_builds(pattern);
    }
}

fn assert_pool(pool: &Pool) {
    assert!(!pool.levels.is_empty());
    assert!(pool.levels.is_sorted_by(|a, b| a.priority < b.priority));
    for level in &pool.levels {
        assert!(!level.members.is_empty());
        let weights: Vec<u8> = level.members.iter().map(|member| member.weight.get()).collect();
        let sum: u32 = weights.iter().copied().map(u32::from).sum();
        assert!(sum == 100 || weights.iter().all(|weight| *weight <= 1), "{weights:?}");
    }
    assert_checks(&pool.health_checks);
    if let Some(breaker) = &pool.circuit_breaker {
        assert_breaker(breaker);
    }
}

fn assert_ranges(ranges: &[StatusRange]) {
    assert!(ranges.iter().all(|range| 100 <= range.from && range.from <= range.to && range.to <= 599), "{ranges:?}");
}

fn assert_checks(checks: &HealthChecks) {
    if let Some(active) = &checks.active {
        assert!(active.timeout <= active.interval && active.healthy_threshold > 0 && active.unhealthy_threshold > 0);
        if let Probe::Http(HttpProbe { method, path, host, headers, expected_statuses, expected_body }) = &active.probe
        {
            Method::from_bytes(method.as_bytes()).unwrap();
            path.parse::<PathAndQuery>().unwrap();
            assert!(path.starts_with('/'));
            assert!(host.as_ref().is_none_or(|host| HeaderValue::from_str(host).is_ok()));
            assert_can_be_sent(headers);
            assert!(!expected_statuses.is_empty() && expected_body.as_deref() != Some(""));
            assert_ranges(expected_statuses);
        }
    }
    if let Some(passive) = &checks.passive {
        assert!(passive.threshold > 0 && passive.max_ejected_percent <= 100);
        assert_ranges(&passive.statuses);
    }
}

fn assert_breaker(breaker: &CircuitBreaker) {
    assert!(breaker.failure_threshold > 0 && breaker.success_threshold > 0 && breaker.minimum_requests > 0);
    assert!(breaker.minimum_success_percent.is_none_or(|percent| (1..=100).contains(&percent)));
    assert!((1..=breaker.probes).contains(&breaker.successes));
    if let Some(Fallback::Response { status, content_type, .. }) = &breaker.fallback {
        assert!((200..=599).contains(status));
        HeaderValue::from_str(content_type).unwrap();
    }
}

fn assert_retry(retry: &Retry) {
    assert!(retry.attempts > 0 && retry.budget_percent <= 100);
    assert!(!retry.statuses.is_empty() || retry.connection_errors || retry.timeouts);
    assert_ranges(&retry.statuses);
    if let Backoff::Exponential { base, max, multiplier_thousandths, .. } = retry.backoff {
        assert!(base <= max && multiplier_thousandths >= 1_000);
    }
    assert!(retry.excluded_paths.iter().all(|path| path.starts_with('/')));
}

/// No chain of fallbacks leads back to where it began.
fn assert_no_loops(table: &Table) {
    for begin in table.pools.keys() {
        let mut at = begin;
        for _ in 0..=table.pools.len() {
            let breaker = table.pools.get(at).and_then(|pool| pool.circuit_breaker.as_ref());
            let Some(Fallback::Pool(next)) = breaker.and_then(|breaker| breaker.fallback.as_ref()) else { break };
            assert_ne!(next, begin, "the fallbacks lead back");
            at = next;
        }
    }
}

fn assert_match(one: &Match) {
    match &one.path {
        PathMatch::Exact(path) | PathMatch::Glob(path) => assert!(path.starts_with('/')),
        PathMatch::Prefix(path) => assert!(path == "/" || (path.starts_with('/') && !path.ends_with('/'))),
        PathMatch::RegularExpression(pattern) => assert_builds(pattern),
    }
    for header in &one.headers {
        assert_eq!(HeaderName::from_bytes(header.name.as_bytes()).unwrap().as_str(), header.name);
        assert_test(header);
    }
    one.query.iter().for_each(assert_test);
    if let Some(range) = one.content_length {
        assert!(range.min <= range.max);
    }
}

fn assert_target(target: &sluicegate_table::Target) {
    assert!(!target.host.is_empty() && target.host == target.host.to_lowercase());
    assert_ne!(target.port, 0);
    assert_checks(&target.health_checks);
    assert!(target.path.is_empty() || (target.path.starts_with('/') && !target.path.ends_with('/')));
    assert_can_be_sent(&target.headers);
    if let Some(credential) = &target.credential {
        let value = credential.value.as_ref().map_or("", |value| value.reveal());
        assert_can_be_sent(&[(credential.header.clone(), value.to_owned())]);
    }
}

fn assert_route(route: &Route) {
    assert!(!route.matches.is_empty());
    route.matches.iter().for_each(assert_match);
    let (request, per_try) = (route.timeouts.request, route.timeouts.per_try);
    assert!(request.zip(per_try).is_none_or(|(request, per_try)| per_try <= request));
    if let Some(retry) = &route.retry {
        assert_retry(retry);
    }
    let HeaderEdits { set, add, remove } = &route.request_headers;
    assert_can_be_sent(set);
    assert_can_be_sent(add);
    for name in remove {
        assert_eq!(HeaderName::from_bytes(name.as_bytes()).unwrap().as_str(), name);
    }
    if let Backend::Inline(inline) = &route.backend {
        assert_pool(&inline.pool);
        inline.targets.iter().for_each(|(_, target)| assert_target(target));
        let members = inline.pool.levels.iter().flat_map(|level| &level.members);
        assert!(members.map(|member| &member.target).eq(inline.targets.iter().map(|(key, _)| key)));
    }
}

/// What the table's documentation promises of every entry.
fn assert_promises(table: &Table) {
    table.routes.values().for_each(|route| assert_route(route));
    table.pools.values().for_each(|pool| assert_pool(pool));
    table.targets.values().for_each(|target| assert_target(target));
}

fn entry_kind(kind: Kind) -> EntryKind {
    match kind {
        Kind::Rule => EntryKind::Route,
        Kind::Upstream => EntryKind::Pool,
        Kind::Target => EntryKind::Target,
    }
}

/// Whether the object's entry merely answers for it.
fn stands_in(table: &Table, id: &ObjectId) -> bool {
    id.kind == Kind::Rule && table.routes.get(&id.key).is_some_and(|route| route.backend == Backend::Invalid)
}

/// What holds between an object's conditions, its problems and the table.
fn assert_statuses(objects: &Objects, compiled: &Compiled) {
    assert_eq!(compiled.statuses.keys().cloned().collect::<BTreeSet<_>>(), ids(objects));
    for (id, status) in &compiled.statuses {
        let in_table = match id.kind {
            Kind::Rule => compiled.table.routes.contains_key(&id.key),
            Kind::Upstream => compiled.table.pools.contains_key(&id.key),
            Kind::Target => compiled.table.targets.contains_key(&id.key),
        };
        let accepted = status.conditions.iter().find(|condition| condition.type_ == "Accepted").unwrap();
        let errors = status.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        assert_eq!(accepted.status == "False", errors > 0, "{id}: {status:?}");
        let valid_in_table = in_table && !stands_in(&compiled.table, id);
        match status.standing {
            Standing::InForce => assert!(errors == 0 && valid_in_table, "{id}: {status:?}"),
            Standing::SwitchedOff => assert!(errors == 0 && !in_table, "{id}: {status:?}"),
            Standing::Refused => assert!(errors > 0 && status.stale == valid_in_table, "{id}: {status:?}"),
            Standing::NotPermitted => assert!(errors > 0 && !in_table, "{id}: {status:?}"),
        }
        let entry = EntryId { kind: entry_kind(id.kind), key: id.key.clone() };
        let unknown = status.standing == Standing::Refused && !status.stale;
        assert_eq!(compiled.keep.contains(&entry), unknown, "{id}: {status:?}");
        assert!(status.conditions.iter().all(|condition| !condition.message.is_empty()));
    }
}

/// Whether an Upstream is refused for where its fallback leads.
fn leads_back(status: &ObjectStatus) -> bool {
    let refused = status.problems.iter().filter(|problem| problem.severity == Severity::Error);
    refused.into_iter().any(|problem| problem.field.to_string() == "spec.circuitBreaker.fallback.upstream")
}

/// The edit of one of the users' objects, and which.
fn edit() -> BoxedStrategy<(ObjectId, Change)> {
    changes::of_users()
        .prop_map(|change| {
            let id = match &change {
                Change::Rule(key, _) => (Kind::Rule, key),
                Change::Upstream(key, _) => (Kind::Upstream, key),
                Change::Target(key, _) => (Kind::Target, key),
                other => panic!("not one of the users' objects: {other:?}"),
            };
            (ObjectId { kind: id.0, key: id.1.clone() }, change)
        })
        .boxed()
}

proptest! {
    #[test]
    fn any_objects_compile_to_what_the_table_promises(objects in objects()) {
        let compiled = compile(&objects, &Table::default());
        assert_promises(&compiled.table);
        assert_no_loops(&compiled.table);
        assert_statuses(&objects, &compiled);
    }

    #[test]
    fn the_same_objects_again_change_nothing(objects in objects()) {
        let first = compile(&objects, &Table::default());
        let again = compile(&objects, &first.table);
        assert_eq!(again.table.version, first.table.version);
        assert_eq!(changed(&first.table, &again.table), []);
        assert_eq!(first.table.version, u64::from(first.table != Table::default()));
    }

    /// But for those that it lets out of a loop of fallbacks.
    #[test]
    fn one_edit_changes_at_most_its_own_entry(before in objects(), (id, edit) in edit()) {
        let first = compile(&before, &Table::default());
        let mut after = before.clone();
        after.apply(edit);
        let second = compile(&after, &first.table);
        let changed = changed(&first.table, &second.table);
        let freed = |other: &ObjectId| {
            let in_force = second.statuses.get(other).is_some_and(|status| status.standing == Standing::InForce);
            in_force && id.kind == Kind::Upstream && first.statuses.get(other).is_some_and(leads_back)
        };
        assert!(changed.iter().all(|other| *other == id || freed(other)), "{changed:?}");
        assert_eq!(second.table.version, first.table.version + u64::from(!changed.is_empty()));
        assert_promises(&second.table);
        assert_statuses(&after, &second);
    }

    #[test]
    fn what_is_refused_keeps_its_entry(before in objects()) {
        let first = compile(&before, &Table::default());
        let mut after = before.clone();
        after.rules.values_mut().for_each(|rule| *rule = refused());
        after.upstreams.values_mut().for_each(|upstream| *upstream = refused());
        after.targets.values_mut().for_each(|target| *target = refused());
        let second = compile(&after, &first.table);
        assert_eq!(changed(&first.table, &second.table), []);
        assert_statuses(&after, &second);
    }

    #[test]
    fn what_is_gone_leaves_no_entry(before in objects()) {
        let first = compile(&before, &Table::default());
        let second = compile(&Objects::default(), &first.table);
        assert!(second.table.routes.is_empty() && second.table.pools.is_empty() && second.table.targets.is_empty());
        assert!(second.statuses.is_empty());
    }
}
