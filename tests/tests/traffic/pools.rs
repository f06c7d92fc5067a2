//! Connections to targets: used again, limited, given up.

use std::sync::{Arc, Barrier};

use sluicegate_tests::client::{get, post};
use sluicegate_tests::http2::Http2Origin;
use sluicegate_tests::manifests::{all_to, prefix, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Gate, Origin, Setup, until};

fn pool(origin: &Origin, connections: &str) -> Setup {
    pool_at(1, origin, connections)
}

fn pool_at(workers: u32, origin: &Origin, connections: &str) -> Setup {
    let more = format!("connections: {connections}");
    Setup::new(&[target("one", origin.port(), ""), upstream("pool", &["one"], &more), prefix("/", "pool")].concat())
        .configuration(&format!("workers: {workers}"))
}

#[test]
fn connections_are_used_again() {
    let origin = Origin::echo();
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
    for _ in 0..20 {
        assert_eq!(gate.ask(post("/", "x")).status(), 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn without_keep_alive_each_request_has_a_connection_of_its_own() {
    let origin = Origin::echo();
    let gate = pool(&origin, "{keepAlive: false}").start();
    for _ in 0..5 {
        assert_eq!(gate.get("/").status(), 200);
    }
    assert_eq!(origin.connections(), 5);
    until("none is kept", || (origin.open_connections() == 0).then_some(()));
}

#[test]
fn an_unused_connection_is_closed_after_its_time() {
    let origin = Origin::echo();
    let gate = pool(&origin, "{idleTimeout: 200ms}").start();
    assert_eq!(gate.get("/").status(), 200);
    until("the unused connection is closed", || (origin.open_connections() == 0).then_some(()));
    assert_eq!(gate.get("/").status(), 200);
}

/// A pool of one target that speaks HTTP/2.
fn shared_pool(origin: &Http2Origin, connections: &str) -> Gate {
    let more = format!("connections: {connections}");
    let target = target("one", origin.port(), "protocol: H2C");
    Setup::new(&[target, upstream("pool", &["one"], &more), prefix("/", "pool")].concat())
        .configuration("workers: 1")
        .start()
}

#[test]
fn an_unused_connection_that_requests_shared_is_closed_after_its_time() {
    let origin = Http2Origin::echo();
    let gate = shared_pool(&origin, "{idleTimeout: 200ms}");
    assert_eq!(gate.get("/").status(), 200);
    assert_eq!(connections(&gate, "active"), 1, "kept for a while");
    until("the unused connection is closed", || (connections(&gate, "active") == 0).then_some(()));
    assert_eq!(gate.get("/").status(), 200);
}

#[test]
fn without_keep_alive_no_connection_is_shared() {
    let origin = Http2Origin::echo();
    let gate = shared_pool(&origin, "{keepAlive: false}");
    for _ in 0..3 {
        assert_eq!(gate.get("/").status(), 200);
        until("none is kept", || (connections(&gate, "active") == 0).then_some(()));
    }
}

#[test]
fn a_kept_connection_that_the_target_has_closed_is_not_used_again() {
    let origin = Origin::scripted(|wire, _| {
        wire.send(ok("once"))?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("workers: 1").start();
    let mut client = gate.client();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "once"));
        until("the end of the connection is noticed", || (connections(&gate, "idle") == 0).then_some(()));
    }
    assert_eq!(origin.connections(), 20);
}

/// A pool with one connection and one place in line for it; `/held` is answered once the barrier is passed.
fn of_one_connection() -> (Origin, Gate, Arc<Barrier>) {
    let hold = Arc::new(Barrier::new(2));
    let held = Arc::clone(&hold);
    let origin = Origin::scripted(move |wire, request| {
        if request.target() == "/held" {
            held.wait();
        }
        wire.send(ok(request.target()))
    });
    let gate = pool(&origin, "{max: 1, maxPending: 1}").start();
    (origin, gate, hold)
}

#[test]
fn beyond_max_and_max_pending_a_request_is_refused_at_once() {
    let (origin, gate, hold) = of_one_connection();
    let mut first = gate.client();
    first.send(get("/held"));
    origin.until_requests(1);
    let mut waiting = gate.client();
    waiting.send(get("/waiting"));
    until("the second request waits for the connection", || (connections(&gate, "pending") == 1).then_some(()));
    let refused = gate.get("/refused");
    assert_eq!((refused.status(), refused.reason().as_deref()), (503, Some("overloaded")));
    assert!(refused.field("retry-after").is_some());
    hold.wait();
    assert_eq!(first.answer().text(), "/held");
    assert_eq!(waiting.answer().text(), "/waiting");
    assert_eq!(gate.get("/after").text(), "/after");
    assert_eq!(origin.connections(), 1, "max is never passed");
}

#[test]
fn a_client_that_leaves_the_line_with_its_body_asks_for_nothing_any_more() {
    let (origin, gate, hold) = of_one_connection();
    let mut first = gate.client();
    first.send(get("/held"));
    origin.until_requests(1);
    let mut waiting = gate.client();
    waiting.send(post("/waiting", "body"));
    until("the second request waits for the connection", || (connections(&gate, "pending") == 1).then_some(()));
    drop(waiting);
    until("its client is known to have left", || (connections(&gate, "pending") == 0).then_some(()));
    hold.wait();
    assert_eq!(first.answer().text(), "/held");
}

#[test]
fn a_connection_that_is_idle_at_one_worker_refuses_no_request_of_another() {
    let origin = Origin::text("x");
    let gate = pool_at(4, &origin, "{max: 1, maxPending: 0}").start();
    for _ in 0..20 {
        // Each connection may come to another worker.
        assert_eq!(gate.client().get("/").text(), "x");
        until("the connection is idle", || (connections(&gate, "idle") == 1).then_some(()));
    }
}

#[test]
fn waiting_requests_are_served_by_priority() {
    let hold = Arc::new(Barrier::new(2));
    let held = Arc::clone(&hold);
    let origin = Origin::scripted(move |wire, request| {
        if request.target() == "/held" {
            held.wait();
        }
        wire.send(ok(request.target()))
    });
    let rules: String = ["Low", "Normal", "High", "Critical"]
        .iter()
        .map(|priority| {
            let path = format!("/{}", priority.to_lowercase());
            sluicegate_tests::manifests::rule(
                &priority.to_lowercase(),
                &format!("matches: [{{path: {{value: {path}}}}}]\nupstream: pool\npriority: {priority}"),
            )
        })
        .collect();
    let gate = Setup::new(
        &[
            target("one", origin.port(), ""),
            upstream("pool", &["one"], "connections: {max: 1, maxPending: 10}"),
            prefix("/held", "pool"),
            rules,
        ]
        .concat(),
    )
    .configuration("workers: 1")
    .start();
    let mut first = gate.client();
    first.send(get("/held"));
    origin.until_requests(1);
    let mut waiting = Vec::new();
    for (position, path) in ["/low", "/normal", "/high", "/critical"].iter().enumerate() {
        let mut client = gate.client();
        client.send(get(path));
        waiting.push(client);
        let pending = position + 1;
        until("the request waits", || (connections(&gate, "pending") >= pending).then_some(()));
    }
    hold.wait();
    assert_eq!(first.answer().text(), "/held");
    let order: Vec<String> = origin.until_requests(5).iter().map(sluicegate_tests::Message::target).collect();
    assert_eq!(order, ["/held", "/critical", "/high", "/normal", "/low"]);
    for mut client in waiting {
        assert_eq!(client.answer().status(), 200);
    }
}

/// The connections to all targets in this state, as the metrics tell.
fn connections(gate: &Gate, state: &str) -> usize {
    let text = gate.admin("/metrics").text();
    let lines = text.lines().filter(|line| {
        line.starts_with("sluicegate_upstream_connections{") && line.contains(&format!("state=\"{state}\""))
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

#[test]
fn a_target_that_refuses_connections_answers_502_and_the_next_one_is_tried() {
    let closed = sluicegate_tests::ports::Port::free();
    let gate = Gate::start(&all_to(closed.address().port(), ""));
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-connect-failed")));

    let origin = Origin::text("alive");
    let gate = Gate::start(
        &[
            target("dead", closed.address().port(), ""),
            target("alive", origin.port(), ""),
            upstream("pool", &["dead", "alive"], ""),
            prefix("/", "pool"),
        ]
        .concat(),
    );
    for _ in 0..6 {
        assert_eq!(gate.ask(post("/", "what was never sent is sent elsewhere")).text(), "alive");
    }
}

#[test]
fn a_name_that_does_not_exist_answers_502() {
    let gate = Gate::start(
        &[
            target("one", 80, "").replace("127.0.0.1", "nowhere.invalid"),
            upstream("pool", &["one"], ""),
            prefix("/", "pool"),
        ]
        .concat(),
    );
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("dns-failed")));
}

#[test]
fn connecting_has_a_time_limit() {
    // A listener whose queue is full takes no further connections: the kernel drops what comes.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let filling: Vec<_> = (0..4)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            drop(socket.connect(&address.into()));
            socket
        })
        .collect();
    let more = "connections: {connectTimeout: 200ms}";
    let gate = Gate::start(
        &[target("full", address.port(), ""), upstream("pool", &["full"], more), prefix("/", "pool")].concat(),
    );
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (504, Some("connect-timeout")));
    drop(filling);
}
