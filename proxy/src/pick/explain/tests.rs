//! What `explain` says, and that it changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use sluicegate_table::{Affinity, Algorithm, TargetState};

use crate::endpoint::InFlight;
use crate::health::Outcome;
use crate::health::fixture::{breaker, passive};
use crate::pick::fixture::{Client, Fixture, attempt, pick};

#[test]
fn it_says_what_the_next_request_gets_and_uses_up_no_turn() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::WeightedRoundRobin, Algorithm::LeastConnections] {
        let fixture = Fixture::new(algorithm, &[60, 30, 10]);
        let balancer = fixture.balancer();
        for _ in 0..100 {
            let explained = balancer.explain(&Client::default().view());
            assert_eq!(explained, balancer.explain(&Client::default().view()));
            let picked = explained.candidates.iter().position(|member| member.picked);
            assert_eq!(picked, Some(pick(&balancer)));
        }
    }
}

#[test]
fn it_leaves_latencies_alone() {
    let fixture = Fixture::new(Algorithm::LeastLatency, &[50, 50]);
    let mut client = Client::default();
    let balancer = fixture.balancer();
    let picked = client.pick(&balancer);
    let loads = || format!("{:?} {:?}", fixture.load(0), fixture.load(1));
    let before = loads();
    let explained = balancer.explain(&client.view());
    assert_eq!(explained.candidates[picked].score, Some(1.0 / 50.0));
    assert_eq!(explained.candidates[1 - picked].score, Some(0.0));
    assert_eq!(loads(), before);
}

#[test]
fn it_reads_well() {
    let mut fixture = Fixture::new(Algorithm::LeastConnections, &[60, 30, 10, 0]).level(2, &[100]);
    fixture.state(1, TargetState::Draining);
    let _in_flight = InFlight::begin(fixture.load(0));
    let explained = fixture.balancer().explain(&Client::default().view());
    assert_eq!(
        explained.to_string(),
        "LeastConnections picks default/t2: its score is the least\n\
         \x20 default/t0  priority 1  weight  60  usable, 1 in flight, score 0.016667\n\
         \x20 default/t1  priority 1  weight  30  draining\n\
         > default/t2  priority 1  weight  10  usable, 0 in flight, score 0.000000\n\
         \x20 default/t3  priority 1  weight   0  weight 0\n\
         \x20 default/t4  priority 2  weight 100  usable, 0 in flight, score 0.000000, its priority level is not in use\n"
    );
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["picked"], "default/t2");
    assert_eq!(json["algorithm"], "LeastConnections");
    assert_eq!(json["candidates"][1]["state"], "Draining");
    assert_eq!(json["candidates"][0]["inFlight"], 1);
    assert!(json.get("affinity").is_none());
}

#[test]
fn it_says_when_nothing_is_usable() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[100]);
    fixture.state(0, TargetState::Disabled);
    let explained = fixture.balancer().explain(&Client::default().view());
    assert_eq!(explained.picked, None);
    assert_eq!(
        explained.to_string(),
        "RoundRobin picks nothing: no target is usable\n  default/t0  priority 1  weight 100  disabled\n"
    );
}

#[test]
fn it_says_what_a_request_is_recognised_by() {
    let header = Affinity::Header { name: "x-session".into() };
    let fixture = Fixture::new(Algorithm::Random, &[50, 50]).affinity(header);
    let explained = fixture.balancer().explain(&Client::with_header("x-session", "a").view());
    assert_eq!(explained.affinity.as_deref(), Some("the header x-session"));
    assert_eq!(explained.why, "the header x-session is hashed to it");

    let cookie = Affinity::Cookie { name: "sg".into(), ttl: None };
    let fixture = Fixture::new(Algorithm::RoundRobin, &[50, 50]).affinity(cookie);
    let balancer = fixture.balancer();
    let mut client = Client::default();
    assert_eq!(balancer.explain(&client.view()).why, "it is its turn");
    let picked = client.pick(&balancer);
    let explained = balancer.explain(&client.view());
    assert_eq!(explained.why, "the cookie sg names it");
    assert!(explained.candidates[picked].picked);
}

#[test]
fn it_tells_of_health() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[25, 25, 25, 25]).level(2, &[100]);
    fixture.pool.slow_start = Some(std::time::Duration::from_mins(1));
    let balancer = fixture.balancer();
    let health = |member| fixture.load(member).health();
    health(0).fail(&passive(1, 60), || true);
    health(1).rest(std::time::Duration::from_secs(20), &passive(1, 60));
    (0..5).for_each(|_| health(2).fail_breaker(&breaker()));
    health(3).slow_start(std::time::Duration::from_mins(1), false);
    let client = Client { received: std::time::Instant::now(), ..Client::default() };
    let explained = balancer.explain(&client.view());
    let text = explained.to_string();
    for line in [
        "default/t0  priority 1  weight  25  unhealthy, ejected for 60 s, 0 in flight\n",
        "default/t1  priority 1  weight  25  unhealthy, resting for 20 s, 0 in flight",
        "default/t2  priority 1  weight  25  unhealthy, circuit breaker open for 60 s, 0 in flight",
        "default/t3  priority 1  weight  25  at 9 % of its share, 0 in flight",
    ] {
        assert!(text.contains(line.trim_end()), "{line}\n{text}");
    }
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(
        json["candidates"][0]["health"],
        serde_json::json!({ "reason": "Ejected", "breaker": "Closed", "ejectedSeconds": 60, "sharePercent": 100 })
    );
    assert!(json["candidates"][4].get("health").is_none() && json.get("panic").is_none());
}

#[test]
fn it_tells_of_panic_and_of_open_circuits() {
    let mut fixture = Fixture::new(Algorithm::RoundRobin, &[100]);
    fixture.pool.circuit_breaker =
        Some(sluicegate_table::CircuitBreaker { scope: sluicegate_table::BreakerScope::Upstream, ..breaker() });
    let balancer = fixture.balancer();
    fixture.load(0).health().fail(&passive(1, 60), || true);
    let explained = balancer.explain(&Client::default().view());
    let panic = "\ncircuit breaker of the Upstream: Closed\npanic: no target is usable, so unhealthy ones are used\n> default/t0";
    assert!(explained.to_string().contains(panic), "{explained}");
    for _ in 0..5 {
        attempt(&balancer, |_| Outcome::TimedOut).unwrap();
    }
    let explained = balancer.explain(&Client::default().view());
    assert_eq!((explained.picked, explained.why.as_str()), (None, "circuit breakers are open"));
}
