//! What is tried again, at which target, when, and what the client gets.

use std::io;
use std::time::{Duration, Instant};

use http::Response;
use sluicegate_tests::client::{get, post};
use sluicegate_tests::http2::{Http2Origin, read};
use sluicegate_tests::manifests::{object, rule, target, upstream};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::ports::Port;
use sluicegate_tests::{Gate, Origin, Setup, until};

/// Waits that no test needs to be about.
const AT_ONCE: &str = "backoff: {type: Linear, interval: 1ms}";

/// Targets `one`, `two`… in the order of their ports, in turn, for a Rule with these retries and further keys.
fn gate(origins: &[&Origin], retry: &str, more: &str) -> Gate {
    let ports: Vec<u16> = origins.iter().map(|origin| origin.port()).collect();
    setup(&ports, retry, more).start()
}

fn setup(ports: &[u16], retry: &str, more: &str) -> Setup {
    let names = ["one", "two", "three"];
    let mut manifests: String = names.iter().zip(ports).map(|(name, port)| target(name, *port, "")).collect();
    manifests += &upstream("pool", &names[..ports.len()], "");
    let retry = if retry.is_empty() { String::new() } else { format!("retry: {retry}\n") };
    manifests += &rule("all", &format!("upstream: pool\n{retry}{more}"));
    Setup::new(&manifests).configuration("workers: 1")
}

/// How often this was decided about a failed attempt.
fn decided(gate: &Gate, decision: &str) -> usize {
    gate.count(&format!("gateway_retries_total{{route=\"default/all\",decision=\"{decision}\"}}"))
}

fn failing(status: &'static str) -> Origin {
    Origin::start(move |_| answer(status, "failed"))
}

/// Reads a request and resets the connection.
fn resetting() -> Origin {
    Origin::scripted(|_, _| Err(io::ErrorKind::ConnectionReset.into()))
}

fn silent() -> Origin {
    Origin::scripted(|wire, _| wire.rest().map(drop))
}

#[test]
fn an_answer_that_the_rule_names_is_tried_again_at_another_target() {
    let (bad, good) = (failing("503 Service Unavailable"), Origin::text("good"));
    let gate = gate(&[&bad, &good], &format!("{{{AT_ONCE}}}"), "");
    for number in 1..=10 {
        let answer = gate.get("/");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "good"));
        assert_eq!(good.requests().len(), number, "each comes to the good one once");
    }
    let failed = bad.requests().len();
    assert_eq!(failed, 5, "second attempts have turns of their own");
    assert_eq!(decided(&gate, "retried"), failed);
    let answered = gate.count("gateway_upstream_attempts_total{upstream=\"default/pool\",outcome=\"answered\"}");
    assert_eq!(answered, failed + 10, "each attempt is counted");
}

#[test]
fn other_answers_are_passed_on() {
    let (bad, worse) = (failing("500 Internal Server Error"), failing("500 Internal Server Error"));
    let gate = gate(&[&bad, &worse], &format!("{{{AT_ONCE}}}"), "");
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.text().as_str()), (500, "failed"));
    assert_eq!(bad.requests().len() + worse.requests().len(), 1);
}

#[test]
fn when_retries_are_used_up_the_last_answer_is_passed_on() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let bad = Origin::start(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        answer("503 Service Unavailable", format!("failure {number}"))
    });
    let gate = gate(&[&bad], &format!("{{attempts: 2, {AT_ONCE}}}"), "");
    let answer = gate.get("/");
    assert_eq!((answer.status(), answer.reason(), answer.text().as_str()), (503, None, "failure 3"));
    assert_eq!(bad.requests().len(), 3, "the first, and two more");
    assert!(bad.connections() < 3, "answers that are thrown away are read, and their connections used again");
    assert_eq!(decided(&gate, "attempts"), 1);
}

#[test]
fn a_post_is_tried_again_only_with_an_idempotency_key_or_where_the_rule_says_so() {
    let (bad, good) = (failing("503 Service Unavailable"), Origin::echo());
    let gate = gate(&[&bad, &good], &format!("{{{AT_ONCE}}}"), "");
    let mut failures = 0;
    for _ in 0..4 {
        failures += u32::from(gate.ask(post("/", "x")).status() == 503);
    }
    assert_eq!(failures, 2, "those whose turn was at the target that fails");
    let keyed = "POST / HTTP/1.1\r\nhost: test\r\nidempotency-key: 7\r\ncontent-length: 9\r\n\r\none order";
    for _ in 0..4 {
        let answer = gate.ask(keyed);
        assert_eq!(answer.status(), 200);
        assert!(answer.text().ends_with("one order"), "the body came whole: {}", answer.text());
    }
    let named = setup(&[bad.port(), good.port()], &format!("{{{AT_ONCE}, exclude: {{methods: [PUT]}}}}"), "").start();
    for _ in 0..4 {
        assert!(named.ask(post("/", "whatever")).text().ends_with("whatever"));
    }
}

#[test]
fn excluded_paths_are_not_tried_again() {
    let (bad, worse) = (failing("503 Service Unavailable"), failing("503 Service Unavailable"));
    let gate = gate(&[&bad, &worse], &format!("{{{AT_ONCE}, exclude: {{paths: [\"/pay/*\"]}}}}"), "");
    assert_eq!(gate.get("/pay/7").status(), 503);
    assert_eq!(bad.requests().len() + worse.requests().len(), 1);
    assert_eq!(gate.get("/read").status(), 503);
    assert_eq!(bad.requests().len() + worse.requests().len(), 1 + 3, "a linear backoff has two retries");
}

#[test]
fn a_body_beyond_the_rules_buffer_is_sent_once() {
    let reading = |status: &'static str| Origin::start(move |_| answer(status, ""));
    let (bad, worse) = (reading("503 Service Unavailable"), reading("503 Service Unavailable"));
    let gate = gate(&[&bad, &worse], &format!("{{{AT_ONCE}}}"), "bufferSize: 1Ki");
    let put = |length: usize| {
        format!("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(length))
    };
    let chunked = |length: usize| {
        let body = "x".repeat(length);
        format!("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n")
    };
    for (request, attempts) in [(put(1024), 3), (put(1025), 1), (chunked(1024), 3), (chunked(5000), 1)] {
        assert_eq!(gate.ask(&request).status(), 503);
        let got = [bad.requests(), worse.requests()].concat();
        assert_eq!(got.len(), attempts);
        assert!(got.iter().all(|message| message.body == got[0].body), "each time the same body");
        bad.forget();
        worse.forget();
    }
}

#[test]
fn no_target_sees_what_another_was_to_get() {
    let (bad, good) = (failing("503 Service Unavailable"), Origin::echo());
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {key: hush}\n";
    let credentials = "headers: {x-own: \"first\"}\npath: /first\n\
         credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: key, key: key}, prefix: \"Bearer \"}}";
    let manifests = [
        secret.to_owned(),
        target("one", bad.port(), credentials),
        target("two", good.port(), ""),
        object("Upstream", "pool", "targets:\n- {name: one, priority: 1}\n- {name: two, priority: 2}"),
        rule("all", &format!("upstream: pool\nrequestHeaders: {{add: {{x-rule: once}}}}\nretry: {{{AT_ONCE}}}")),
    ];
    let gate = Setup::new(&manifests.concat()).configuration("workers: 1").start();
    let answer = gate.ask("GET /a?b=1 HTTP/1.1\r\nhost: test\r\nauthorization: mine\r\nx-own: too\r\n\r\n");
    assert_eq!(answer.status(), 200);
    let (first, second) = (bad.request(), good.request());
    assert_eq!((first.target().as_str(), second.target().as_str()), ("/first/a?b=1", "/a?b=1"));
    assert_eq!(first.fields("authorization"), ["Bearer hush"]);
    assert_eq!(first.fields("x-own"), ["first"]);
    assert_eq!(second.fields("authorization"), ["mine"]);
    assert_eq!(second.fields("x-own"), ["too"]);
    assert_eq!(second.fields("x-rule"), ["once"]);
    assert_eq!(second.fields("host"), [format!("127.0.0.1:{}", good.port())]);
    assert_eq!(second.fields("x-forwarded-for"), first.fields("x-forwarded-for"));
}

#[test]
fn the_next_target_may_speak_another_protocol() {
    let busy = Http2Origin::start(async |mut exchange| {
        read(&mut exchange.body).await?;
        exchange.answer(Response::builder().status(503).body(()).unwrap(), "busy", None)
    });
    let good = Origin::echo();
    let manifests = [
        target("one", busy.port(), "protocol: H2C\npath: /first"),
        target("two", good.port(), ""),
        object("Upstream", "pool", "targets:\n- {name: one, priority: 1}\n- {name: two, priority: 2}"),
        rule(
            "all",
            &format!("matches: [{{path: {{value: /api}}}}]\nstripPath: true\nupstream: pool\nretry: {{{AT_ONCE}}}"),
        ),
    ];
    let gate = Setup::new(&manifests.concat()).configuration("workers: 1").start();
    let chunked =
        "GET /api/%7Ea/../b?c HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    assert!(gate.ask(chunked).text().ends_with("body"));
    let (first, second) = (busy.heads().remove(0), good.request());
    assert_eq!((first.uri.path_and_query().unwrap().as_str(), second.target().as_str()), ("/first/b?c", "/b?c"));
    assert_eq!(second.body, b"body");
    assert_eq!(second.fields("host"), [format!("127.0.0.1:{}", good.port())]);
    assert_eq!(second.fields("content-length"), ["4"], "all of it is known by now");
}

#[test]
fn a_connection_that_breaks_is_tried_again_where_that_does_no_harm() {
    let (bad, good) = (resetting(), Origin::text("good"));
    let gate = gate(&[&bad, &good], &format!("{{{AT_ONCE}}}"), "");
    for _ in 0..4 {
        assert_eq!(gate.get("/").text(), "good");
    }
    let statuses: Vec<u16> = (0..4).map(|_| gate.ask(post("/", "x")).status()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
    assert_eq!(decided(&gate, "excluded"), 2);
}

#[test]
fn what_was_never_sent_goes_to_another_target_whatever_it_is() {
    let (nobody, good) = (Port::free(), Origin::echo());
    let gate = setup(&[nobody.address().port(), good.port()], "", "").start();
    for _ in 0..4 {
        let answer = gate.ask(post("/", "a body"));
        assert_eq!(answer.status(), 200);
        assert!(answer.text().ends_with("a body"));
    }
    let alone = setup(&[nobody.address().port()], "", "").start();
    let refused = alone.ask(post("/", "a body"));
    assert_eq!((refused.status(), refused.reason().as_deref()), (502, Some("upstream-connect-failed")));
}

#[test]
fn a_target_that_is_not_there_yet_is_waited_for() {
    let port = Port::free();
    let gate = setup(&[port.address().port()], "{attempts: 10, backoff: {type: Linear, interval: 1s}}", "").start();
    let mut client = gate.client();
    client.send(post("/", "x"));
    let series = "gateway_upstream_attempts_total{upstream=\"default/pool\",outcome=\"not-connected\"}";
    until("a first attempt has failed", || (gate.metric(series) >= 1.0).then_some(()));
    let listener = std::net::TcpListener::bind(port.address()).unwrap();
    let serving = std::thread::spawn(move || {
        let mut wire = sluicegate_tests::http1::Wire::new(listener.accept().unwrap().0);
        let request = wire.request().unwrap().unwrap();
        wire.send(ok("there now")).unwrap();
        request
    });
    assert_eq!(client.answer().text(), "there now");
    assert_eq!(serving.join().unwrap().body, b"x");
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up_for_another() {
    let (slow, good) = (silent(), Origin::text("good"));
    let gate = gate(&[&slow, &good], &format!("{{{AT_ONCE}}}"), "timeouts: {perTry: 1s, request: 20s}");
    for _ in 0..2 {
        assert_eq!(gate.get("/").text(), "good");
    }
    let alone = setup(&[slow.port()], "", "timeouts: {perTry: 100ms}").start();
    let answer = alone.get("/");
    assert_eq!((answer.status(), answer.reason().as_deref()), (504, Some("upstream-timeout")));
}

#[test]
fn the_whole_time_limit_runs_over_all_attempts() {
    let slow = silent();
    let more = "timeouts: {perTry: 500ms, request: 1800ms}";
    let gate = gate(&[&slow], &format!("{{attempts: 10, {AT_ONCE}}}"), more);
    let start = Instant::now();
    assert_eq!(gate.get("/").reason().as_deref(), Some("upstream-timeout"));
    assert!(start.elapsed() >= Duration::from_millis(1800), "{:?}", start.elapsed());
    // No more than fit into it; how many did is for the machine to say.
    assert!((1..=4).contains(&slow.requests().len()), "{}", slow.requests().len());
}

#[test]
fn a_target_that_asks_to_be_left_alone_is_and_another_need_not_wait() {
    let asking = |seconds: &'static str| {
        Origin::start(move |request| {
            if request.field("x-again").is_some() {
                return ok("never");
            }
            format!("HTTP/1.1 503 Busy\r\nretry-after: {seconds}\r\ncontent-length: 4\r\n\r\nbusy").into_bytes()
        })
    };
    let busy = asking("1");
    let alone = gate(&[&busy], &format!("{{attempts: 1, {AT_ONCE}}}"), "");
    let start = Instant::now();
    assert_eq!(alone.get("/").text(), "busy");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(busy.requests().len(), 2);

    let busier = asking("60");
    let alone = gate(&[&busier], &format!("{{attempts: 1, {AT_ONCE}}}"), "");
    let start = Instant::now();
    assert_eq!(alone.get("/").field("retry-after").as_deref(), Some("60"));
    assert!(start.elapsed() < Duration::from_secs(10), "the answer in hand is passed on at once");
    assert_eq!(busier.requests().len(), 1);
    assert_eq!(decided(&alone, "wait"), 1);

    let good = Origin::text("good");
    let both = gate(&[&busier, &good], &format!("{{{AT_ONCE}}}"), "");
    let start = Instant::now();
    assert!((0..4).all(|_| both.get("/").text() == "good"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn nothing_is_tried_again_once_the_answer_has_begun() {
    let cutting = || {
        Origin::scripted(|wire, _| {
            wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe beginning")?;
            Err(io::ErrorKind::ConnectionReset.into())
        })
    };
    let (one, two) = (cutting(), cutting());
    let gate = gate(&[&one, &two], &format!("{{{AT_ONCE}}}"), "");
    let mut client = gate.client();
    client.send(get("/"));
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.starts_with("HTTP/1.1 200 OK") && all.ends_with("the beginning"), "{all}");
    assert_eq!(one.requests().len() + two.requests().len(), 1);
}

#[test]
fn retries_at_a_time_are_held_to_the_budget() {
    let bad = failing("503 Service Unavailable");
    let retry = "{attempts: 1, budgetPercent: 0, backoff: {type: Linear, interval: 2s}}";
    let gate = gate(&[&bad], retry, "");
    let mut clients: Vec<_> = (0..12).map(|_| gate.client()).collect();
    for client in &mut clients {
        client.send(get("/"));
    }
    until("all but three are answered at once", || (decided(&gate, "budget") == 9).then_some(()));
    assert_eq!(bad.requests().len(), 12, "no retry has been sent yet");
    assert!(clients.iter_mut().all(|client| client.answer().status() == 503));
    assert_eq!(bad.requests().len(), 15, "three waited for their turn");
}

#[test]
fn the_access_log_tells_how_many_attempts_there_were() {
    let (bad, good) = (failing("503 Service Unavailable"), Origin::text("good"));
    let setup = setup(&[bad.port(), good.port()], &format!("{{{AT_ONCE}}}"), "");
    let gate = setup.configuration("accessLog: {format: JSON, sample: 1}").start();
    assert_eq!(gate.get("/").status(), 200);
    assert_eq!(gate.get("/").status(), 200);
    let mut attempts = until("both requests are logged", || {
        let output = gate.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let attempts: Vec<(u64, String)> =
            lines.filter_map(|line| Some((line["attempts"].as_u64()?, line["target"].as_str()?.to_owned()))).collect();
        (attempts.len() == 2).then_some(attempts)
    });
    attempts.sort_unstable();
    assert_eq!(attempts, [(1, "default/two".to_owned()), (2, "default/two".to_owned())], "the last one's target");
}
