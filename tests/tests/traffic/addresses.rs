//! Targets with several addresses. Folders have none, so this is the data plane alone, given its tables by hand.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use sluicegate_proxy::config::{Config, Listener};
use sluicegate_proxy::observe::access_log::AccessLog;
use sluicegate_proxy::observe::metrics::Metrics;
use sluicegate_proxy::receive::Current;
use sluicegate_proxy::serve::DataPlane;
use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::client::get;
use sluicegate_tests::ports::Port;
use sluicegate_tests::{Client, Origin, until};
use tokio::runtime::Runtime;

/// The data plane in this process.
struct Plane {
    current: Arc<Current>,
    address: SocketAddr,
    _workers: DataPlane,
    _control: Runtime,
}

impl Plane {
    fn start() -> Self {
        let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let current = Arc::new(Current::default());
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listeners = vec![Listener { address: any, certificates: Vec::new() }];
        let config = Config { listeners, workers: 2, ..Config::default() };
        let (metrics, log) = (Metrics::new(), AccessLog::start(0, std::io::sink()).unwrap());
        let plane = DataPlane::start(control.handle(), &config, &current, &metrics, &log).unwrap();
        Self { current, address: plane.addresses()[0], _workers: plane, _control: control }
    }

    /// Puts a table in force: Targets of these weights at these origins.
    fn table(&self, target: &Value, weights: &[u8], origins: &[&[SocketAddr]]) {
        let key = |number: usize| format!("shop/t{number}");
        let member = |(number, weight): (usize, &u8)| json!({ "target": key(number), "weight": weight });
        let members: Vec<Value> = weights.iter().enumerate().map(member).collect();
        let of = |entry: &dyn Fn(usize) -> Value| -> BTreeMap<String, Value> {
            (0..weights.len()).map(|number| (key(number), entry(number))).collect()
        };
        let addresses = |number: usize| {
            let mut addresses: Vec<&SocketAddr> = origins[number].iter().collect();
            addresses.sort();
            json!({ "addresses": addresses.iter().map(|address| json!({ "address": address })).collect::<Vec<_>>() })
        };
        let table = json!({
            "version": self.current.load().table.version + 1,
            "routes": { "shop/all": {
                "matches": [{ "path": { "Prefix": "/" } }], "bufferSize": 1024, "backend": { "pool": "shop/pool" },
            } },
            "pools": { "shop/pool": {
                "algorithm": "WeightedRoundRobin", "levels": [{ "priority": 1, "members": members }],
            } },
            "targets": of(&|_| target.clone()),
            "endpoints": of(&addresses),
        });
        assert_eq!(self.current.apply(Arc::new(serde_json::from_value(table).unwrap())), []);
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

/// A Target of a Service that no name server knows.
fn service() -> Value {
    json!({ "host": "orders.shop.svc.invalid", "port": 8080, "discovered": true, "protocol": "HTTP" })
}

fn counts(client: &mut Client, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(client.get("/").text()).or_default() += 1;
    }
    counts
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn a_targets_addresses_share_its_weight_and_nobody_asks_for_its_name() {
    let origins = ["a1", "a2", "b"].map(Origin::text);
    let [a1, a2, b] = origins.each_ref().map(Origin::address);
    let plane = Plane::start();
    plane.table(&service(), &[80, 20], &[&[a1, a2], &[b]]);
    let mut client = plane.client();
    assert_eq!(counts(&mut client, 100), expected(&[("a1", 40), ("a2", 40), ("b", 20)]));
    let host = origins[0].requests()[0].field("host");
    assert_eq!(host.as_deref(), Some("orders.shop.svc.invalid:8080"), "requests name the Target, not the address");
    // A pod goes, a pod comes: the shares of the Targets stay.
    plane.table(&service(), &[80, 20], &[&[a2], &[b]]);
    assert_eq!(counts(&mut client, 100), expected(&[("a2", 80), ("b", 20)]));
    plane.table(&service(), &[80, 20], &[&[], &[b]]);
    assert_eq!(counts(&mut client, 10), expected(&[("b", 10)]));
    plane.table(&service(), &[80, 20], &[&[], &[]]);
    let answer = client.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (503, Some("no-healthy-target")));
    plane.table(&service(), &[80, 20], &[&[a1, a2], &[b]]);
    assert_eq!(counts(&mut client, 100), expected(&[("a1", 40), ("a2", 40), ("b", 20)]));
}

#[test]
fn an_address_that_takes_no_connection_is_passed_over() {
    let alive = Origin::text("alive");
    let dead = Port::free();
    let plane = Plane::start();
    plane.table(&service(), &[100], &[&[alive.address(), dead.address()]]);
    assert_eq!(counts(&mut plane.client(), 20), expected(&[("alive", 20)]));
}

#[test]
fn what_is_in_flight_at_an_address_that_leaves_is_finished() {
    let (steps, taken) = std::sync::mpsc::channel::<&str>();
    let taken = std::sync::Mutex::new(taken);
    let leaving = Origin::scripted(move |wire, _| {
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        while let Ok(text) = taken.lock().unwrap().recv() {
            wire.send(format!("{:x}\r\n{text}\r\n", text.len()))?;
        }
        wire.send("0\r\n\r\n")
    });
    let staying = Origin::text("stays");
    let plane = Plane::start();
    plane.table(&service(), &[100], &[&[leaving.address()]]);
    let mut streaming = plane.client();
    streaming.send(get("/"));
    streaming.wire.head().unwrap();
    steps.send("one").unwrap();
    assert_eq!(streaming.wire.chunk().unwrap(), b"one");

    plane.table(&service(), &[100], &[&[staying.address()]]);
    assert_eq!(counts(&mut plane.client(), 20), expected(&[("stays", 20)]));
    steps.send("two").unwrap();
    assert_eq!(streaming.wire.chunk().unwrap(), b"two");
    drop(steps);
    assert!(streaming.wire.chunk().unwrap().is_empty(), "the stream ends whole");
    until("the connection to the address that left is closed", || (leaving.open_connections() == 0).then_some(()));
    assert_eq!(plane.client().get("/").text(), "stays");
    assert_eq!(leaving.requests().len(), 1);
}

#[test]
fn the_certificate_is_held_against_the_targets_name() {
    let certificates = Certificates::new(&["orders.shop.svc.invalid"]);
    let origin = Origin::tls_echo(certificates.server(&["http/1.1"]));
    let mut target = service();
    target["protocol"] = "HTTPS".into();
    target["tls"] = json!({ "roots": { "Pem": certificates.authority } });
    let plane = Plane::start();
    plane.table(&target, &[100], &[&[origin.address()]]);
    let answer = plane.client().get("/x");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(answer.text().contains("host: orders.shop.svc.invalid:8080"), "{}", answer.text());
}
