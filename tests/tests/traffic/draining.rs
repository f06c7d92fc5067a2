//! Targets that leave while requests are under way: what is short finishes, what is long has `shutdown.drainTimeout`.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use sluicegate_tests::client::get;
use sluicegate_tests::http2::{Http2Client, Http2Origin};
use sluicegate_tests::manifests::{prefix, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Client, Gate, Origin, Setup};

const LIMIT: Duration = Duration::from_millis(800);
const CONFIGURATION: &str = "shutdown: {drainTimeout: 800ms}";
/// By when even a busy machine has cut what is over its time.
const LATEST: Duration = Duration::from_secs(15);
const ASK: &str = "GET /socket HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/// How a target leaves.
#[derive(Clone, Copy, Debug)]
enum Way {
    Draining,
    Disabled,
    OutOfTheUpstream,
    Deleted,
}

/// A pool of the target that is to leave and of one that stays.
struct Pool {
    leaves: (u16, &'static str),
    stays: Origin,
}

impl Pool {
    fn of(port: u16, more: &'static str) -> Self {
        Self { leaves: (port, more), stays: Origin::text("stays") }
    }

    /// Nothing goes to the one that stays before the other has left.
    fn manifests(&self, left: Option<Way>) -> String {
        self.manifests_with(left, "")
    }

    /// The same with more of the Upstream's settings.
    fn manifests_with(&self, left: Option<Way>, more_of_pool: &str) -> String {
        let (port, more) = self.leaves;
        let state = match left {
            Some(Way::Draining) => "state: Draining\n",
            Some(Way::Disabled) => "state: Disabled\n",
            _ => "",
        };
        let members: &[&str] = match left {
            Some(Way::OutOfTheUpstream) => &["stays, priority: 2"],
            _ => &["leaves", "stays, priority: 2"],
        };
        let leaves = match left {
            Some(Way::Deleted) => String::new(),
            _ => target("leaves", port, &format!("{state}{more}")),
        };
        [leaves, target("stays", self.stays.port(), ""), upstream("pool", members, more_of_pool), prefix("/", "pool")]
            .concat()
    }

    fn start(&self) -> Gate {
        self.start_with(CONFIGURATION)
    }

    fn start_with(&self, configuration: &str) -> Gate {
        Setup::new(&self.manifests(None)).configuration(configuration).start()
    }

    /// Lets it go, and gives the moment before.
    fn lose(&self, gate: &Gate, way: Way) -> Instant {
        let before = Instant::now();
        gate.write("manifests.yaml", &self.manifests(Some(way)));
        gate.until("new requests go elsewhere", "/", |answer| answer.text() == "stays");
        before
    }
}

/// Streams without end at `/stream`, `/sized` and `/closed`, and answers `/held` when the barrier lets it.
fn streaming() -> (Origin, Arc<Barrier>) {
    let hold = Arc::new(Barrier::new(2));
    let held = Arc::clone(&hold);
    let origin = Origin::scripted(move |wire, request| {
        match request.target().as_str() {
            "/stream" => wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\ndata\r\n\r\n")?,
            "/sized" => wire.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\ndata\r\n")?,
            "/closed" => wire.send("HTTP/1.1 200 OK\r\n\r\ndata\r\n")?,
            "/socket" => wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello\r\n",
            )?,
            "/held" => {
                held.wait();
                return wire.send(ok("finished"));
            }
            _ => return wire.send(ok("leaves")),
        }
        wire.rest().map(drop)
    });
    (origin, hold)
}

/// Asks for a stream and reads its first line.
fn begun(gate: &Gate, path: &str) -> Client {
    let mut client = gate.client();
    client.send(get(path));
    let head = String::from_utf8(client.wire.head().unwrap().unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    while client.wire.line().unwrap() != b"data\r\n" {}
    client
}

#[test]
fn streams_are_cut_when_the_time_is_over_however_their_target_leaves() {
    for way in [Way::Draining, Way::Disabled, Way::OutOfTheUpstream, Way::Deleted] {
        let (origin, _hold) = streaming();
        let pool = Pool::of(origin.port(), "");
        let gate = pool.start();
        let mut streams = ["/stream", "/sized", "/closed"].map(|path| begun(&gate, path));
        let left = pool.lose(&gate, way);
        for stream in &mut streams {
            let rest = String::from_utf8(stream.rest()).unwrap();
            assert!(!rest.ends_with("0\r\n\r\n"), "{way:?}: it looks whole: {rest:?}");
            let took = left.elapsed();
            assert!(took >= LIMIT && took < LATEST, "{way:?}: cut after {took:?}");
        }
    }
}

#[test]
fn what_is_short_finishes_however_its_target_leaves() {
    for way in [Way::Draining, Way::Disabled, Way::OutOfTheUpstream, Way::Deleted] {
        let (origin, hold) = streaming();
        let pool = Pool::of(origin.port(), "");
        let gate = pool.start_with("shutdown: {drainTimeout: 10m}");
        let mut held = gate.client();
        held.send(get("/held"));
        origin.until_requests(1);
        pool.lose(&gate, way);
        hold.wait();
        assert_eq!(held.answer().text(), "finished", "{way:?}");
    }
}

#[test]
fn what_is_cut_is_no_failure_of_the_target() {
    let judged =
        "healthChecks: {passive: {threshold: 1, maxEjectedPercent: 100}}\ncircuitBreaker: {failureThreshold: 1}";
    let (http1, _hold) = streaming();
    let http2 = Http2Origin::start(async |mut exchange| {
        if exchange.head.uri.path() == "/any" {
            return exchange.answer(Response::new(()), "leaves", None);
        }
        let begun = exchange.head.uri.path() != "/held";
        let _body = if begun { Some(exchange.respond.send_response(Response::new(()), false)?) } else { None };
        std::future::pending().await
    });
    for (port, protocol) in [(http1.port(), ""), (http2.port(), "protocol: H2C\n")] {
        let pool = Pool::of(port, protocol);
        let gate = Setup::new(&pool.manifests_with(None, judged)).configuration(CONFIGURATION).start();
        let mut clients = ["/stream", "/held"].map(|path| {
            let mut client = gate.client();
            client.send(get(path));
            client
        });
        let [stream, held] = &mut clients;
        assert!(stream.wire.head().unwrap().unwrap().starts_with(b"HTTP/1.1 200"));
        gate.until("both are under way", "/any", |_| {
            gate.count("sluicegate_upstream_requests_in_flight{target=\"default/leaves\"") == 2
        });
        gate.write("manifests.yaml", &pool.manifests_with(Some(Way::Draining), judged));
        assert_eq!(held.answer().text(), "stays", "it is cut, and tried elsewhere");
        drop(stream.rest());
        gate.write("manifests.yaml", &pool.manifests_with(None, judged));
        gate.until("it is back", "/any", |answer| answer.text() == "leaves");
        for counter in ["upstream_ejections_total{target", "circuit_breaker_openings_total{service"] {
            assert_eq!(gate.count(&format!("sluicegate_{counter}=\"default/leaves\"")), 0, "{protocol}{counter}");
        }
    }
}

#[test]
fn upgraded_connections_are_cut_too() {
    let (origin, _hold) = streaming();
    let pool = Pool::of(origin.port(), "");
    let gate = pool.start();
    let mut client = gate.client();
    client.send(ASK);
    assert!(client.wire.head().unwrap().unwrap().starts_with(b"HTTP/1.1 101"));
    assert_eq!(client.wire.line().unwrap(), b"hello\r\n");
    let left = pool.lose(&gate, Way::Draining);
    client.ends();
    let took = left.elapsed();
    assert!(took >= LIMIT && took < LATEST, "cut after {took:?}");
}

#[test]
fn http_2_streams_are_cut_with_an_error_and_their_client_goes_on() {
    let origin = Http2Origin::start(async |mut exchange| {
        if exchange.head.uri.path() != "/stream" {
            return exchange.answer(Response::new(()), "leaves", None);
        }
        let mut body = exchange.respond.send_response(Response::new(()), false)?;
        body.send_data(Bytes::from("data"), false)?;
        std::future::pending().await
    });
    let pool = Pool::of(origin.port(), "protocol: H2C");
    let gate = pool.start();
    let client = Http2Client::connect(gate.listen);
    let (answer, _) = client.open(Request::get("http://test/stream").body(()).unwrap(), false).unwrap();
    let mut body = client.run(answer).unwrap().into_body();
    assert_eq!(client.run(body.data()).unwrap().unwrap(), "data");
    let mut other = begun_over_http1(&gate);
    let left = pool.lose(&gate, Way::Draining);

    let error = client.run(body.data()).expect("no clean end").expect_err("no clean end");
    assert!(error.is_reset(), "{error:?}");
    let rest = String::from_utf8(other.rest()).unwrap();
    assert!(!rest.ends_with("0\r\n\r\n"), "it looks whole: {rest:?}");
    let took = left.elapsed();
    assert!(took >= LIMIT && took < LATEST, "cut after {took:?}");
    assert_eq!(client.get("/").text(), "stays", "the client's own connection is not cut");
}

fn begun_over_http1(gate: &Gate) -> Client {
    let mut client = gate.client();
    client.send(get("/stream"));
    client.wire.head().unwrap().unwrap();
    assert_eq!(client.wire.chunk().unwrap(), b"data");
    client
}
