//! What putting a table in force costs the control thread, by what was edited: it must not grow with the table. And what a
//! table of 5,000 Rules, 1,000 Upstreams and 3,000 Targets takes of memory.
//!
//! Run it on a core of its own: `taskset -c 3 cargo bench -p sluicegate-bench --bench apply`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use sluicegate_proxy::receive::Current;
use sluicegate_table::{
    Affinity, Algorithm, Backend, Connections, EndpointAddress, Endpoints, Hostname, Level, Match, Member, ObjectKey,
    PathMatch, Pool, Protocol, Route, Table, Target, ValueMatch, ValueTest, Weight,
};

const RULES: usize = 5_000;
const UPSTREAMS: usize = 1_000;
const TARGETS: usize = 3_000;
/// Every tenth Target is a Service of this many pods.
const PODS: u8 = 4;

/// How the rules differ.
#[derive(Clone, Copy, Debug)]
enum Shape {
    OwnHosts,
    OneHost,
    NoHost,
    Headers,
}

fn key(kind: &str, number: usize) -> ObjectKey {
    ObjectKey::new(format!("team-{}", number % 20), format!("{kind}-{number}"))
}

fn rule(shape: Shape, number: usize) -> Route {
    let hostnames = match shape {
        Shape::OwnHosts => vec![Hostname::Exact(format!("svc{number}.example.com"))],
        Shape::OneHost => vec![Hostname::Exact("example.com".into())],
        Shape::NoHost | Shape::Headers => Vec::new(),
    };
    let path = match shape {
        Shape::OwnHosts => "/".to_owned(),
        Shape::OneHost | Shape::NoHost => format!("/v1/svc{number}"),
        Shape::Headers => "/v1".to_owned(),
    };
    let headers = match shape {
        Shape::Headers => {
            vec![ValueMatch { name: "x-tenant".into(), test: ValueTest::Exact(number.to_string()) }]
        }
        Shape::OwnHosts | Shape::OneHost | Shape::NoHost => Vec::new(),
    };
    let wanted = Match { headers, ..Match::new(PathMatch::Prefix(path)) };
    let backend = Backend::Pool(key("upstream", number % UPSTREAMS));
    Route { created: i64::try_from(number).unwrap(), hostnames, ..Route::new(vec![wanted], backend) }
}

fn pool(number: usize) -> Pool {
    let member =
        |at| Member { target: key("target", (number * 3 + at) % TARGETS), weight: Weight::try_from(1).unwrap() };
    let algorithm = if number.is_multiple_of(2) { Algorithm::WeightedRoundRobin } else { Algorithm::LeastConnections };
    let levels = vec![Level { priority: 1, members: (0..3).map(member).collect() }];
    Pool { affinity: number.is_multiple_of(50).then_some(Affinity::ClientIp), ..Pool::new(algorithm, levels) }
}

fn target(number: usize) -> Target {
    let host = format!("target-{number}.team-{}.svc", number % 20);
    Target { discovered: number.is_multiple_of(10), ..Target::new(host, 8080, Protocol::Http) }
}

fn endpoints(number: usize, pods: u8) -> Endpoints {
    let address = |pod| ([10, (number >> 8) as u8, number as u8, pod], 8080).into();
    Endpoints { addresses: (0..pods).map(|pod| EndpointAddress { address: address(pod), zone: None }).collect() }
}

fn table(shape: Shape) -> Table {
    Table {
        version: 1,
        routes: (0..RULES).map(|number| (key("rule", number), Arc::new(rule(shape, number)))).collect(),
        pools: (0..UPSTREAMS).map(|number| (key("upstream", number), Arc::new(pool(number)))).collect(),
        targets: (0..TARGETS).map(|number| (key("target", number), Arc::new(target(number)))).collect(),
        endpoints: (0..TARGETS)
            .step_by(10)
            .map(|number| (key("target", number), Arc::new(endpoints(number, PODS))))
            .collect(),
    }
}

/// Measures putting the tables in force that `edit` makes of `table`, in turn.
fn measure(c: &mut Criterion, name: &str, table: &Table, mut edit: impl FnMut(&mut Table, usize)) {
    let current = Current::default();
    assert_eq!(current.apply(Arc::new(table.clone())), []);
    let mut table = table.clone();
    let mut number = 0;
    c.bench_function(name, |b| {
        b.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                number += 1;
                table.version += 1;
                edit(&mut table, number);
                let next = Arc::new(table.clone());
                let begun = Instant::now();
                let refused = current.apply(next);
                took += begun.elapsed();
                assert!(refused.is_empty());
            }
            took
        });
    });
}

fn apply(c: &mut Criterion) {
    for shape in [Shape::OwnHosts, Shape::OneHost, Shape::NoHost, Shape::Headers] {
        let whole = table(shape);
        measure(c, &format!("apply/{shape:?}/rule-conditions"), &whole, |table, number| {
            let route = Route { created: i64::try_from(number).unwrap(), ..rule(shape, number * 7 % RULES) };
            table.routes.insert(key("rule", number * 7 % RULES), Arc::new(route));
        });
        measure(c, &format!("apply/{shape:?}/rule-comes-and-goes"), &whole, |table, number| {
            let extra = key("rule", RULES + 1);
            if number.is_multiple_of(2) {
                table.routes.remove(&extra);
            } else {
                table.routes.insert(extra, Arc::new(rule(shape, RULES + 1)));
            }
        });
        let mut burst = Table::clone(&whole);
        measure(c, &format!("apply/{shape:?}/1000-rules-come-and-go"), &whole, |table, number| {
            for other in RULES..RULES + 1000 {
                if number % 2 == 1 {
                    burst.routes.insert(key("rule", other), Arc::new(rule(shape, other)));
                }
            }
            table.routes = if number % 2 == 1 { burst.routes.clone() } else { whole.routes.clone() };
        });
    }
    let whole = table(Shape::OwnHosts);
    measure(c, "apply/rule-backend", &whole, |table, number| {
        let at = number * 7 % RULES;
        let mut route = rule(Shape::OwnHosts, at);
        route.backend = Backend::Pool(key("upstream", number % UPSTREAMS));
        table.routes.insert(key("rule", at), Arc::new(route));
    });
    measure(c, "apply/upstream", &whole, |table, number| {
        let at = number * 7 % UPSTREAMS;
        let connections = Connections { max: Some(number as u32 + 1), ..Connections::default() };
        table.pools.insert(key("upstream", at), Arc::new(Pool { connections, ..pool(at) }));
    });
    measure(c, "apply/target", &whole, |table, number| {
        let at = number * 7 % TARGETS;
        table.targets.insert(key("target", at), Arc::new(Target { path: format!("/{number}"), ..target(at) }));
    });
    measure(c, "apply/pod", &whole, |table, number| {
        let at = number % (TARGETS / 10) * 10;
        let pods = PODS + (number / (TARGETS / 10) % 2) as u8;
        table.endpoints.insert(key("target", at), Arc::new(endpoints(at, pods)));
    });
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn memory(_: &mut Criterion) {
    for shape in [Shape::OwnHosts, Shape::OneHost, Shape::NoHost, Shape::Headers] {
        let before = resident();
        let table = Arc::new(table(shape));
        let entries = resident();
        let current = Current::default();
        let begun = Instant::now();
        assert_eq!(current.apply(Arc::clone(&table)), []);
        let took = begun.elapsed();
        let mebibytes = |from: u64, to: u64| to.saturating_sub(from) as f64 / f64::from(1 << 20);
        let (table, all) = (mebibytes(before, entries), mebibytes(before, resident()));
        println!("memory/{shape:?}: {all:.1} MiB, {table:.1} of them the entries; put in force in {took:?}");
        // The next shape is to find no memory that was given back.
        std::mem::forget(current);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).without_plots();
    targets = memory, apply
}
criterion_main!(benches);
