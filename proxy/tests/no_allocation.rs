//! Matching and picking allocate nothing: not for a request's normal forms, not for finding its Rule among a thousand,
//! not for choosing its target, not for judging a good answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sluicegate_proxy::endpoint::{Endpoint, InFlight, Load, TargetRuntime};
use sluicegate_proxy::health::Outcome;
use sluicegate_proxy::matching::{Found, Matcher, normalise};
use sluicegate_proxy::pick::Balancer;
use sluicegate_proxy::request::{BodyFacts, IdentityHeaders, RequestView};
use sluicegate_table::{
    Affinity, Algorithm, Backend, CircuitBreaker, Hostname, Level, Match, Member, ObjectKey, PassiveCheck, PathMatch,
    Pool, Protocol, Route, Target, ValueMatch, ValueTest, Weight,
};

const RULES: usize = 1_000;

/// A Rule by its number: each shape of condition comes up in turn.
fn route(number: usize) -> Route {
    let test = |name: &str, test: ValueTest| vec![ValueMatch { name: name.into(), test }];
    let mut wanted = Match {
        methods: vec!["GET".into(), "POST".into()],
        ..Match::new(PathMatch::Prefix(format!("/v1/service-{number}")))
    };
    match number % 6 {
        0 => wanted.path = PathMatch::Exact(format!("/v1/service-{number}/users/7")),
        1 => wanted.headers = test("x-team", ValueTest::Exact("blue".into())),
        2 => wanted.query = test("version", ValueTest::RegularExpression("[0-9]+".into())),
        3 => wanted.path = PathMatch::Glob(format!("/v1/service-{number}/*/7")),
        4 => wanted.path = PathMatch::RegularExpression(format!("/v1/service-{number}/[a-z]+/[0-9]+")),
        _ => wanted.models = vec!["small".into()],
    }
    let hostname = match number % 3 {
        0 => Hostname::Exact(format!("host-{number}.example.com")),
        1 => Hostname::Wildcard(format!("host-{number}.example.com")),
        _ => Hostname::Exact("api.example.com".into()),
    };
    let backend = Backend::Pool(ObjectKey::new("default", "pool"));
    Route { hostnames: vec![hostname], ..Route::new(vec![wanted], backend) }
}

fn host(number: usize) -> String {
    match number % 3 {
        0 => format!("host-{number}.example.com"),
        1 => format!("any.host-{number}.example.com"),
        _ => "api.example.com:8080".into(),
    }
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

/// What asks for `host` and `path`.
fn view<'a>(
    host: &'a str,
    path: &'a str,
    headers: &'a HeaderMap,
    identity: &'a IdentityHeaders,
    body: &'a BodyFacts,
) -> RequestView<'a> {
    RequestView {
        method: &Method::GET,
        host,
        path,
        query: Some("version=7"),
        headers,
        content_length: None,
        client_ip: Ipv4Addr::LOCALHOST.into(),
        tls: false,
        received: Instant::now(),
        identity,
        body: Some(body),
    }
}

#[test]
fn a_match_allocates_nothing() {
    let routes: Vec<(ObjectKey, Route)> =
        (0..RULES).map(|number| (ObjectKey::new("default", format!("rule-{number}")), route(number))).collect();
    let matcher = Matcher::new(routes.iter().map(|(key, route)| (key, route))).unwrap();
    let identity = IdentityHeaders::default();
    let headers = headers(&[("user-agent", "curl/8"), ("accept", "*/*"), ("x-team", "blue")]);
    let body = BodyFacts { model: Some("small".into()), conversation: None };
    for number in 0..RULES {
        let (host, path) = (host(number), format!("/v1/service-{number}/users/7"));
        let find = || {
            let (host, path) = (normalise::host(&host).unwrap(), normalise::path(&path).unwrap());
            matcher.find(&view(&host, &path, &headers, &identity, &body))
        };
        // A regular expression's first use makes its scratch memory, once a thread.
        assert!(matches!(find(), Found::Route { .. }), "rule {number}");
        let counted = allocation_counter::measure(|| drop(find()));
        assert_ne!(allocation_counter::measure(|| drop(host.clone())).count_total, 0, "counting works");
        assert_eq!(counted.count_total, 0, "rule {number}: {counted:?}");
    }
    let counted = allocation_counter::measure(|| {
        assert!(matches!(matcher.find(&view("nobody.example", "/", &headers, &identity, &body)), Found::NoRoute));
    });
    assert_eq!(counted.count_total, 0, "a request that no Rule takes: {counted:?}");
}

/// A Target with this many addresses.
fn target(number: u64, addresses: u8) -> Arc<TargetRuntime> {
    let target = Arc::new(Target::new("127.0.0.1", 80, Protocol::Http));
    let endpoint = |last| {
        let load = Arc::new(Load::default());
        InFlight::begin(&load).answered_after(Duration::from_millis(number));
        let key = ObjectKey::new("default", format!("target-{number}"));
        let address = (addresses > 1).then(|| ([10, 0, 0, last], 80).into());
        Arc::new(Endpoint { key, address, target: Arc::clone(&target), load })
    };
    let endpoints = (0..addresses).map(endpoint).collect();
    Arc::new(TargetRuntime { target: Arc::clone(&target), addresses: None, endpoints })
}

/// Has everything set that real answers are judged by, and what holds a part of the share back.
fn guard(pool: &mut Pool) {
    pool.health_checks.passive = Some(PassiveCheck::default());
    pool.circuit_breaker = Some(CircuitBreaker { minimum_success_percent: Some(95), ..CircuitBreaker::default() });
    pool.slow_start = Some(Duration::from_secs(30));
}

#[test]
fn a_pick_and_its_good_judgement_allocate_nothing() {
    let identity = IdentityHeaders::default();
    let body = BodyFacts { model: None, conversation: Some(7) };
    let algorithms = [
        Algorithm::RoundRobin,
        Algorithm::WeightedRoundRobin,
        Algorithm::LeastConnections,
        Algorithm::Random,
        Algorithm::LeastLatency,
    ];
    let affinities = [
        None,
        Some(Affinity::ClientIp),
        Some(Affinity::Header { name: "x-user".into() }),
        Some(Affinity::Conversation { header: None }),
        Some(Affinity::Cookie { name: "sticky".into(), ttl: None }),
    ];
    let sizes = |algorithm| [(algorithm, 3, 1), (algorithm, 100, 1), (algorithm, 1_000, 1), (algorithm, 3, 4)];
    for (algorithm, members, addresses) in algorithms.into_iter().flat_map(sizes) {
        for (affinity, guarded) in affinities.iter().flat_map(|affinity| [(affinity, false), (affinity, true)]) {
            let targets: Vec<Option<Arc<TargetRuntime>>> =
                (1..=members).map(|number| Some(target(number, addresses))).collect();
            let member = |target: &Option<Arc<TargetRuntime>>| Member {
                target: target.as_ref().unwrap().endpoints[0].key.clone(),
                weight: Weight::try_from(1).unwrap(),
            };
            let levels = vec![Level { priority: 1, members: targets.iter().map(member).collect() }];
            let mut pool = Pool { affinity: affinity.clone(), ..Pool::new(algorithm, levels) };
            if guarded {
                guard(&mut pool);
            }
            let balancer = Balancer::new(&pool, &targets, None);
            let mut fields = headers(&[("accept", "*/*"), ("x-user", "somebody")]);
            let first = balancer.pick(&view("a", "/", &fields, &identity, &body), &[]).unwrap();
            if let Some(cookie) = first.set_cookie {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
                fields.insert("cookie", HeaderValue::try_from(pair).unwrap());
            }
            let request = view("a", "/", &fields, &identity, &body);
            let counted = allocation_counter::measure(|| {
                for _ in 0..1_000 {
                    let picked = balancer.pick(&request, &[]).unwrap();
                    assert!(picked.set_cookie.is_none());
                    let endpoints = || targets.iter().flatten().flat_map(|target| &target.endpoints);
                    let endpoint = endpoints().nth(picked.member.0 as usize).unwrap();
                    let in_flight = InFlight::begin_as(&endpoint.load, picked.probe);
                    let good = Outcome::Answered { status: StatusCode::OK, retry_after: None };
                    balancer.judge(picked.member, &in_flight, good);
                }
            });
            assert_eq!(balancer.judges(), guarded);
            assert_eq!(
                counted.count_total, 0,
                "{algorithm:?} among {members} of {addresses} with {affinity:?}: {counted:?}"
            );
        }
    }
}
