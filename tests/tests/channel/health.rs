//! What proxies report of the health of endpoints.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicegate_proxy::config::Config;
use sluicegate_proxy::endpoint::InFlight;
use sluicegate_proxy::health::Outcome;
use sluicegate_proxy::observe::access_log::AccessLog;
use sluicegate_proxy::observe::metrics::Metrics;
use sluicegate_proxy::pick::MemberIndex;
use sluicegate_proxy::serve::DataPlane;
use sluicegate_table::watch::{BreakerState, EndpointReport, EndpointState, UnhealthyReason, UpstreamReport};
use sluicegate_table::{Algorithm, BreakerScope, CircuitBreaker, Level, Member, Pool, Protocol, Target, Weight};
use sluicegate_tests::ports::Port;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::installation::{Controlled, Following, key, until};

/// Publishes a pool of one Target at `port` that is checked often.
fn publish(controller: &Controlled, port: u16) {
    let checks: Value = json!({ "active": {
        "probe": { "HTTP": { "method": "GET", "path": "/", "expectedStatuses": [{ "from": 200, "to": 299 }] } },
        "interval": Duration::from_millis(50), "timeout": Duration::from_millis(50),
        "healthyThreshold": 1, "unhealthyThreshold": 2,
    } });
    let pool = json!({ "algorithm": "Random", "healthChecks": checks,
        "levels": [{ "priority": 0, "members": [{ "target": "team/t", "weight": 100 }] }] });
    let target = json!({ "host": "127.0.0.1", "port": port, "protocol": "HTTP" });
    controller.publish(|published| {
        published.table.pools.insert(key("p"), serde_json::from_value(pool).unwrap());
        published.table.targets.insert(key("t"), serde_json::from_value(target).unwrap());
    });
}

/// The data plane without listeners over what a proxy has received.
fn serve(proxy: &Following) -> DataPlane {
    let config = Config { listeners: Vec::new(), workers: 1, ..Config::default() };
    let log = AccessLog::start(0, std::io::sink()).unwrap();
    DataPlane::start(&Handle::current(), &config, &proxy.current, &Metrics::new(), &log).unwrap()
}

/// Waits until a proxy has reported this of the endpoints.
async fn until_reported(controller: &Controlled, expected: &[EndpointReport]) {
    until(&format!("{expected:?}"), || controller.known("a").filter(|known| known.report.endpoints == expected)).await;
}

fn unhealthy(reason: UnhealthyReason) -> Vec<EndpointReport> {
    let (target, reason) = (key("t"), Some(reason));
    vec![EndpointReport { target, address: None, state: EndpointState::Unhealthy, reason, breaker: None }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_health_is_reported_and_survives_a_reconnect() {
    let mut controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    let port = Port::free();
    publish(&controller, port.address().port());
    proxy.has("the table", |table| table.version == 1).await;
    let plane = serve(&proxy);
    until_reported(&controller, &unhealthy(UnhealthyReason::FailedChecks)).await;

    // A controller that is new to it is told, too.
    controller.stop().await;
    controller.fleet = Arc::default();
    controller.listen(Duration::from_secs(15)).await;
    until_reported(&controller, &unhealthy(UnhealthyReason::FailedChecks)).await;

    let listener = TcpListener::bind(port.address()).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // A check that has ended meanwhile reads no answer.
            drop(stream.write_all(answer).await);
        }
    });
    until_reported(&controller, &[]).await;
    tokio::task::spawn_blocking(|| plane.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_of_an_upstream_is_reported_while_it_is_not_closed() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    let publish = |circuit_breaker: Option<CircuitBreaker>| {
        let member = Member { target: key("t"), weight: Weight::try_from(100).unwrap() };
        let levels = vec![Level { priority: 1, members: vec![member] }];
        let pool = Pool { circuit_breaker, ..Pool::new(Algorithm::Random, levels) };
        controller.publish(|published| {
            published.table.pools.insert(key("p"), Arc::new(pool));
            published.table.targets.insert(key("t"), Arc::new(Target::new("127.0.0.1", 9, Protocol::Http)));
        });
    };
    let scope = BreakerScope::Upstream;
    publish(Some(CircuitBreaker { failure_threshold: 1, scope, ..CircuitBreaker::default() }));
    proxy.has("the table", |table| table.version == 1).await;
    let plane = serve(&proxy);
    let snapshot = proxy.current.load();
    let pool = snapshot.pool(&key("p")).unwrap();
    let load = &pool.members()[0].reach.as_ref().unwrap().endpoint.load;
    pool.balancer.judge(MemberIndex(0), &InFlight::begin(load), Outcome::Reset);
    let until_told = async |expected: &[UpstreamReport]| {
        let told = || controller.known("a").filter(|known| known.report.upstreams == expected);
        until(&format!("{expected:?}"), told).await;
    };
    until_told(&[UpstreamReport { upstream: key("p"), breaker: BreakerState::Open }]).await;
    // It has none any more.
    publish(None);
    until_told(&[]).await;
    tokio::task::spawn_blocking(|| plane.stop()).await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_stops_says_so() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    publish(&controller, 9);
    assert!(controller.reported("a").await.report.ready);
    proxy.current.findings().stop();
    until("it is not ready", || controller.known("a").filter(|known| !known.report.ready)).await;
}
