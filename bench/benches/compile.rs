//! What one edit costs the controller among 10 and among 5,000 rules, with a fifth as many Upstreams and three fifths as
//! many Targets: the figures of both should be nearly the same. Beside them what grows by its nature: a thousand Rules
//! that come at once, and everything at once.
//!
//! One thread, everything warm. Run it on a core of its own: `taskset -c 3 cargo bench -p sluicegate-bench --bench compile`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;
use sluicegate_controller::compile::{Claims, Compiler};
use sluicegate_controller::objects::{Candidate, Change, Objects, SecretData, Service, ServiceEndpoint, ServicePort};
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::{ObjectKey, Table};

const SIZES: [usize; 2] = [10, 5_000];

fn key(kind: &str, number: usize) -> ObjectKey {
    ObjectKey::new("default", format!("{kind}-{number}"))
}

/// A Rule whose path ends with `version`, so that two versions differ.
fn rule(number: usize, version: usize) -> Change {
    let spec = json!({
        "hostnames": [format!("host-{number}.example.com")],
        "matches": [{"path": {"value": format!("/api/{version}")}, "methods": ["GET", "POST"]}],
        "upstream": format!("upstream-{}", number / 5),
    });
    let rule = Rule::new(&format!("rule-{number}"), serde_json::from_value(spec).unwrap());
    Change::Rule(key("rule", number), Some(Candidate::Valid(Arc::new(rule))))
}

/// An Upstream with the three Targets of its number. It is refused where its algorithm and its weights contradict.
fn upstream(number: usize, algorithm: &str) -> Change {
    let weights = [50, 30, 20];
    let member = |position| json!({"name": format!("target-{}", 3 * number + position), "weight": (weights[position])});
    let spec = json!({"algorithm": algorithm, "targets": [member(0), member(1), member(2)]});
    let upstream = Upstream::new(&format!("upstream-{number}"), serde_json::from_value(spec).unwrap());
    Change::Upstream(key("upstream", number), Some(Candidate::Valid(Arc::new(upstream))))
}

fn target(number: usize) -> Change {
    let spec = json!({
        "service": {"name": format!("service-{number}"), "port": 80},
        "credentials": {
            "header": "Authorization",
            "valueFrom": {"secretKeyRef": {"name": format!("secret-{number}"), "key": "key"}},
        },
    });
    let target = Target::new(&format!("target-{number}"), serde_json::from_value(spec).unwrap());
    Change::Target(key("target", number), Some(Candidate::Valid(Arc::new(target))))
}

fn secret(number: usize, value: usize) -> Change {
    let data = SecretData([("key".to_owned(), value.to_string().into_bytes())].into());
    Change::Secret(key("secret", number), Some(Arc::new(data)))
}

/// A Service with this many pods behind it.
fn service(number: usize, pods: u8) -> Change {
    let endpoints = (0..pods).map(|pod| ServiceEndpoint {
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, pod)),
        zone: Some("a".to_owned()),
        ports: [(String::new(), 8080)].into(),
    });
    let ports = vec![ServicePort { name: String::new(), port: 80 }];
    Change::Service(key("service", number), Some(Arc::new(Service { ports, endpoints: endpoints.collect() })))
}

/// Everything that is there with this many rules.
fn everything(rules: usize) -> Vec<Change> {
    let upstreams = rules.div_ceil(5);
    let targets = 3 * upstreams;
    let secrets = (0..targets).map(|number| secret(number, 0));
    let services = (0..targets).map(|number| service(number, 3));
    let objects = (0..targets).map(target).chain((0..upstreams).map(|number| upstream(number, "WeightedRoundRobin")));
    secrets.chain(services).chain(objects).chain((0..rules).map(|number| rule(number, 0))).collect()
}

fn compiler(rules: usize) -> Compiler {
    let mut compiler = Compiler::new(Claims::default(), Table::default());
    let step = compiler.apply(everything(rules));
    assert_eq!(step.table.routes.len(), rules);
    compiler
}

/// An edit: its name, and its two versions, one of which is in force.
type Edit = (&'static str, [Change; 2]);

fn edits() -> [Edit; 4] {
    [
        ("a rule's match", [rule(7, 1), rule(7, 0)]),
        ("a secret's value", [secret(2, 1), secret(2, 0)]),
        ("a service's pods", [service(2, 2), service(2, 3)]),
        ("an upstream that is refused and mended", [upstream(1, "RoundRobin"), upstream(1, "WeightedRoundRobin")]),
    ]
}

fn one_edit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one edit");
    for size in SIZES {
        let mut compiler = compiler(size);
        for (name, versions) in edits() {
            let mut versions = versions.iter().cycle();
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| compiler.apply(versions.next().cloned()));
            });
        }
    }
    group.finish();
}

fn many_at_once(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("at once");
    for size in SIZES {
        group.bench_function(BenchmarkId::new("1000 rules besides", size), |bencher| {
            let rules = || (size..size + 1000).map(|number| rule(number, 0)).collect::<Vec<_>>();
            bencher.iter_batched(
                || (compiler(size), rules()),
                |(mut compiler, rules)| (compiler.apply(rules), compiler),
                BatchSize::PerIteration,
            );
        });
    }
    group.bench_function("everything of 5000 rules", |bencher| {
        let mut objects = Objects::default();
        for change in everything(5_000) {
            objects.apply(change);
        }
        bencher.iter_batched(
            || objects.clone().into_changes().collect::<Vec<_>>(),
            |changes| {
                let mut compiler = Compiler::new(Claims::default(), Table::default());
                (compiler.apply(changes), compiler)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = one_edit, many_at_once
);
criterion_main!(benches);
