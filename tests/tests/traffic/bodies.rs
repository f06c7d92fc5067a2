//! Bodies in both directions: framing, trailers, informational answers, and memory that stays bounded.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use bytes::Bytes;
use http::Request;
use sluicegate_tests::client::{get, post};
use sluicegate_tests::http2::Http2Client;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Gate, Origin, until};

const MEBIBYTE: usize = 1024 * 1024;

#[test]
fn a_body_with_a_length_keeps_it() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let answer = gate.ask(post("/", "12345"));
    assert_eq!(origin.request().field("content-length").as_deref(), Some("5"));
    assert_eq!(origin.request().text(), "12345");
    assert!(answer.field("content-length").is_some() && answer.fields("transfer-encoding").is_empty());
}

#[test]
fn a_body_of_unknown_length_goes_with_any_method() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "QUERY"] {
        let mut client = gate.client();
        client.send(format!(
            "{method} / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        ));
        assert_eq!(client.wire.answer(method).unwrap().status(), 200);
        let client = Http2Client::connect(gate.listen);
        let request = Request::builder().method(method).uri("http://test/").body(()).unwrap();
        let (answer, mut stream) = client.open(request, true).unwrap();
        stream.send_data("def".into(), true).unwrap();
        assert_eq!(client.answer(answer).unwrap().status(), 200);
        let bodies: Vec<String> = origin.requests().iter().map(sluicegate_tests::http1::Message::text).collect();
        assert_eq!(bodies, ["abc", "def"], "{method}");
        origin.forget();
    }
}

#[test]
fn chunks_arrive_as_chunks_without_their_extensions() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    gate.ask("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n");
    let request = origin.request();
    assert_eq!(request.text(), "abc0123456789");
    assert_eq!(request.field("transfer-encoding").as_deref(), Some("chunked"));
    assert!(!String::from_utf8_lossy(&origin.received()[0]).contains("ext"));
}

#[test]
fn trailers_pass_in_both_directions() {
    let origin = Origin::start(
        |_| "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n",
    );
    let gate = Gate::start(&all_to(origin.port(), ""));
    let answer = gate.ask("POST / HTTP/1.1\r\nhost: test\r\nte: trailers\r\ntransfer-encoding: chunked\r\ntrailer: x-check\r\n\r\n1\r\na\r\n0\r\nx-check: 7\r\n\r\n");
    assert_eq!((answer.text().as_str(), answer.trailer("x-sum").as_deref()), ("ok", Some("9")));
    assert_eq!(origin.request().trailer("x-check").as_deref(), Some("7"));
}

#[test]
fn an_answer_that_ends_with_its_connection_is_passed_on_whole() {
    let origin = Origin::scripted(|wire, _| {
        wire.send("HTTP/1.1 200 OK\r\n\r\nuntil the end")?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    assert_eq!(client.get("/").text(), "until the end");
    assert_eq!(client.get("/").text(), "until the end", "the client's connection goes on");
}

#[test]
fn answers_without_a_body_have_none() {
    let origin = Origin::start(|request| match (request.method().as_str(), request.target().as_str()) {
        ("HEAD", _) => b"HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n".to_vec(),
        (_, "/204") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        (_, "/304") => b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n".to_vec(),
        _ => ok("body"),
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    let head = client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").answer_to_head();
    assert_eq!((head.status(), head.field("content-length").as_deref()), (200, Some("12345")));
    assert_eq!(client.get("/204").status(), 204);
    let unchanged = client.get("/304");
    assert_eq!((unchanged.status(), unchanged.field("etag").as_deref()), (304, Some("\"a\"")));
    assert_eq!(client.get("/").text(), "body", "and the connection is still in step");
}

#[test]
fn a_204_has_no_length() {
    let origin = Origin::start(|_| "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    for method in ["HEAD", "GET", "DELETE"] {
        let answer = client.ask(format!("{method} / HTTP/1.1\r\nhost: test\r\n\r\n"));
        assert_eq!((answer.status(), answer.fields("content-length")), (204, vec![]), "{method}");
        let request = Request::builder().method(method).uri("http://test/").body(Bytes::new()).unwrap();
        let answer = Http2Client::connect(gate.listen).ask(request).unwrap();
        assert!(answer.field("content-length").is_none(), "{method}");
    }
}

#[test]
fn a_head_request_to_no_route_gets_no_body() {
    let gate = Gate::start(&sluicegate_tests::manifests::rule(
        "one",
        "matches: [{path: {value: /x}}]\ntargets: [{url: 'http://127.0.0.1:1'}]",
    ));
    let mut client = gate.client();
    assert_eq!(client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n").answer_to_head().status(), 404);
    assert_eq!(client.get("/").status(), 404);
}

#[test]
fn an_expectation_is_met_once_the_target_reads() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.answer().status(), 100);
    client.send("body");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(origin.request().text(), "body");
    assert_eq!(client.ask("GET / HTTP/1.1\r\nhost: test\r\nexpect: 100-Continue\r\n\r\n").status(), 200, "no body");
    assert!(origin.requests().iter().all(|request| request.field("expect").is_none()), "it is for one hop");
}

#[test]
fn a_refusal_comes_before_the_body_that_was_announced() {
    let gate = Gate::start(&sluicegate_tests::manifests::rule(
        "one",
        "matches: [{path: {value: /x}}]\ntargets: [{url: 'http://127.0.0.1:1'}]",
    ));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.answer().status(), 404, "no 100 for a body that nobody will read");
}

#[test]
fn an_early_answer_reaches_a_client_that_still_sends() {
    let origin = Origin::raw(|wire, _| {
        wire.head()?;
        wire.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\nconnection: close\r\n\r\nenough")
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let mut client = gate.client();
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 100000000\r\n\r\nbegin");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text().as_str()), (403, "enough"));
}

#[test]
fn a_large_upload_streams_through_within_bounded_memory() {
    const SIZE: usize = 256 * MEBIBYTE;
    let total = Arc::new(AtomicUsize::new(0));
    let (count, open) = (Arc::clone(&total), Arc::new(Barrier::new(2)));
    let gate_opens = Arc::clone(&open);
    // Reads nothing until it is told to, so that everything in between has to wait.
    let origin = Origin::raw(move |wire, _| {
        wire.head()?;
        gate_opens.wait();
        let mut left = SIZE - wire.pending().len();
        let mut piece = vec![0; 256 * 1024];
        while left > 0 {
            let length = wire.stream.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            left -= length;
        }
        count.store(SIZE, Ordering::SeqCst);
        wire.send(ok("stored"))
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let before = gate.resident();
    let mut client = gate.client();
    client.send(format!("PUT /file HTTP/1.1\r\nhost: test\r\ncontent-length: {SIZE}\r\n\r\n"));
    let mut upload = client.wire.stream.try_clone().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&sent);
    let sender = std::thread::spawn(move || {
        let piece = vec![b'u'; MEBIBYTE];
        for _ in 0..SIZE / MEBIBYTE {
            upload.write_all(&piece).unwrap();
            progress.fetch_add(MEBIBYTE, Ordering::SeqCst);
        }
    });
    stands_still(&sent);
    assert!(
        sent.load(Ordering::SeqCst) < SIZE / 2,
        "the client is held back: {} bytes were taken",
        sent.load(Ordering::SeqCst)
    );
    let held = gate.resident().saturating_sub(before);
    assert!(held < 16 * MEBIBYTE as u64, "{held} bytes for one upload that stands still");
    open.wait();
    assert_eq!(client.answer().text(), "stored");
    sender.join().unwrap();
    assert_eq!(total.load(Ordering::SeqCst), SIZE);
}

#[test]
fn a_connection_that_uploaded_much_holds_little_while_it_is_idle() {
    const UPLOADS: u64 = 100;
    let origin = Origin::text("done");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let upload = post("/", &"x".repeat(2 * MEBIBYTE));
    let mut clients = Vec::new();
    let mut upload = || {
        let mut client = gate.client();
        assert_eq!(client.ask(&upload).text(), "done");
        origin.forget();
        clients.push(client);
    };
    upload();
    let before = gate.own_memory();
    (0..UPLOADS).for_each(|_| upload());
    let each = gate.own_memory().saturating_sub(before) / UPLOADS;
    assert!(each < 64 * 1024, "{each} bytes");
}

#[test]
fn a_large_download_streams_through_within_bounded_memory() {
    const SIZE: usize = 256 * MEBIBYTE;
    let sent = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&sent);
    let origin = Origin::scripted(move |wire, _| {
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n"))?;
        let piece = vec![b'd'; MEBIBYTE];
        for _ in 0..SIZE / MEBIBYTE {
            wire.send(&piece)?;
            progress.fetch_add(MEBIBYTE, Ordering::SeqCst);
        }
        Ok(())
    });
    let gate = Gate::start(&all_to(origin.port(), ""));
    let before = gate.resident();
    let mut client = gate.client();
    client.send(get("/"));
    assert!(client.wire.head().unwrap().is_some());
    stands_still(&sent);
    assert!(sent.load(Ordering::SeqCst) < SIZE / 2, "the target is held back");
    let held = gate.resident().saturating_sub(before);
    assert!(held < 16 * MEBIBYTE as u64, "{held} bytes for one download that stands still");
    let mut left = SIZE - client.wire.pending().len();
    let mut piece = vec![0; 256 * 1024];
    while left > 0 {
        let length = client.wire.stream.read(&mut piece).unwrap();
        assert!(length > 0 && piece[..length].iter().all(|byte| *byte == b'd'));
        left -= length;
    }
}

/// Waits until a count that has begun no longer grows.
fn stands_still(count: &AtomicUsize) {
    let mut last = 0;
    let mut same = 0;
    until("the stream fills every buffer on its way", || {
        let now = count.load(Ordering::SeqCst);
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        (same > 200).then_some(())
    });
}
