//! Requests that wait: to be tried again, for connections that do not come about, and for who stands still in an upload.

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluicegate_tests::http2::Http2Origin;
use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Fault, Faulty, Gate, Origin, until};

use crate::ejected::is;

#[test]
fn a_request_that_waits_is_not_sent_to_a_target_whose_breaker_has_opened_meanwhile() {
    let faulty = Faulty::start("one");
    let manifests = [
        target("one", faulty.port(), ""),
        upstream("pool", &["one"], "circuitBreaker: {failureThreshold: 2, openDuration: 60s}"),
        rule("all", "upstream: pool\nretry: {attempts: 1, backoff: {type: Linear, interval: 1s}}"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    faulty.fail(Fault::Status(503, ""));
    // The first may be waiting to be tried again when the second opens the breaker.
    let statuses = std::thread::scope(|scope| {
        [(); 2].map(|()| scope.spawn(|| gate.get("/").status())).map(|asked| asked.join().unwrap())
    });
    assert_eq!(statuses, [503, 503]);
    assert_eq!(faulty.requests(), 2, "nothing comes through an open breaker");
    assert!(is(&gate, "one", "Unhealthy", Some("CircuitOpen")));
}

#[test]
fn an_attempt_waits_for_its_connection_no_longer_than_it_may_take() {
    // The system takes its connections, and nobody begins TLS.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let steady = Faulty::start("steady");
    let manifests = [
        target("silent", silent.local_addr().unwrap().port(), "protocol: HTTPS"),
        target("steady", steady.port(), ""),
        upstream(
            "pool",
            &["silent", "steady, priority: 2"],
            "connections: {connectTimeout: 60s}\nhealthChecks: {passive: {threshold: 2}}",
        ),
        rule("all", "upstream: pool\ntimeouts: {perTry: 1s}"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    let begun = Instant::now();
    for _ in 0..2 {
        assert_eq!(gate.get("/").text(), "steady");
    }
    assert!(is(&gate, "silent", "Unhealthy", Some("Ejected")));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_target_that_stops_reading_an_upload_is_ejected_and_one_whose_client_is_slow_is_not() {
    // The system takes its connections and as much of each as it holds; nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    ejects_who_stops_reading(silent.local_addr().unwrap().port(), "");
    let silent = Http2Origin::start(async |exchange| {
        std::future::pending::<()>().await;
        drop(exchange);
        Ok(())
    });
    ejects_who_stops_reading(silent.port(), "protocol: H2C");
}

fn ejects_who_stops_reading(deaf: u16, protocol: &str) {
    let steady = Faulty::start("steady");
    let manifests = [
        target("deaf", deaf, protocol),
        target("steady", steady.port(), ""),
        upstream("pool", &["deaf", "steady, priority: 2"], "healthChecks: {passive: {threshold: 1, interval: 600s}}"),
        rule("all", "upstream: pool\ntimeouts: {request: 2s}"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    let head = b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1000000000\r\n\r\n";

    let mut slow = gate.client();
    let answer = slow.send(head).answer();
    assert_eq!((answer.status(), answer.reason().as_deref()), (504, Some("upstream-timeout")));
    assert!(is(&gate, "deaf", "Healthy", None), "it has had all that its client has sent");

    let mut eager = gate.client();
    let mut upload = eager.send(head).wire.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        let piece = vec![b'x'; 64 * 1024];
        scope.spawn(move || while upload.write_all(&piece).is_ok() {});
        let answer = eager.answer();
        assert_eq!((answer.status(), answer.reason().as_deref()), (504, Some("upstream-timeout")));
        eager.wire.stream.shutdown(Shutdown::Both).unwrap();
    });
    assert!(is(&gate, "deaf", "Unhealthy", Some("Ejected")));
    assert_eq!(gate.get("/").text(), "steady");
}

#[test]
fn a_target_that_got_what_another_had_left_of_the_time_is_not_to_blame() {
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let answers = Arc::new(AtomicBool::new(false));
    let may_answer = Arc::clone(&answers);
    let late = Origin::start(move |_| {
        until("it may answer", || may_answer.load(Ordering::SeqCst).then_some(()));
        ok("late")
    });
    let manifests = [
        target("hole", hole.local_addr().unwrap().port(), ""),
        target("late", late.port(), ""),
        upstream(
            "pool",
            &["hole", "late, priority: 2"],
            "healthChecks: {passive: {threshold: 1, interval: 600s, maxEjectedPercent: 100}}",
        ),
        rule("all", "upstream: pool\ntimeouts: {request: 2300ms, perTry: 2s}"),
    ]
    .concat();
    let gate = Gate::start(&manifests);
    assert_eq!(gate.get("/").reason().as_deref(), Some("upstream-timeout"));
    late.until_requests(1);
    assert!(is(&gate, "hole", "Unhealthy", Some("Ejected")));
    assert!(is(&gate, "late", "Healthy", None), "it had a moment");
    answers.store(true, Ordering::SeqCst);
    assert_eq!(gate.get("/").text(), "late");
}

#[test]
fn a_target_that_has_answered_early_and_waits_for_its_client_has_not_failed() {
    let origin = Origin::raw(|wire, _| {
        wire.head()?;
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")?;
        wire.rest().map(drop)
    });
    let manifests = [
        target("one", origin.port(), ""),
        upstream("pool", &["one"], "healthChecks: {passive: {threshold: 1, maxEjectedPercent: 100}}"),
        rule("all", "upstream: pool\ntimeouts: {idle: 300ms}"),
    ];
    let gate = Gate::start(&manifests.concat());
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.ends_with("\r\n\r\n2\r\nhi\r\n"), "it is cut, not ended: {answer}");
    assert!(is(&gate, "one", "Healthy", None));
}
