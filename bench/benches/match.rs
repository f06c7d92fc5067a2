//! What finding a request's route costs among 10, 1,000 and 10,000 rules, in shapes that are hard on an index: the figures
//! of one shape should be nearly the same. Also what building the index costs,
//! editing it, and scanning bodies.
//!
//! One thread, everything warm. Run it on a core of its own: `taskset -c 3 cargo bench -p sluicegate-bench --bench match`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sluicegate_proxy::matching::{Found, Indexed, Matcher, RouteIndex, body_scan, normalise};
use sluicegate_proxy::request::{BodyFacts, IdentityHeaders, RequestView};
use sluicegate_table::{Backend, Hostname, Match, ObjectKey, PathMatch, Route, ValueMatch, ValueTest};

const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// Rules by number, and the request that the rule of that number takes.
struct Shape {
    name: &'static str,
    rule: fn(usize) -> Route,
    request: fn(usize) -> Request,
}

struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    model: Option<String>,
}

const SHAPES: [Shape; 14] = [
    Shape {
        name: "hosts",
        rule: |n| Route { hostnames: vec![Hostname::Exact(format!("svc{n}.example.com"))], ..route(prefix("/")) },
        request: |n| Request { host: format!("svc{n}.example.com"), ..get("/v1/users/7") },
    },
    Shape {
        name: "wildcard-hosts",
        rule: |n| Route { hostnames: vec![Hostname::Wildcard(format!("svc{n}.example.com"))], ..route(prefix("/")) },
        request: |n| Request { host: format!("a.b.svc{n}.example.com"), ..get("/v1/users/7") },
    },
    Shape {
        name: "exact-paths",
        rule: |n| route(Match::new(PathMatch::Exact(format!("/v1/svc{n}/users")))),
        request: |n| get(&format!("/v1/svc{n}/users")),
    },
    Shape {
        name: "prefixes",
        rule: |n| route(prefix(&format!("/v1/svc{n}"))),
        request: |n| get(&format!("/v1/svc{n}/users/7")),
    },
    Shape {
        name: "globs",
        rule: |n| route(Match::new(PathMatch::Glob(format!("/v1/svc{n}/*/items/*")))),
        request: |n| get(&format!("/v1/svc{n}/7/items/a/b")),
    },
    Shape {
        name: "globs-with-one-beginning",
        rule: |n| route(Match::new(PathMatch::Glob(format!("/v1/*/svc{n}/*")))),
        request: |n| get(&format!("/v1/7/svc{n}/a/b")),
    },
    Shape {
        name: "regexes",
        rule: |n| route(Match::new(PathMatch::RegularExpression(format!("/v1/svc{n}/[0-9]+/items(/.*)?")))),
        request: |n| get(&format!("/v1/svc{n}/77/items/a")),
    },
    Shape {
        name: "regexes-with-one-beginning",
        rule: |n| route(Match::new(PathMatch::RegularExpression(format!("/v1/[a-z]+/svc{n}(/.*)?")))),
        request: |n| get(&format!("/v1/abc/svc{n}/a")),
    },
    Shape {
        name: "deep-prefixes",
        rule: |n| route(prefix(&format!("/svc{}{}", n / 50, "/deeper".repeat(n % 50)))),
        request: |n| get(&format!("/svc{}{}/x", n / 50, "/deeper".repeat(n % 50))),
    },
    Shape {
        name: "one-path-header",
        rule: |n| {
            let headers = vec![exact("x-tenant", n), ValueMatch { name: "x-a".into(), test: ValueTest::Present }];
            route(Match { headers, ..prefix("/v1") })
        },
        request: |n| header("x-a", "1", header("x-tenant", &n.to_string(), get("/v1/users"))),
    },
    Shape {
        name: "one-path-query",
        rule: |n| route(Match { query: vec![exact("tenant", n)], ..prefix("/v1") }),
        request: |n| Request { query: Some(format!("a=b&tenant={n}")), ..get("/v1/users") },
    },
    Shape {
        name: "one-path-method",
        rule: |n| route(Match { methods: vec![format!("M{n}")], ..prefix("/v1") }),
        request: |n| Request { method: Method::from_bytes(format!("M{n}").as_bytes()).unwrap(), ..get("/v1/users") },
    },
    Shape {
        name: "one-path-tier",
        rule: |n| route(Match { user_tiers: vec![format!("tier{n}"), format!("plan{n}")], ..prefix("/v1") }),
        request: |n| header("x-user-tier", &format!("plan{n}"), get("/v1/users")),
    },
    Shape {
        name: "one-path-model",
        rule: |n| route(Match { models: vec![format!("model{n}-*"), format!("gpt{n}")], ..prefix("/v1") }),
        request: |n| Request { model: Some(format!("model{n}-mini")), ..get("/v1/chat/completions") },
    },
];

fn route(match_: Match) -> Route {
    Route::new(vec![match_], Backend::Pool(ObjectKey::new("default", "pool")))
}

fn prefix(path: &str) -> Match {
    Match::new(PathMatch::Prefix(path.into()))
}

fn exact(name: &str, value: usize) -> ValueMatch {
    ValueMatch { name: name.into(), test: ValueTest::Exact(value.to_string()) }
}

fn get(path: &str) -> Request {
    let mut headers = HeaderMap::new();
    for (name, value) in [("user-agent", "curl/8.5.0"), ("accept", "*/*"), ("accept-encoding", "gzip")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Request { method: Method::GET, host: "example.com".into(), path: path.into(), query: None, headers, model: None }
}

fn header(name: &'static str, value: &str, mut request: Request) -> Request {
    request.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    request
}

fn routes(shape: &Shape, size: usize) -> Vec<(ObjectKey, Route)> {
    (0..size).map(|n| (ObjectKey::new("default", format!("rule-{n}")), (shape.rule)(n))).collect()
}

fn matcher(routes: &[(ObjectKey, Route)]) -> Matcher {
    Matcher::new(routes.iter().map(|(key, route)| (key, route))).unwrap()
}

fn find(c: &mut Criterion) {
    let identity = IdentityHeaders::default();
    let now = Instant::now();
    for shape in &SHAPES {
        let mut group = c.benchmark_group(format!("match/{}", shape.name));
        for size in SIZES {
            let matcher = matcher(&routes(shape, size));
            let requests: Vec<Request> = (0..16).map(|n| (shape.request)(n * (size - 1) / 15)).collect();
            let facts: Vec<BodyFacts> =
                requests.iter().map(|request| BodyFacts { model: request.model.clone(), conversation: None }).collect();
            let views: Vec<RequestView<'_>> = requests
                .iter()
                .zip(&facts)
                .map(|(request, facts)| RequestView {
                    method: &request.method,
                    host: &request.host,
                    path: &request.path,
                    query: request.query.as_deref(),
                    headers: &request.headers,
                    content_length: if request.model.is_some() { None } else { Some(0) },
                    client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                    tls: false,
                    received: now,
                    identity: &identity,
                    body: Some(facts),
                })
                .collect();
            for view in &views {
                assert!(matches!(matcher.find(view), Found::Route { .. }), "{} {size}: {}", shape.name, view.path);
            }
            let mut next = 0;
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    next = (next + 1) % views.len();
                    matcher.find(black_box(&views[next]))
                });
            });
        }
    }
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    for shape in &SHAPES {
        let routes = routes(shape, 10_000);
        group.bench_function(BenchmarkId::from_parameter(shape.name), |b| b.iter(|| matcher(&routes)));
    }
}

/// One rule among 5,000 put anew, as the control thread does it: the version before stays as it is.
fn edit(c: &mut Criterion) {
    let mut group = c.benchmark_group("edit");
    for shape in &SHAPES {
        let routes = routes(shape, 5_000);
        let matcher = matcher(&routes);
        let mut number = 0;
        group.bench_function(BenchmarkId::from_parameter(shape.name), |b| {
            b.iter(|| {
                number = (number + 7) % routes.len();
                let (key, route) = &routes[number];
                let index = RouteIndex(number as u32);
                let mut edited = matcher.clone();
                edited.edit([(index, Some(Indexed::new(index, key, route).unwrap()))]);
                edited
            });
        });
    }
}

fn bodies(c: &mut Criterion) {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(100);
    let turns: Vec<String> = (0..240)
        .map(|turn| format!(r#"{{"role":"{}","content":"{text}"}}"#, if turn % 2 == 0 { "user" } else { "assistant" }))
        .collect();
    let chat = format!(r#"{{"model":"gpt-4","messages":[{}],"stream":true}}"#, turns.join(","));
    let numbers = format!(r#"{{"model":"m","embedding":[{}]}}"#, "0.12345678,".repeat(90_000).trim_end_matches(','));
    let small = r#"{"model":"gpt-4o-mini","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi there"}],"temperature":0.2,"stream":true}"#;
    let mut group = c.benchmark_group("body-scan");
    for (name, body) in [("small", small), ("chat-1MiB", chat.as_str()), ("numbers-1MiB", numbers.as_str())] {
        assert!(body_scan::scan(body.as_bytes()).unwrap().model.is_some());
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| b.iter(|| body_scan::scan(black_box(body.as_bytes()))));
    }
}

fn normal_forms(c: &mut Criterion) {
    let mut group = c.benchmark_group("normalise");
    for (name, path) in [("normal", "/v1/chat/completions"), ("encoded", "/v1/./ch%61t/%7euser/../completions")] {
        group.bench_function(BenchmarkId::new("path", name), |b| b.iter(|| normalise::path(black_box(path)).is_ok()));
    }
    group.bench_function("host", |b| b.iter(|| normalise::host(black_box("api.example.com:8080")).is_ok()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).without_plots();
    targets = find, build, edit, bodies, normal_forms
}
criterion_main!(benches);
