//! `retry` and `timeouts.perTry` of a Rule.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::origin::answer;
use sluicegate_tests::{Gate, Origin, until};

/// An origin that answers every request with this status.
fn failing(status: &'static str) -> Origin {
    Origin::start(move |_| answer(status, ""))
}

/// An origin that does this to the first request, and answers the others.
fn failing_once(fail: impl Fn() -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Origin {
    let asked = AtomicUsize::new(0);
    Origin::scripted(move |wire, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => {
            let bytes = fail()?;
            wire.send(bytes)
        }
        _ => wire.send(sluicegate_tests::origin::ok("at last")),
    })
}

/// An origin that never answers the first request: it holds it until the proxy gives up.
fn silent_once() -> Origin {
    let asked = AtomicUsize::new(0);
    Origin::scripted(move |wire, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => wire.rest().map(drop),
        _ => wire.send(sluicegate_tests::origin::ok("at last")),
    })
}

/// A Rule with these further keys before an origin.
fn before(origin: &Origin, more: &str) -> Gate {
    Gate::start(&all_to(origin.port(), more))
}

/// How many requests an origin gets that answers 503 to all, and how long they take.
fn attempts(retry: &str, request: &str) -> (usize, Duration) {
    let origin = failing("503 Service Unavailable");
    let gate = before(&origin, &format!("retry: {retry}"));
    let start = Instant::now();
    assert_eq!(gate.ask(request).status(), 503, "{retry}");
    (origin.requests().len(), start.elapsed())
}

#[test]
fn so_many_attempts_are_made() {
    for (retry, expected) in [
        ("{attempts: 1, backoff: {base: 1ms}}", 2),
        ("{attempts: 5, backoff: {base: 1ms}}", 6),
        ("{backoff: {base: 1ms}}", 4),
        ("{backoff: {type: Linear, interval: 1ms}}", 3),
    ] {
        assert_eq!(attempts(retry, &get("/")).0, expected, "{retry}");
    }
}

#[test]
fn waits_are_as_long_as_the_backoff_says() {
    let ms = Duration::from_millis;
    for (backoff, least, most) in [
        // Without its `max` it would take more than ten seconds; the defaults of the others make all of them shorter.
        ("{base: 500ms, multiplier: 10, max: 500ms, jitter: false}", ms(1_500), ms(9_000)),
        ("{base: 100ms, multiplier: 3, jitter: false}", ms(1_300), ms(30_000)),
        ("{type: Linear, interval: 700ms}", ms(2_100), ms(30_000)),
    ] {
        let (_, took) = attempts(&format!("{{attempts: 3, backoff: {backoff}}}"), &get("/"));
        assert!((least..most).contains(&took), "{backoff}: {took:?}");
    }
    // Random parts of twenty seconds: that twelve waits are all nearly all of it does not happen.
    let origin = failing("503 Service Unavailable");
    let backoff = "{base: 20s, max: 20s, jitter: true}";
    let gate = before(&origin, &format!("retry: {{attempts: 1, budgetPercent: 100, backoff: {backoff}}}"));
    let start = Instant::now();
    let waiting = [(); 12].map(|()| {
        let mut client = gate.client();
        client.send(get("/"));
        client.wire.stream.set_nonblocking(true).unwrap();
        client
    });
    until("one is answered", || waiting.iter().any(|client| client.wire.stream.peek(&mut [0]).is_ok()).then_some(()));
    assert!(start.elapsed() < ms(18_000), "{:?}", start.elapsed());
}

#[test]
fn only_the_named_statuses_are_tried_again() {
    for (status, named, expected) in [
        ("500 Internal Server Error", "[500]", 2),
        ("500 Internal Server Error", "[\"500-599\"]", 2),
        ("500 Internal Server Error", "[\"502-504\"]", 1),
        ("503 Service Unavailable", "[500]", 1),
        ("503 Service Unavailable", "[]", 1),
    ] {
        let origin = failing(status);
        let gate =
            before(&origin, &format!("retry: {{attempts: 1, backoff: {{base: 1ms}}, when: {{statuses: {named}}}}}"));
        gate.get("/");
        assert_eq!(origin.requests().len(), expected, "{status} with {named}");
    }
}

#[test]
fn connections_that_break_are_tried_again_where_that_is_wanted() {
    for (wanted, status) in [(true, 200), (false, 502)] {
        let origin = failing_once(|| Err(io::ErrorKind::ConnectionReset.into()));
        let gate = before(&origin, &format!("retry: {{backoff: {{base: 1ms}}, when: {{connectionErrors: {wanted}}}}}"));
        assert_eq!(gate.get("/").status(), status, "connectionErrors: {wanted}");
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_tried_again_where_that_is_wanted() {
    for (wanted, status) in [(true, 200), (false, 504)] {
        let origin = silent_once();
        let retry = format!("retry: {{backoff: {{base: 1ms}}, when: {{timeouts: {wanted}}}}}");
        let gate = before(&origin, &format!("timeouts: {{request: 20s, perTry: 1s}}\n{retry}"));
        let start = Instant::now();
        assert_eq!(gate.get("/").status(), status, "timeouts: {wanted}");
        assert!((Duration::from_secs(1)..Duration::from_secs(15)).contains(&start.elapsed()));
    }
}

#[test]
fn excluded_methods_and_paths_are_not_tried_again() {
    let retry = |exclude: &str| format!("{{attempts: 1, backoff: {{base: 1ms}}, exclude: {exclude}}}");
    for (exclude, request, expected) in [
        ("{}", get("/pay/1"), 2),
        ("{}", post("/", "x"), 1),
        ("{methods: [GET]}", get("/"), 1),
        ("{methods: [GET]}", post("/", "x"), 2),
        ("{methods: []}", post("/", "x"), 2),
        ("{paths: [\"/pay/*\"]}", get("/pay/1"), 1),
        ("{paths: [\"/pay/*\"]}", get("/paid/1"), 2),
    ] {
        assert_eq!(attempts(&retry(exclude), &request).0, expected, "{exclude} {request}");
    }
}

#[test]
fn retries_at_a_time_are_a_share_of_what_is_in_flight() {
    const CALLERS: usize = 12;
    // Three are always allowed.
    for (percent, retries) in [(0, 3), (50, 6), (100, CALLERS)] {
        // All are in flight when the first fails.
        let (asked, together) = (AtomicUsize::new(0), Barrier::new(CALLERS));
        let origin = Origin::start(move |_| {
            if asked.fetch_add(1, Ordering::Relaxed) < CALLERS {
                together.wait();
            }
            answer("503 Service Unavailable", "")
        });
        let retry = format!("{{attempts: 1, backoff: {{type: Linear, interval: 2s}}, budgetPercent: {percent}}}");
        let gate = Arc::new(before(&origin, &format!("retry: {retry}")));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || gate.get("/").status())
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 503);
        }
        // Those that are refused are in flight no more, so that the share of the rest is less.
        let made = origin.requests().len() - CALLERS;
        assert!((3..=retries).contains(&made), "{percent} %: {made} retries");
        assert!(percent != 100 || made > 6, "{percent} %: {made} retries");
    }
}
