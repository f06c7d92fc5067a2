//! Limits of size and time, and what a client is told when it meets one.

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{all_to, rule};
use sluicegate_tests::{Client, Gate, Message, Origin, Setup, until};

fn limited(limits: &str) -> (Origin, Gate) {
    let origin = Origin::echo();
    let gate = Setup::new(&all_to(origin.port(), "")).configuration(&format!("limits: {limits}")).start();
    (origin, gate)
}

#[track_caller]
fn refused(answer: &Message, status: u16, reason: &str) {
    assert_eq!((answer.status(), answer.reason().as_deref()), (status, Some(reason)));
    assert_eq!(answer.field("content-type").as_deref(), Some("application/problem+json"));
}

#[test]
fn a_declared_body_over_the_limit_is_refused_before_it_is_read() {
    let (origin, gate) = limited("{requestBody: 1Ki}");
    assert_eq!(gate.ask(post("/", &"x".repeat(1024))).status(), 200);
    origin.forget();
    let mut client = gate.client();
    let answer = client.ask("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1025\r\n\r\n");
    refused(&answer, 413, "body-too-large");
    client.ends();
    assert!(origin.requests().is_empty());
}

#[test]
fn a_streamed_body_over_the_limit_is_cut_off() {
    let (origin, gate) = limited("{requestBody: 1Ki}");
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    client.try_send(format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(4)).try_send("0\r\n\r\n");
    refused(&client.answer(), 413, "body-too-large");
    assert!(origin.requests().is_empty(), "the target never got a whole request");
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let (origin, gate) = limited("{requestHeaders: 8Ki}");
    let fits = format!("GET / HTTP/1.1\r\nhost: test\r\nx-large: {}\r\n\r\n", "x".repeat(6 * 1024));
    assert_eq!(gate.ask(fits).status(), 200);
    origin.forget();
    let mut client = gate.client();
    client.try_send(format!("GET / HTTP/1.1\r\nhost: test\r\nx-large: {}\r\n\r\n", "x".repeat(64 * 1024)));
    refused(&client.answer(), 431, "headers-too-large");
    assert!(origin.requests().is_empty());
}

#[test]
fn a_head_with_large_fields_within_the_limit_passes() {
    let (origin, gate) = limited("{requestHeaders: 256Ki}");
    let cookie = "c".repeat(100 * 1024);
    assert_eq!(gate.ask(format!("GET / HTTP/1.1\r\nhost: test\r\ncookie: {cookie}\r\n\r\n")).status(), 200);
    assert_eq!(origin.request().field("cookie"), Some(cookie));
}

#[test]
fn a_head_that_does_not_become_whole_gets_408() {
    let (origin, gate) = limited("{headerTimeout: 300ms}");
    let mut client = gate.client();
    refused(&client.ask("GET / HTTP/1.1\r\nhost: te"), 408, "header-timeout");
    client.ends();
    assert!(origin.requests().is_empty());
}

#[test]
fn a_head_that_comes_a_byte_at_a_time_gets_408_all_the_same() {
    let (_origin, gate) = limited("{headerTimeout: 400ms}");
    let mut client = gate.client();
    let mut drip = client.wire.stream.try_clone().unwrap();
    client.send("GET / HTTP/1.1\r\nhost: test\r\nx-slow: ");
    let dripping = std::thread::spawn(move || {
        until("the proxy has had enough", || std::io::Write::write_all(&mut drip, b"x").err());
    });
    refused(&client.answer(), 408, "header-timeout");
    drop(client);
    dripping.join().unwrap();
}

#[test]
fn half_a_head_behind_a_pipelined_request_gets_408() {
    let (_origin, gate) = limited("{headerTimeout: 1s}");
    let chunked = "POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    for whole in [get("/"), post("/", "body"), chunked.to_owned()] {
        let mut client = gate.client();
        client.send(whole.repeat(3) + "GET / HTTP/1.1\r\nhost: te");
        for _ in 0..3 {
            assert_eq!(client.answer().status(), 200);
        }
        refused(&client.answer(), 408, "header-timeout");
        client.ends();
    }
}

#[test]
fn an_empty_line_behind_a_request_is_no_head() {
    let (_origin, gate) = limited("{headerTimeout: 1s}");
    let mut client = gate.client();
    assert_eq!(client.ask(post("/", "body") + "\r\n").status(), 200);
    // The header limit passes on another connection meanwhile.
    assert_eq!(gate.client().ask("GET /").status(), 408);
    assert_eq!(client.get("/").status(), 200);
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_an_answer() {
    let (_origin, gate) = limited("{headerTimeout: 300ms, idleTimeout: 300ms}");
    gate.client().ends();
}

#[test]
fn an_http2_connection_without_a_request_is_closed_in_time() {
    let (_origin, gate) = limited("{headerTimeout: 300ms}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0].as_slice();
    // HEADERS of stream 1 with `:method: GET`, but without END_HEADERS.
    let half_a_head = [0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82].as_slice();
    for begun in [&preface[..8], preface, &[preface, settings].concat(), &[preface, settings, half_a_head].concat()] {
        gate.client().send(begun).rest();
    }
}

#[test]
fn an_http2_client_whose_window_stays_closed_is_cut() {
    let (origin, gate) = limited("{idleTimeout: 300ms}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    let closed_window = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0].as_slice();
    // `GET http://a/` on stream 1.
    let get = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'].as_slice();
    gate.client().send([preface, closed_window, get].concat()).rest();
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_idle_connection_has_a_longer_limit_of_its_own() {
    let (_origin, gate) = limited("{headerTimeout: 1s}");
    let mut client = gate.client();
    assert_eq!(client.get("/").status(), 200);
    // Two rounds of the header limit on another connection pass meanwhile.
    for _ in 0..2 {
        assert_eq!(gate.client().ask("GET /").status(), 408);
    }
    assert_eq!(client.get("/").status(), 200, "idle is not a head that does not come");

    let (_origin, gate) = limited("{headerTimeout: 10m, idleTimeout: 1s}");
    let mut client = gate.client();
    assert_eq!(client.get("/").status(), 200);
    client.ends();
}

#[test]
fn slow_clients_hold_up_no_one_else() {
    let (_origin, gate) = limited("{headerTimeout: 10m}");
    let slow: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = gate.client();
            client.send("POST / HTTP/1.1\r\nhost: test\r\nx-");
            client
        })
        .collect();
    for _ in 0..50 {
        assert_eq!(gate.get("/").status(), 200);
    }
    drop(slow);
}

#[test]
fn a_body_that_stands_still_gets_408() {
    let (_origin, gate) = limited("{bodyTimeout: 300ms}");
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf");
    refused(&client.answer(), 408, "body-timeout");
    client.ends();
}

#[test]
fn a_target_that_does_not_answer_in_time_gets_504() {
    let origin = Origin::scripted(|wire, request| {
        if request.target() == "/never" {
            wire.rest().map(drop)
        } else {
            wire.send(sluicegate_tests::origin::ok("quick"))
        }
    });
    let limited = format!(
        "matches: [{{path: {{value: /never}}}}]\ntargets: [{{url: 'http://127.0.0.1:{}'}}]\ntimeouts: {{request: 300ms}}",
        origin.port()
    );
    let gate = Gate::start(&(all_to(origin.port(), "") + &rule("limited", &limited)));
    let mut client = gate.client();
    refused(&client.get("/never"), 504, "upstream-timeout");
    until("the request is taken back from the target", || (origin.open_connections() == 0).then_some(()));
    assert_eq!(client.get("/").text(), "quick", "the client's connection goes on");
}

#[test]
fn an_answer_that_stands_still_is_cut_off() {
    let origin = Origin::scripted(|wire, _| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
        wire.rest().map(drop)
    });
    let gate = Gate::start(&all_to(origin.port(), "timeouts: {idle: 300ms}"));
    let mut client = gate.client();
    client.send(get("/"));
    client.wire.head().unwrap();
    assert_eq!(client.rest(), b"half", "and then the connection ends, so that the answer does not look whole");
}

#[test]
fn a_stream_that_keeps_moving_outlives_its_time_limits() {
    let origin = Origin::scripted(|wire, _| {
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let began = std::time::Instant::now();
        while began.elapsed() < std::time::Duration::from_secs(4) {
            wire.send("1\r\n.\r\n")?;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        wire.send("0\r\n\r\n")
    });
    let gate = Gate::start(&all_to(origin.port(), "timeouts: {request: 1500ms, idle: 1500ms}"));
    assert!(gate.get("/").body.len() > 10);
}

#[test]
fn a_target_that_breaks_off_before_its_answer_gets_502() {
    let origin = Origin::scripted(|_, _| Err(std::io::ErrorKind::ConnectionAborted.into()));
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    refused(&client.ask(post("/", "x")), 502, "upstream-reset");
    refused(&client.ask(post("/", "x")), 502, "upstream-reset");
}

#[test]
fn a_target_that_does_not_speak_http_gets_502() {
    let origin = Origin::start(|_| "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    refused(&gate.get("/"), 502, "upstream-protocol-error");
}
