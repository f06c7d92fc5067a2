//! The endpoints over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sluicegate_table::{BreakerScope, CircuitBreaker, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const SECRET: &str = "planted-secret-value";

fn observed() -> Observed {
    Observed::new(Arc::new(Current::default()), Metrics::new(), IdentityHeaders::default())
}

fn table() -> Arc<Table> {
    let table = json!({
        "version": 4,
        "routes": { "default/api": {
            "matches": [{ "path": { "Prefix": "/" } }], "bufferSize": 1024, "backend": { "pool": "default/one" },
        } },
        "pools": { "default/one": { "algorithm": "RoundRobin", "levels": [
            { "priority": 1, "members": [{ "target": "default/one", "weight": 100 }] },
        ] } },
        "targets": { "default/one": {
            "host": "127.0.0.1", "port": 9101, "protocol": "HTTP",
            "credential": { "header": "authorization", "value": SECRET },
        } },
    });
    Arc::new(serde_json::from_value(table).unwrap())
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

async fn send(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
}

async fn post(address: SocketAddr, body: &Value) -> (u16, String, String) {
    let body = body.to_string();
    let length = body.len();
    let head =
        format!("POST /explain HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    send(address, &(head + &body)).await
}

#[tokio::test]
async fn only_this_machines_names_are_answered() {
    let address = serve(admin(observed())).await;
    let asked = |host: &str| format!("GET /table HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    for host in ["Host: localhost\r\n", &format!("Host: {address}\r\n"), ""] {
        assert_eq!(send(address, &asked(host)).await.0, 200, "{host:?}");
    }
    for host in ["Host: evil.example\r\n", "Host: localhost\r\nHost: evil.example\r\n", "Host: \r\n"] {
        assert_eq!(send(address, &asked(host)).await.0, 421, "{host:?}");
    }
    let observing = serve(observe(observed())).await;
    assert_eq!(send(observing, &asked("Host: sluicegate.example\r\n").replace("table", "healthz")).await.0, 200);
}

#[tokio::test]
async fn ready_while_a_table_is_in_force_and_the_process_is_not_stopping() {
    let observed = observed();
    let address = serve(admin(observed.clone())).await;
    assert_eq!(get(address, "/healthz").await.0, 200);
    let (status, _, body) = get(address, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready: no table is in force yet\n"));
    assert_eq!(observed.current.apply(table()), []);
    let (status, _, body) = get(address, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready: the listeners are not bound yet\n"));
    observed.listens();
    let (status, _, body) = get(address, "/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ready: table version 4\n"));
    observed.stop();
    let (status, _, body) = get(address, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready: the process is stopping\n"));
    assert_eq!(get(address, "/healthz").await.0, 200);
}

#[tokio::test]
async fn metrics_come_in_the_format_asked_for() {
    let observed = observed();
    assert_eq!(observed.current.apply(table()), []);
    let address = serve(admin(observed)).await;
    let (status, head, body) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("\nsluicegate_table_version 4\n") && !body.contains("# EOF"), "{body}");
    assert!(body.contains("\nsluicegate_upstream_requests_in_flight{target=\"default/one\"} 0\n"), "{body}");
    let idle = "\nsluicegate_upstream_connections{upstream=\"default/one\",target=\"default/one\",state=\"idle\"} 0\n";
    assert!(body.contains(idle), "{body}");
    let accept = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                  Accept: application/openmetrics-text;version=1.0.0\r\n\r\n";
    let (_, head, body) = send(address, accept).await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_table_and_explanations_show_no_secret() {
    let observed = observed();
    assert_eq!(observed.current.apply(table()), []);
    let address = serve(admin(observed)).await;
    let (_, _, table) = get(address, "/table").await;
    let parsed: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(parsed["targets"]["default/one"]["credential"]["value"], "<redacted>");
    assert_eq!(parsed["routes"]["default/api"]["backend"]["pool"], "default/one");
    let (_, _, explained) = get(address, "/explain?url=http://h.test/x").await;
    let (_, _, text) = get(address, "/explain?url=http://h.test/x&format=text").await;
    let (_, _, metrics) = get(address, "/metrics").await;
    for body in [table, explained, text, metrics] {
        assert!(!body.contains(SECRET), "{body}");
    }
}

#[tokio::test]
async fn health_is_told_by_endpoint() {
    let observed = observed();
    let mut table = serde_json::to_value(&*table()).unwrap();
    table["targets"]["default/one"]["credential"] = Value::Null;
    let active = json!({ "probe": "TCP", "interval": Duration::from_secs(1), "timeout": Duration::from_secs(1),
        "healthyThreshold": 1, "unhealthyThreshold": 1 });
    table["pools"]["default/two"] = table["pools"]["default/one"].clone();
    table["pools"]["default/two"]["healthChecks"] = json!({ "active": active });
    assert_eq!(observed.current.apply(serde_json::from_value(table).unwrap()), []);
    let address = serve(admin(observed.clone())).await;
    let asked = async || -> Value { serde_json::from_str(&get(address, "/health").await.2).unwrap() };
    let told = |check: &str, state: &str, reason: Option<&str>| {
        let mut two = json!({ "upstream": "default/two", "state": state, "check": check });
        two.as_object_mut().unwrap().extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
        let mut endpoint = json!({ "target": "default/one", "state": state, "share": 1.0, "ejections": 0,
            "upstreams": [{ "upstream": "default/one", "state": "Healthy" }, two] });
        endpoint.as_object_mut().unwrap().extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
        json!({ "endpoints": [endpoint] })
    };
    assert_eq!(asked().await, told("Unchecked", "Unhealthy", Some("NotChecked")));
    let snapshot = observed.current.load();
    let pool = snapshot.pools().find(|pool| pool.key.name == "two").unwrap();
    let (_, check) = pool.balancer.checks().next().unwrap();
    check.set(true, tokio::time::Instant::now());
    assert_eq!(asked().await, told("Passing", "Healthy", None));
    check.set(false, tokio::time::Instant::now());
    assert_eq!(asked().await, told("Failing", "Unhealthy", Some("FailedChecks")));
}

#[tokio::test]
async fn an_upstreams_own_breaker_says_nothing_of_an_endpoint_that_others_use() {
    let observed = observed();
    let mut table = serde_json::to_value(&*table()).unwrap();
    table["targets"]["default/one"]["credential"] = Value::Null;
    let breaker = CircuitBreaker { scope: BreakerScope::Upstream, ..CircuitBreaker::default() };
    table["pools"]["default/two"] = table["pools"]["default/one"].clone();
    table["pools"]["default/one"]["circuitBreaker"] = serde_json::to_value(&breaker).unwrap();
    assert_eq!(observed.current.apply(serde_json::from_value(table.clone()).unwrap()), []);
    let address = serve(admin(observed.clone())).await;
    let snapshot = observed.current.load();
    let pool = snapshot.pools().find(|pool| pool.key.name == "one").unwrap();
    (0..breaker.failure_threshold).for_each(|_| pool.balancer.breaker().unwrap().fail_breaker(&breaker));
    let asked = async || -> Value { serde_json::from_str(&get(address, "/health").await.2).unwrap() };
    let one = json!({ "upstream": "default/one", "state": "Unhealthy", "reason": "CircuitOpen", "breaker": "Open" });
    let two = json!({ "upstream": "default/two", "state": "Healthy" });
    let told = asked().await["endpoints"][0].clone();
    assert_eq!((&told["state"], &told["reason"]), (&json!("Healthy"), &Value::Null), "{told}");
    assert_eq!(told["upstreams"], json!([one, two]));
    table["pools"].as_object_mut().unwrap().remove("default/two");
    assert_eq!(observed.current.apply(serde_json::from_value(table).unwrap()), []);
    let told = asked().await["endpoints"][0].clone();
    assert_eq!((&told["state"], &told["reason"]), (&json!("Unhealthy"), &json!("CircuitOpen")), "{told}");
}

#[tokio::test]
async fn explains_what_a_query_or_a_body_describes() {
    let observed = observed();
    assert_eq!(observed.current.apply(table()), []);
    let address = serve(admin(observed)).await;
    let query =
        "/explain?method=POST&url=http%3A%2F%2Fh.test%2Fx%3Fa%3D1&header=X-A:+b&header=X-A:+c&clientIP=192.0.2.7";
    let (status, head, by_query) = get(address, query).await;
    assert!(status == 200 && head.contains("content-type: application/json"), "{head}");
    let by_query: Value = serde_json::from_str(&by_query).unwrap();
    assert_eq!(by_query["forwarded"]["url"], "http://127.0.0.1:9101/x?a=1");
    assert_eq!(by_query["request"]["clientIP"], "192.0.2.7");
    let described = json!({ "method": "POST", "url": "http://h.test/x?a=1", "headers": { "X-A": ["b", "c"], "X-B": "d" },
                            "clientIP": "192.0.2.7" });
    let (status, _, by_body) = post(address, &described).await;
    assert_eq!(status, 200, "{by_body}");
    assert_eq!(serde_json::from_str::<Value>(&by_body).unwrap(), by_query);
    for (bad, why) in [
        ("/explain", "url is missing"),
        ("/explain?url=nowhere", "`nowhere` is no URL"),
        ("/explain?url=/x&metod=GET", "`metod` is not one of"),
        ("/explain?url=/x&format=yaml", "`yaml` is neither json nor text"),
        ("/explain?url=/x&header=none", "`none` is no header"),
    ] {
        let (status, _, body) = get(address, bad).await;
        assert!(status == 400 && body.contains(why), "{bad}: {status} {body}");
    }
    let (status, _, body) = post(address, &json!({ "url": "/x", "verb": "GET" })).await;
    assert!(status == 400 && body.contains("verb"), "{body}");
}

#[tokio::test]
async fn the_index_leads_to_every_endpoint_and_the_observe_listener_has_probes_only() {
    let observed = observed();
    let address = serve(admin(observed.clone())).await;
    let (status, _, index) = get(address, "/").await;
    assert_eq!(status, 200);
    for path in ["/healthz", "/readyz", "/metrics", "/table", "/health", "/explain"] {
        assert!(index.contains(&format!("href=\"{path}")), "{path}");
        assert_ne!(get(address, path).await.0, 404, "{path}");
    }
    assert_eq!(get(address, "/nothing").await.0, 404);
    let address = serve(observe(observed)).await;
    for (path, found) in [("/healthz", true), ("/metrics", true), ("/table", false), ("/explain", false), ("/", false)]
    {
        assert_eq!(get(address, path).await.0 != 404, found, "{path}");
    }
}
