//! What a scrape answers, read back by a parser of the text format.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::float_cmp)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::{Method, StatusCode};
use sluicegate_table::watch::{BreakerState, EndpointState, UnhealthyReason};
use sluicegate_table::{BreakerScope, ObjectKey};

use super::*;
use crate::answer::Reason;
use crate::health::checks::CheckResult;
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::{
    AttemptOutcome, BreakerGauges, ConnectionCounts, FallbackKind, LevelGauges, MemberGauges, RetryDecision,
    TargetGauges, UpstreamTargetGauges,
};

#[derive(Debug)]
struct Fixed;

impl Gauges for Fixed {
    fn table_version(&self) -> Option<u64> {
        Some(7)
    }

    fn targets(&self) -> Vec<TargetGauges> {
        vec![TargetGauges { target: ObjectKey::new("default", "one"), in_flight: 3 }]
    }

    fn upstream_targets(&self) -> Vec<UpstreamTargetGauges> {
        vec![UpstreamTargetGauges {
            upstream: ObjectKey::new("default", "chat"),
            target: ObjectKey::new("default", "one"),
            connections: ConnectionCounts { active: 1, idle: 2, pending: 4 },
        }]
    }

    fn members(&self) -> Vec<MemberGauges> {
        let member = |upstream: &str, zone: Option<&str>, healthy| MemberGauges {
            upstream: ObjectKey::new("default", upstream),
            target: ObjectKey::new("default", "one"),
            address: Some("10.0.0.7:80".parse().unwrap()),
            region: Some("eu".to_owned()),
            zone: zone.map(str::to_owned),
            healthy,
            share: 0.25,
            ejections: 3,
        };
        vec![member("chat", Some("eu-1"), true), member("batch", None, false)]
    }

    fn breakers(&self) -> Vec<BreakerGauges> {
        // An Upstream and a Target may have one name.
        let breaker = |scope, state| {
            let service = ObjectKey::new("default", "one");
            BreakerGauges { service, scope, address: None, state, openings: 2 }
        };
        vec![
            breaker(BreakerScope::Endpoint, BreakerState::HalfOpen),
            breaker(BreakerScope::Upstream, BreakerState::Closed),
        ]
    }

    fn levels(&self) -> Vec<LevelGauges> {
        let upstream = ObjectKey::new("default", "chat");
        vec![
            LevelGauges { upstream: upstream.clone(), priority: Some(2), panics: true },
            LevelGauges { upstream, priority: None, panics: false },
        ]
    }
}

/// A sample's name and labels.
type Series = (String, BTreeMap<String, String>);

#[derive(Debug, Default)]
struct Parsed {
    types: BTreeMap<String, String>,
    helps: BTreeSet<String>,
    samples: BTreeMap<Series, f64>,
    ended: bool,
}

/// Reads an exposition and panics at whatever a scraper would refuse.
fn parse(text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for line in text.lines() {
        assert!(!parsed.ended, "a line after the end: {line}");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(parsed.types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is described twice");
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(parsed.helps.insert(rest.split_once(' ').unwrap().0.to_owned()));
        } else if line == "# EOF" {
            parsed.ended = true;
        } else {
            let (series, value) = sample(line);
            assert!(parsed.samples.insert(series, value).is_none(), "twice: {line}");
        }
    }
    parsed
}

fn sample(line: &str) -> (Series, f64) {
    let Some((name, mut rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ').unwrap();
        return ((name.to_owned(), BTreeMap::new()), value.parse().unwrap());
    };
    let mut labels = BTreeMap::new();
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    plain @ ('"' | '\\') => plain,
                    other => panic!("escape {other:?} in {line}"),
                }),
                (_, plain) => value.push(plain),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none());
        rest = after[end + 1..].trim_start_matches(',');
    }
    ((name.to_owned(), labels), rest[1..].trim().parse().unwrap())
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn scrape(metrics: &Arc<Metrics>, format: Format) -> Parsed {
    parse(&metrics.scrape(Arc::new(Fixed), format).unwrap())
}

fn value(parsed: &Parsed, name: &str, wanted: BTreeMap<String, String>) -> f64 {
    parsed.samples[&(name.to_owned(), wanted)]
}

#[test]
fn both_formats_have_the_same_samples_under_the_exact_names() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    let shard = worker.route(&ObjectKey::new("default", "api"), "default/chat");
    shard.record(&Method::GET, StatusCode::OK, Duration::from_micros(400));
    shard.record(&Method::GET, StatusCode::OK, Duration::from_millis(3));
    shard.record(&Method::POST, StatusCode::BAD_GATEWAY, Duration::from_secs(90));
    worker.unmatched().record(&Method::GET, StatusCode::NOT_FOUND, Duration::ZERO);
    worker.answered(Reason::NoRoute);
    worker.answered(Reason::NoRoute);
    let picks = worker.picks(&ObjectKey::new("default", "chat"), &ObjectKey::new("default", "one"));
    picks.picked();
    picks.picked();
    let listener = worker.listener("127.0.0.1:8080");
    let open = listener.opened();
    drop(listener.opened());
    metrics.configuration_read(2, 5);
    metrics.restart_needed(true);
    metrics.watch_access_log(&AccessLog::off());

    for format in [Format::OpenMetrics, Format::Prometheus] {
        let parsed = scrape(&metrics, format);
        let requests = |route, method, status, upstream| {
            let wanted =
                labels([("route", route), ("method", method), ("status_code", status), ("upstream", upstream)]);
            value(&parsed, "gateway_route_requests_total", wanted)
        };
        assert_eq!(requests("default/api", "GET", "200", "default/chat"), 2.0);
        assert_eq!(requests("default/api", "POST", "502", "default/chat"), 1.0);
        assert_eq!(requests("-", "GET", "404", "-"), 1.0);
        let bucket = |le| {
            let wanted = labels([("route", "default/api"), ("upstream", "default/chat"), ("le", le)]);
            value(&parsed, "gateway_route_duration_seconds_bucket", wanted)
        };
        assert_eq!(["0.0005", "0.0025", "0.005", "60.0", "+Inf"].map(bucket), [1.0, 1.0, 2.0, 2.0, 3.0]);
        let of = || labels([("route", "default/api"), ("upstream", "default/chat")]);
        assert_eq!(value(&parsed, "gateway_route_duration_seconds_count", of()), 3.0);
        assert!((value(&parsed, "gateway_route_duration_seconds_sum", of()) - 90.0034).abs() < 1e-9);
        assert_eq!(value(&parsed, "sluicegate_answers_total", labels([("reason", "no-route")])), 2.0);
        assert_eq!(value(&parsed, "sluicegate_answers_total", labels([("reason", "overloaded")])), 0.0);
        let target = || labels([("target", "default/one")]);
        assert_eq!(value(&parsed, "sluicegate_upstream_requests_in_flight", target()), 3.0);
        let state = |state| {
            let wanted = labels([("upstream", "default/chat"), ("target", "default/one"), ("state", state)]);
            value(&parsed, "sluicegate_upstream_connections", wanted)
        };
        assert_eq!(["active", "idle", "pending"].map(state), [1.0, 2.0, 4.0]);
        let member = labels([("upstream", "default/chat"), ("target", "default/one")]);
        assert_eq!(value(&parsed, "sluicegate_target_picks_total", member), 2.0);
        let address = || labels([("listener", "127.0.0.1:8080")]);
        assert_eq!(value(&parsed, "sluicegate_listener_accepted_total", address()), 2.0);
        assert_eq!(value(&parsed, "sluicegate_listener_connections", address()), 1.0);
        assert_eq!(value(&parsed, "sluicegate_table_version", labels([])), 7.0);
        assert_eq!(value(&parsed, "sluicegate_config_errors", labels([])), 2.0);
        assert_eq!(value(&parsed, "sluicegate_config_warnings", labels([])), 5.0);
        assert_eq!(value(&parsed, "sluicegate_config_restart_needed", labels([])), 1.0);
        assert_eq!(value(&parsed, "sluicegate_access_log_dropped_total", labels([])), 0.0);
        let version = labels([("version", env!("CARGO_PKG_VERSION"))]);
        assert_eq!(value(&parsed, "sluicegate_build_info", version), 1.0);
        #[cfg(target_os = "linux")]
        assert!(value(&parsed, "process_resident_memory_bytes", labels([])) > 0.0);
    }
    drop(open);
}

#[test]
fn every_sample_is_described_as_its_format_demands() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    worker.unmatched().record(&Method::GET, StatusCode::OK, Duration::ZERO);
    for format in [Format::OpenMetrics, Format::Prometheus] {
        let parsed = scrape(&metrics, format);
        assert_eq!(parsed.ended, format == Format::OpenMetrics);
        assert_eq!(parsed.types.keys().collect::<Vec<_>>(), parsed.helps.iter().collect::<Vec<_>>());
        for (name, _) in parsed.samples.keys() {
            let family = |suffix| name.strip_suffix(suffix).and_then(|name| parsed.types.get(name)).map(String::as_str);
            let whole = parsed.types.get(name).map(String::as_str);
            let described = match format {
                Format::OpenMetrics => {
                    whole == Some("gauge")
                        || family("_total") == Some("counter")
                        || family("_info") == Some("info")
                        || ["_bucket", "_sum", "_count"].into_iter().any(|suffix| family(suffix) == Some("histogram"))
                }
                Format::Prometheus => {
                    matches!(whole, Some("gauge" | "counter"))
                        || ["_bucket", "_sum", "_count"].into_iter().any(|suffix| family(suffix) == Some("histogram"))
                }
            };
            assert!(described, "{name} is not described in {format:?}");
        }
    }
}

#[test]
fn health_is_told_by_upstream_and_circuit_breakers_by_what_they_guard() {
    let metrics = Metrics::new();
    let counts = metrics.endpoint(&ObjectKey::new("default", "one"), None);
    counts.checked(CheckResult::TimedOut);
    counts.changed(EndpointState::Healthy, EndpointState::Unhealthy, Some(UnhealthyReason::FailedChecks));
    counts.changed(EndpointState::Unhealthy, EndpointState::Healthy, None);
    let parsed = scrape(&metrics, Format::Prometheus);
    let of = |name: &str, pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        value(&parsed, name, pairs.collect())
    };
    let member = |upstream, zone| {
        let address = ("address", "10.0.0.7:80");
        let labels = [("upstream", upstream), ("target", "default/one"), address, ("datacenter", "eu"), ("zone", zone)];
        of("gateway_upstream_health", &labels)
    };
    assert_eq!([member("default/chat", "eu-1"), member("default/batch", "")], [1.0, 0.0]);
    let endpoint = [("target", "default/one"), ("address", "10.0.0.7:80")];
    assert_eq!(of("sluicegate_upstream_share", &endpoint), 0.25);
    assert_eq!(of("sluicegate_upstream_ejections_total", &endpoint), 3.0);
    for (scope, expected) in [("Endpoint", [0.0, 0.0, 1.0]), ("Upstream", [1.0, 0.0, 0.0])] {
        let breaker = |state| {
            let labels = [("service", "default/one"), ("scope", scope), ("address", ""), ("state", state)];
            of("gateway_circuit_breaker_state", &labels)
        };
        assert_eq!(["closed", "open", "half_open"].map(breaker), expected);
    }
    let panic = |level| of("sluicegate_upstream_panic", &[("upstream", "default/chat"), ("level", level)]);
    assert_eq!(["2", "any"].map(panic), [1.0, 0.0]);
    let service = [("service", "default/one"), ("scope", "Endpoint"), ("address", "")];
    assert_eq!(of("sluicegate_circuit_breaker_openings_total", &service), 2.0);
    let checks = |result| {
        of("sluicegate_health_checks_total", &[("target", "default/one"), ("address", ""), ("result", result)])
    };
    assert_eq!(["passed", "timed-out"].map(checks), [0.0, 1.0]);
    let changes = |from, to, reason| {
        let labels = [("target", "default/one"), ("address", ""), ("from", from), ("to", to), ("reason", reason)];
        of("gateway_upstream_health_transitions_total", &labels)
    };
    assert_eq!(changes("Healthy", "Unhealthy", "FailedChecks"), 1.0);
    assert_eq!(changes("Unhealthy", "Healthy", ""), 1.0);
}

#[test]
fn labels_are_escaped() {
    let metrics = Metrics::new();
    let upstream = "a\"b\\c\nd,e=\"f\"}";
    metrics.worker().route(&ObjectKey::new("default", "api"), upstream).record(
        &Method::GET,
        StatusCode::OK,
        Duration::ZERO,
    );
    for format in [Format::OpenMetrics, Format::Prometheus] {
        let parsed = scrape(&metrics, format);
        let of = labels([("route", "default/api"), ("upstream", upstream)]);
        assert_eq!(value(&parsed, "gateway_route_duration_seconds_count", of), 1.0);
    }
}

#[test]
fn methods_that_clients_invent_share_one_label() {
    let metrics = Metrics::new();
    let shard = metrics.worker().unmatched();
    for number in 0..100 {
        let method = Method::from_bytes(format!("X{number}").as_bytes()).unwrap();
        shard.record(&method, StatusCode::OK, Duration::ZERO);
    }
    let parsed = scrape(&metrics, Format::OpenMetrics);
    let of = labels([("route", "-"), ("method", "OTHER"), ("status_code", "200"), ("upstream", "-")]);
    assert_eq!(value(&parsed, "gateway_route_requests_total", of), 100.0);
}

#[test]
fn the_accept_header_chooses_the_format() {
    use Format::{OpenMetrics, Prometheus};
    let cases = [
        (None, Prometheus),
        (Some("*/*"), Prometheus),
        (Some("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), Prometheus),
        (Some("application/openmetrics-text; version=1.0.0,text/plain;version=0.0.4;q=0.5"), OpenMetrics),
        (Some("application/openmetrics-text"), OpenMetrics),
        (Some("application/openmetrics-text;q=0, text/plain"), Prometheus),
    ];
    for (accept, format) in cases {
        assert_eq!(Format::accepted(accept), format, "{accept:?}");
    }
}

#[test]
fn the_documentation_names_every_metric_and_its_labels() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    worker.unmatched().record(&Method::GET, StatusCode::OK, Duration::ZERO);
    let shard = worker.route(&ObjectKey::new("default", "api"), "default/chat");
    shard.attempted(AttemptOutcome::Reset);
    shard.decided(RetryDecision::Budget);
    shard.fell_back(FallbackKind::Cache);
    worker.picks(&ObjectKey::new("default", "chat"), &ObjectKey::new("default", "one")).picked();
    drop(worker.listener("127.0.0.1:8080").opened());
    let counts = metrics.endpoint(&ObjectKey::new("default", "one"), None);
    counts.checked(CheckResult::Passed);
    counts.changed(EndpointState::Unhealthy, EndpointState::Healthy, None);
    metrics.watch_access_log(&AccessLog::off());
    let parsed = scrape(&metrics, Format::Prometheus);
    let mut exposed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, labels) in parsed.samples.keys() {
        let suffixes = ["_bucket", "_sum", "_count"].into_iter();
        let family =
            suffixes.filter_map(|suffix| name.strip_suffix(suffix)).find(|name| parsed.types.contains_key(*name));
        let names = labels.keys().map(String::as_str).filter(|label| *label != "le");
        exposed.entry(family.unwrap_or(name)).or_default().extend(names);
    }
    let text = include_str!("../../../../docs/observing.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Metrics")).unwrap();
    let quoted = |cell: &'static str| cell.split('`').skip(1).step_by(2).collect::<Vec<&str>>();
    let documented: BTreeMap<&str, BTreeSet<&str>> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let (name, rest) = row.split_once('`').unwrap();
            (name, quoted(rest.split('|').nth(1).unwrap()).into_iter().collect())
        })
        .collect();
    assert_eq!(exposed, documented);
}
