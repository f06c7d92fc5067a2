//! What a pick costs: each algorithm and affinity with 3, 100 and 1,000 targets.
//!
//! One thread, everything warm: what a worker pays in a busy loop. Run it on a core of its own:
//! `taskset -c 2 cargo bench --bench pick`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use sluicegate_bench::request::view;
use sluicegate_proxy::endpoint::{Endpoint, InFlight, Load, TargetRuntime};
use sluicegate_proxy::health::Outcome;
use sluicegate_proxy::pick::{Balancer, MemberIndex};
use sluicegate_proxy::request::{IdentityHeaders, RequestView};
use sluicegate_table::{
    Affinity, Algorithm, CircuitBreaker, Level, Member, ObjectKey, PassiveCheck, Pool, Protocol, Target, Weight,
};

const SIZES: [u32; 3] = [3, 100, 1000];

/// Weights that add up to 100 where there are few members; else equal ones.
fn weights(members: u32) -> Vec<u8> {
    if members == 3 { vec![61, 28, 11] } else { vec![1; members as usize] }
}

fn pool(algorithm: Algorithm, members: u32, affinity: Option<Affinity>) -> Pool {
    let members = weights(members).into_iter().enumerate().map(|(number, weight)| Member {
        target: ObjectKey::new("default", format!("target-{number}")),
        weight: Weight::try_from(weight).unwrap(),
    });
    Pool { affinity, ..Pool::new(algorithm, vec![Level { priority: 1, members: members.collect() }]) }
}

fn targets(pool: &Pool) -> Vec<Option<Arc<TargetRuntime>>> {
    let target = Arc::new(Target::new("127.0.0.1", 80, Protocol::Http));
    let endpoint = |member: &Member| {
        let (key, target, load) = (member.target.clone(), Arc::clone(&target), Arc::new(Load::default()));
        let endpoint = Arc::new(Endpoint { key, address: None, target: Arc::clone(&target), load });
        Some(Arc::new(TargetRuntime { target: Arc::clone(&target), addresses: None, endpoints: Box::from([endpoint]) }))
    };
    pool.levels[0].members.iter().map(endpoint).collect()
}

/// Requests with different values of a header.
fn clients(name: &'static str, value: impl Fn(usize) -> String) -> Vec<HeaderMap> {
    let headers = |number| {
        let value = HeaderValue::try_from(value(number)).unwrap();
        [("user-agent", "bench/1"), ("accept", "*/*")]
            .into_iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .chain([(HeaderName::from_static(name), value)])
            .collect()
    };
    (0..64).map(headers).collect()
}

/// Measures picks for these clients in turn.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    size: u32,
    balancer: &Balancer,
    clients: &[HeaderMap],
) {
    let identity = IdentityHeaders::default();
    let views: Vec<RequestView<'_>> =
        clients.iter().enumerate().map(|(number, headers)| view(headers, &identity, number as u8)).collect();
    let mut turn = views.iter().cycle();
    group.bench_function(BenchmarkId::new(name, size), |bencher| {
        bencher.iter(|| balancer.pick(turn.next().unwrap(), &[]).unwrap().member);
    });
}

fn algorithms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    let anyone = clients("x-session", |number| format!("session-{number}"));
    for size in SIZES {
        for algorithm in [
            Algorithm::RoundRobin,
            Algorithm::WeightedRoundRobin,
            Algorithm::LeastConnections,
            Algorithm::Random,
            Algorithm::LeastLatency,
        ] {
            let pool = pool(algorithm, size, None);
            let targets = targets(&pool);
            // Every member has something in flight and has been measured, all of it different.
            let mut in_flight = Vec::new();
            for (number, endpoint) in targets.iter().flatten().flat_map(|target| &target.endpoints).enumerate() {
                in_flight.extend((0..number * 7 % 5).map(|_| InFlight::begin(&endpoint.load)));
                InFlight::begin(&endpoint.load).answered_after(Duration::from_millis(1 + number as u64 * 13 % 50));
            }
            let balancer = Balancer::new(&pool, &targets, None);
            measure(&mut group, &format!("{algorithm:?}"), size, &balancer, &anyone);
        }
    }
    group.finish();
}

fn idle_pools(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick, idle");
    let anyone = clients("x-session", |number| format!("session-{number}"));
    for size in SIZES {
        let pool = pool(Algorithm::LeastConnections, size, None);
        let balancer = Balancer::new(&pool, &targets(&pool), None);
        measure(&mut group, "LeastConnections", size, &balancer, &anyone);
    }
    group.finish();
}

fn affinities(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick, affinity");
    for size in SIZES {
        let by_ring = [
            ("header", Affinity::Header { name: "x-session".into() }),
            ("clientIP", Affinity::ClientIp),
            ("cookie, new client", Affinity::Cookie { name: "sg".into(), ttl: None }),
        ];
        let sessions = clients("x-session", |number| format!("session-{number}"));
        for (name, affinity) in by_ring {
            let pool = pool(Algorithm::WeightedRoundRobin, size, Some(affinity));
            let balancer = Balancer::new(&pool, &targets(&pool), None);
            measure(&mut group, name, size, &balancer, &sessions);
        }
        let pool = pool(Algorithm::WeightedRoundRobin, size, Some(Affinity::Cookie { name: "sg".into(), ttl: None }));
        let balancer = Balancer::new(&pool, &targets(&pool), None);
        let identity = IdentityHeaders::default();
        let cookie = |_| {
            let picked = balancer.pick(&view(&HeaderMap::new(), &identity, 0), &[]).unwrap();
            let set_cookie = picked.set_cookie.unwrap();
            format!("theme=dark; {}", set_cookie.to_str().unwrap().split(';').next().unwrap())
        };
        let returning = clients("cookie", cookie);
        measure(&mut group, "cookie, returning client", size, &balancer, &returning);
    }
    group.finish();
}

fn second_attempts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick, one tried");
    let headers = HeaderMap::new();
    let identity = IdentityHeaders::default();
    for size in SIZES {
        let pool = pool(Algorithm::WeightedRoundRobin, size, None);
        let balancer = Balancer::new(&pool, &targets(&pool), None);
        let request = view(&headers, &identity, 0);
        group.bench_function(BenchmarkId::new("WeightedRoundRobin", size), |bencher| {
            bencher.iter(|| balancer.pick(black_box(&request), &[MemberIndex(1)]).unwrap().member);
        });
    }
    group.finish();
}

/// A pick with its judgement, where nothing is set and where everything is that real answers are judged by.
fn judged(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick and judge");
    let headers = HeaderMap::new();
    let identity = IdentityHeaders::default();
    for size in SIZES {
        for guarded in [false, true] {
            let mut pool = pool(Algorithm::WeightedRoundRobin, size, None);
            if guarded {
                pool.health_checks.passive = Some(PassiveCheck::default());
                let breaker = CircuitBreaker { minimum_success_percent: Some(95), ..CircuitBreaker::default() };
                pool.circuit_breaker = Some(breaker);
            }
            let targets = targets(&pool);
            let loads: Vec<Arc<Load>> =
                targets.iter().flatten().flat_map(|target| &target.endpoints).map(|at| Arc::clone(&at.load)).collect();
            let balancer = Balancer::new(&pool, &targets, None);
            let request = view(&headers, &identity, 0);
            let good = Outcome::Answered { status: StatusCode::OK, retry_after: None };
            let name = if guarded { "with passive checks and breaker" } else { "plain" };
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| {
                    let picked = balancer.pick(black_box(&request), &[]).unwrap();
                    let in_flight = InFlight::begin_as(&loads[picked.member.0 as usize], picked.probe);
                    if balancer.judges_attempt(&in_flight) {
                        balancer.judge(picked.member, &in_flight, good);
                    }
                });
            });
        }
    }
    group.finish();
}

/// What a new version of a pool costs the thread that receives it.
fn building(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("new balancer");
    for size in SIZES {
        for (name, affinity) in [("WeightedRoundRobin", None), ("with a ring", Some(Affinity::ClientIp))] {
            let pool = pool(Algorithm::WeightedRoundRobin, size, affinity);
            let targets = targets(&pool);
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| Balancer::new(&pool, &targets, None));
            });
        }
    }
    group.finish();
}

criterion::criterion_group!(
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = algorithms, idle_pools, affinities, second_attempts, judged, building
);
criterion::criterion_main!(benches);
