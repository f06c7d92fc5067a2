//! Arbitrary typed objects: more than the schema lets through, so that compile is safe even behind a source that checks
//! nothing. Texts are often valid ones, or else hardly any object would get past its first field.

mod resilience;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::bool::weighted;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::{self, of};
use proptest::prelude::*;
use proptest::sample::select;
use sluicegate_crds::rule::{self, Rule, RuleSpec};
use sluicegate_crds::scalars::{Duration, Percent, Size};
use sluicegate_crds::status::{ConditionType, Reason};
use sluicegate_crds::target::{self, Target, TargetSpec};
use sluicegate_crds::upstream::{self, Upstream, UpstreamSpec};
use sluicegate_table::ObjectKey;

use crate::objects::{Candidate, Objects, SecretData, Service, ServiceEndpoint, ServicePort};
use crate::problem::{FieldPath, Problem, Severity};

/// Mostly one of the valid texts, now and then one of the others or any text at all.
pub(super) fn text(valid: &'static [&'static str], others: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![
        60 => select(valid).prop_map(str::to_owned),
        2 => select(others).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
    .boxed()
}

fn name() -> BoxedStrategy<String> {
    select(&["a", "b", "c"]).prop_map(str::to_owned).boxed()
}

pub(super) fn key() -> BoxedStrategy<ObjectKey> {
    (select(&["default", "other"]), name()).prop_map(|(namespace, name)| ObjectKey::new(namespace, name)).boxed()
}

fn host() -> BoxedStrategy<String> {
    text(&["Example.com", "10.0.0.1", "::1"], &["10.0.0.300", "a..b"]).boxed()
}

fn port() -> BoxedStrategy<u16> {
    prop_oneof![50 => 1..=u16::MAX, 1 => Just(0)].boxed()
}

fn header_name() -> BoxedStrategy<String> {
    text(&["X-A", "X-B", "X-C", "X-D", "Authorization"], &["x-a", "Host", "a b"]).boxed()
}

fn header_value() -> BoxedStrategy<String> {
    text(&["", "1", "a b"], &[" a", "a\r\nb: c"]).boxed()
}

fn headers() -> BoxedStrategy<BTreeMap<String, String>> {
    btree_map(header_name(), header_value(), 0..3).boxed()
}

fn duration() -> BoxedStrategy<Duration> {
    select(&["1ms", "1s", "1h30m"]).prop_map(|text| text.parse().unwrap()).boxed()
}

fn size() -> BoxedStrategy<Size> {
    select(&["0", "1", "64Ki", "1Gi"]).prop_map(|text| text.parse().unwrap()).boxed()
}

fn percent() -> BoxedStrategy<Percent> {
    select(&["0", "0.1", "10", "100"]).prop_map(|text| text.parse().unwrap()).boxed()
}

/// Weights of this many members: mostly those of all, or none; they add up to 100 only if they happen to.
fn weights(members: usize) -> BoxedStrategy<Vec<Option<u8>>> {
    let weight = select(&[0_u8, 1, 50, 100]).boxed();
    prop_oneof![
        5 => Just(vec![None; members]),
        10 => vec(weight.prop_map(Some), members),
        1 => vec(any::<Option<u8>>(), members),
    ]
    .boxed()
}

pub(super) fn target() -> BoxedStrategy<TargetSpec> {
    let protocol = select(&[target::Protocol::Http, target::Protocol::Https, target::Protocol::H2c]);
    let state = select(&[target::TargetState::Enabled, target::TargetState::Draining, target::TargetState::Disabled]);
    let credentials = (header_name(), name(), text(&["key"], &["other"]), of(text(&["Bearer ", "x"], &["\n"])))
        .prop_map(|(header, name, key, prefix)| target::Credentials {
            header,
            value_from: target::CredentialsSource { secret_key_ref: target::SecretKeyRef { name, key }, prefix },
        });
    let ca = (name(), text(&["ca.crt"], &["other"]))
        .prop_map(|(name, key)| target::CaRef { config_map: target::ConfigMapKeyRef { name, key } });
    let tls = (of(host()), of(ca)).prop_map(|(server_name, ca_ref)| target::TargetTls { server_name, ca_ref });
    let path = of(text(&["/v1/", "/"], &["v1", "/a/../b"]));
    let service = (name(), select(&[80_u16, 81])).prop_map(|(name, port)| target::ServiceRef { name, port }).boxed();
    let place = prop_oneof![
        10 => (host().prop_map(Some), port().prop_map(Some), Just(None)),
        10 => (Just(None), Just(None), service.clone().prop_map(Some)),
        1 => (of(host()), of(port()), of(service)),
    ];
    let label = || option::weighted(0.2, text(&["eu", "us-1a"], &["", "a b", "-a"]));
    let topology = (label(), label());
    (place, protocol, path, state, headers(), of(credentials), of(tls), resilience::health_checks(), topology)
        .prop_map(|(place, protocol, path, state, headers, credentials, tls, health_checks, topology)| {
            let ((host, port, service), (region, zone)) = (place, topology);
            TargetSpec {
                host,
                port,
                service,
                protocol,
                path,
                state,
                headers,
                credentials,
                tls,
                health_checks,
                region,
                zone,
            }
        })
        .boxed()
}

pub(super) fn upstream() -> BoxedStrategy<UpstreamSpec> {
    use upstream::Algorithm::{LeastConnections, LeastLatency, Random, RoundRobin, WeightedRoundRobin};
    let algorithm = of(select(&[RoundRobin, WeightedRoundRobin, LeastConnections, Random, LeastLatency]));
    let names =
        prop_oneof![8 => btree_set(name(), 1..4).prop_map(|set| set.into_iter().collect()), 1 => vec(name(), 0..4)];
    let members = names
        .prop_flat_map(|names: Vec<String>| (weights(names.len()), vec(1..3_u16, names.len()), Just(names)))
        .prop_map(|(weights, priorities, names)| {
            let members = names.into_iter().zip(weights).zip(priorities);
            members.map(|((name, weight), priority)| upstream::Member { name, weight, priority }).collect()
        })
        .boxed();
    let cookie = (text(&["sg"], &["a=b"]), of(duration()));
    let cookie = cookie.prop_map(|(name, ttl)| upstream::CookieAffinity { name, ttl }).boxed();
    let header = header_name().prop_map(|name| upstream::HeaderAffinity { name }).boxed();
    let client_ip = Just(upstream::ClientIpAffinity {});
    let conversation = of(header_name()).prop_map(|header| upstream::ConversationAffinity { header }).boxed();
    let ways = prop_oneof![
        4 => (cookie.clone().prop_map(Some), Just(None), Just(None), Just(None)),
        4 => (Just(None), header.clone().prop_map(Some), Just(None), Just(None)),
        4 => (Just(None), Just(None), client_ip.clone().prop_map(Some), Just(None)),
        4 => (Just(None), Just(None), Just(None), conversation.clone().prop_map(Some)),
        1 => (of(cookie), of(header), of(client_ip), of(conversation)),
    ];
    let affinity = ways
        .prop_map(|(cookie, header, client_ip, conversation)| upstream::Affinity {
            cookie,
            header,
            client_ip,
            conversation,
        })
        .boxed();
    let connections = (
        of(prop_oneof![20 => 1..3_u32, 1 => Just(0)]),
        of(any::<u32>()),
        of(duration()),
        of(any::<bool>()),
        of(duration()),
    )
        .prop_map(|(max, max_pending, idle_timeout, keep_alive, connect_timeout)| upstream::Connections {
            max,
            max_pending,
            idle_timeout,
            keep_alive,
            connect_timeout,
        });
    let egress_proxy = (host(), port()).prop_map(|(host, port)| upstream::EgressProxy { host, port });
    let resilience = (resilience::health_checks(), resilience::circuit_breaker(), of(duration()));
    (algorithm, members, of(affinity), of(connections), of(egress_proxy), resilience)
        .prop_map(|(algorithm, targets, affinity, connections, egress_proxy, resilience)| {
            let (health_checks, circuit_breaker, slow_start) = resilience;
            UpstreamSpec {
                algorithm,
                targets,
                affinity,
                connections,
                egress_proxy,
                health_checks,
                circuit_breaker,
                slow_start,
            }
        })
        .boxed()
}

fn value_match(name: BoxedStrategy<String>) -> BoxedStrategy<rule::ValueMatch> {
    use rule::ValueMatchType::{Exact, Present, RegularExpression};
    (name, select(&[Exact, RegularExpression, Present]), option::weighted(0.9, text(&["", "a", "a|b"], &["(", " a"])))
        .prop_map(|(name, type_, value)| rule::ValueMatch { name, type_, value })
        .boxed()
}

fn rule_match() -> BoxedStrategy<rule::RuleMatch> {
    use rule::PathMatchType::{Exact, Glob, Prefix, RegularExpression};
    let value = text(&["/", "/api/", "/v1"], &["/api/*", "/v[12]", "api", "(", "/a//b"]);
    let path = (select(&[Exact, Prefix, Glob, RegularExpression]), value)
        .prop_map(|(type_, value)| rule::PathMatch { type_, value });
    let content_length = (of(size()), of(size())).prop_map(|(min, max)| rule::ContentLengthMatch { min, max });
    (
        of(path),
        vec(text(&["GET", "POST"], &["get", "a b"]), 0..3),
        vec(value_match(header_name()), 0..2),
        vec(value_match(text(&["v"], &[""])), 0..2),
        of(content_length),
        vec(text(&["gpt-4", "gpt-*", "*"], &["a*b", ""]), 0..2),
        vec(text(&["premium"], &[""]), 0..2),
        vec(text(&["beta"], &["a,b", ""]), 0..2),
    )
        .prop_map(|(path, methods, headers, query, content_length, model, user_tier, user_segment)| rule::RuleMatch {
            path,
            methods,
            headers,
            query,
            content_length,
            model,
            user_tier,
            user_segment,
        })
        .boxed()
}

pub(super) fn rule() -> BoxedStrategy<RuleSpec> {
    use rule::Priority::{Critical, High, Low, Normal};
    let edits = (headers(), headers(), vec(header_name(), 0..2)).prop_map(|(set, add, remove)| rule::HeaderEdits {
        set,
        add,
        remove,
    });
    let url = text(&["http://a", "https://a:8443/v1/", "http://[::1]:80"], &["http://a/?q", "ftp://a"]);
    let inline = |urls: std::ops::Range<usize>| {
        vec(url.clone(), urls)
            .prop_flat_map(|urls| (weights(urls.len()), Just(urls)))
            .prop_map(|(weights, urls)| {
                urls.into_iter().zip(weights).map(|(url, weight)| rule::InlineTarget { url, weight }).collect()
            })
            .boxed()
    };
    let backend = prop_oneof![
        6 => name().prop_map(|name| (Some(name), Vec::new())),
        6 => inline(1..3).prop_map(|targets| (None, targets)),
        1 => (of(name()), inline(0..2)),
    ];
    let timeouts = (of(duration()), option::weighted(0.2, duration()), of(duration()));
    let timeouts = timeouts.prop_map(|(request, per_try, idle)| rule::Timeouts { request, per_try, idle });
    (
        weighted(0.8),
        vec(text(&["example.com", "*.Example.com", "a.b", "c"], &["*", "a b"]), 0..3),
        vec(rule_match(), 0..3),
        of(percent()),
        weighted(0.1),
        of(edits),
        of(size()),
        backend,
        (of(timeouts), resilience::retry()),
        select(&[Critical, High, Normal, Low]),
    )
        .prop_map(|(active, hostnames, matches, share, strip_path, edits, buffer_size, backend, limits, priority)| {
            let ((upstream, targets), (timeouts, retry)) = (backend, limits);
            RuleSpec {
                active,
                hostnames,
                matches,
                traffic_percent: share,
                strip_path,
                request_headers: edits,
                buffer_size,
                upstream,
                targets,
                timeouts,
                retry,
                priority,
            }
        })
        .boxed()
}

fn candidates<T: std::fmt::Debug + 'static, S: std::fmt::Debug + 'static>(
    spec: BoxedStrategy<S>,
    make: fn(&str, S) -> T,
) -> BoxedStrategy<BTreeMap<ObjectKey, Candidate<T>>> {
    btree_map(key(), option::weighted(0.9, spec), 0..4)
        .prop_map(move |specs| {
            let candidate = |key: &ObjectKey, spec: Option<S>| match spec {
                Some(spec) => Candidate::Valid(Arc::new(make(&key.name, spec))),
                None => refused(),
            };
            specs
                .into_iter()
                .map(|(key, spec)| {
                    let candidate = candidate(&key, spec);
                    (key, candidate)
                })
                .collect()
        })
        .boxed()
}

/// An object that did not pass the schema.
pub(super) fn refused<T>() -> Candidate<T> {
    Candidate::refused(vec![Problem {
        field: FieldPath::spec().key("nonsense"),
        severity: Severity::Error,
        condition: ConditionType::Accepted,
        reason: Reason::Invalid,
        message: "there is no such field".to_owned(),
        hint: None,
    }])
}

pub(super) fn secret() -> BoxedStrategy<SecretData> {
    let value = prop_oneof![Just(b"s3cret\n".to_vec()), any::<Vec<u8>>()];
    btree_map(text(&["key"], &["other"]), value, 0..2).prop_map(SecretData).boxed()
}

/// A Service with pods behind it, some of which do not serve all of its ports.
pub(super) fn service() -> BoxedStrategy<Service> {
    let port = (select(&["http", "metrics"]), select(&[80_u16, 81]))
        .prop_map(|(name, port)| ServicePort { name: name.to_owned(), port });
    let address = select(&["10.0.0.1", "10.0.0.2", "::1"]).prop_map(|text| text.parse().unwrap());
    let ports = btree_map(select(&["http", "metrics"]).prop_map(str::to_owned), 8000..8002_u16, 0..3);
    let endpoint = (address, of(select(&["a", "b"]).prop_map(str::to_owned)), ports)
        .prop_map(|(address, zone, ports)| ServiceEndpoint { address, zone, ports });
    (vec(port, 0..3), vec(endpoint, 0..4)).prop_map(|(ports, endpoints)| Service { ports, endpoints }).boxed()
}

/// Objects of every kind that refer to each other by few names, so that many references resolve.
pub(super) fn objects() -> BoxedStrategy<Objects> {
    let secrets = btree_map(key(), secret(), 0..3);
    let config_maps = btree_map(key(), btree_map(text(&["ca.crt"], &["other"]), any::<String>(), 0..2), 0..3);
    (
        candidates(rule(), Rule::new),
        candidates(upstream(), Upstream::new),
        candidates(target(), Target::new),
        secrets,
        config_maps,
        btree_map(key(), service(), 0..3),
    )
        .prop_map(|(rules, upstreams, targets, secrets, config_maps, services)| Objects {
            rules,
            upstreams,
            targets,
            secrets: secrets.into_iter().map(|(key, data)| (key, Arc::new(data))).collect(),
            config_maps: config_maps.into_iter().map(|(key, data)| (key, Arc::new(data))).collect(),
            services: services.into_iter().map(|(key, service)| (key, Arc::new(service))).collect(),
            unreadable: BTreeMap::new(),
        })
        .boxed()
}
