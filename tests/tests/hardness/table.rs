//! Runs the table: whole, in small pieces, and with requests behind that must never be served.

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::origin::ok;
use sluicegate_tests::{Client, Gate, Message, Origin};

use crate::cases::{CASES, Case, Expected};

/// What comes behind each case on the same connection, and ends it where the case did not.
const BEHIND: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

struct Rig {
    origin: Origin,
    gate: Gate,
}

impl Rig {
    fn new() -> Self {
        // A target that says what it saw, so that an answer shows which request it belongs to.
        let origin = Origin::start(|request| ok(format!("{} {}", request.target(), request.text())));
        let gate = Gate::start(&all_to(origin.port(), ""));
        Self { origin, gate }
    }

    /// Sends the case in pieces of this size; what went wrong, if anything did.
    fn run(&mut self, Case(name, bytes, expected): &Case, piece: usize) -> Result<(), String> {
        self.origin.forget();
        let mut client = self.gate.client();
        for piece in [*bytes, BEHIND].concat().chunks(piece) {
            client.try_send(piece);
        }
        let all = client.rest();
        let seen = self.origin.requests();
        let verdict = judge(*expected, &all, &seen);
        let told = |problem: String| {
            format!(
                "{name}: {problem}\n  answers: {:?}\n  at the target: {:?}",
                String::from_utf8_lossy(&all),
                seen.iter().map(Message::start_line).collect::<Vec<_>>()
            )
        };
        verdict.map_err(told)?;
        if !self.gate.runs() {
            return Err(format!("{name}: the program has ended"));
        }
        if self.gate.get("/alive").text() != "/alive " {
            return Err(format!("{name}: the next request is not served"));
        }
        Ok(())
    }
}

fn judge(expected: Expected, all: &[u8], seen: &[Message]) -> Result<(), String> {
    let text = String::from_utf8_lossy(all);
    let ours = |status: u16, reason: &str| {
        let begins = text.starts_with(&format!("HTTP/1.1 {status} "));
        let says = text.contains(&format!("x-sluicegate-reason: {reason}\r\n"));
        if begins && says { Ok(()) } else { Err(format!("expected {status} {reason}")) }
    };
    match expected {
        Expected::Refused(status, reason) => {
            ours(status, reason)?;
            if text.matches("HTTP/1.1 ").count() != 1 {
                return Err("something behind the refused request was answered".to_owned());
            }
            // A body that turns out to be broken may have been on its way; it must never have become whole.
            if seen.is_empty() { Ok(()) } else { Err("the target got a whole request".to_owned()) }
        }
        Expected::Answered(status, reason) => {
            ours(status, reason)?;
            let others: Vec<_> = seen.iter().filter(|request| request.target() != "/smuggled").collect();
            if others.is_empty() { Ok(()) } else { Err("the target got the request".to_owned()) }
        }
        Expected::Served(target, body) => {
            let first = seen.first().ok_or("the target got nothing")?;
            if (first.target().as_str(), first.text().as_str()) != (target, body) {
                return Err(format!("the target got {:?} {:?}", first.target(), first.text()));
            }
            if !text.contains(&format!("\r\n\r\n{target} {body}")) {
                return Err("the answer is not the target's".to_owned());
            }
            // What is behind is a request of its own, if the connection goes on.
            let behind: Vec<String> = seen[1..].iter().map(Message::target).collect();
            if behind.iter().all(|target| target == "/smuggled") && behind.len() <= 1 {
                Ok(())
            } else {
                Err(format!("the target got more: {behind:?}"))
            }
        }
        Expected::Closed => {
            if !text.contains("HTTP/1.1 2") && seen.is_empty() {
                Ok(())
            } else {
                Err("expected an end without an answer".to_owned())
            }
        }
    }
}

fn run_all(piece: usize) {
    let mut rig = Rig::new();
    let problems: Vec<String> = CASES.iter().filter_map(|case| rig.run(case, piece).err()).collect();
    assert!(problems.is_empty(), "{} of {} requests:\n{}", problems.len(), CASES.len(), problems.join("\n"));
}

#[test]
fn each_request_gets_what_it_must() {
    run_all(usize::MAX);
}

#[test]
fn it_makes_no_difference_how_the_bytes_are_cut() {
    run_all(7);
}

#[test]
fn the_names_of_the_cases_are_unique() {
    let names: std::collections::BTreeSet<&str> = CASES.iter().map(|case| case.0).collect();
    assert_eq!(names.len(), CASES.len());
}

#[track_caller]
fn refused(client: &mut Client, bytes: &[u8], status: u16, reason: &str) {
    client.try_send(bytes);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.reason().as_deref()), (status, Some(reason)));
    client.ends();
}

#[test]
fn a_path_without_an_end_is_refused() {
    let rig = Rig::new();
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(300 * 1024));
    let mut client = rig.gate.client();
    client.try_send(long);
    let answer = client.answer();
    assert!(
        matches!(
            (answer.status(), answer.reason().as_deref()),
            (414, Some("uri-too-long")) | (431, Some("headers-too-large"))
        ),
        "{answer:?}"
    );
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn too_many_fields_are_refused() {
    let rig = Rig::new();
    let many: String = (0..2_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    refused(
        &mut rig.gate.client(),
        format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes(),
        431,
        "headers-too-large",
    );
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn a_chunk_extension_without_an_end_is_refused() {
    let rig = Rig::new();
    let mut client = rig.gate.client();
    client.try_send(format!(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;{}\r\nabc\r\n0\r\n\r\n",
        "x".repeat(1024 * 1024)
    ));
    let answer = client.answer();
    assert_eq!(answer.status(), 400, "{answer:?}");
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn a_trailer_section_without_an_end_is_refused() {
    let rig = Rig::new();
    let mut client = rig.gate.client();
    client.try_send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n");
    client.try_send(format!("x: {}\r\n", "x".repeat(1000)).repeat(2000)).try_send("\r\n");
    assert!(client.answer().status() >= 400);
    assert!(rig.origin.requests().is_empty());
}

#[test]
fn a_refused_request_is_the_last_of_its_connection_whatever_was_pipelined() {
    let rig = Rig::new();
    let mut client = rig.gate.client();
    client.try_send(
        [
            get("/first").as_bytes(),
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            BEHIND,
            BEHIND,
        ]
        .concat(),
    );
    assert_eq!(client.answer().text(), "/first ");
    let refused = client.answer();
    assert_eq!((refused.status(), refused.reason().as_deref()), (400, Some("invalid-request")));
    client.ends();
    assert_eq!(rig.origin.request().target(), "/first");
}

#[test]
fn the_length_of_one_request_says_nothing_about_the_next_one() {
    let rig = Rig::new();
    let mut client = rig.gate.client();
    client.try_send(
        [
            b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".as_slice(),
            b"POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n",
        ]
        .concat(),
    );
    assert_eq!(client.answer().text(), "/length abc");
    assert_eq!(client.answer().text(), "/chunks def");
}

#[test]
fn a_second_request_with_two_framings_hides_nothing_behind_it() {
    let rig = Rig::new();
    let mut client = rig.gate.client();
    let ambiguous =
        b"POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    client.try_send([get("/first").as_bytes(), ambiguous, BEHIND].concat());
    assert_eq!(client.answer().text(), "/first ");
    let refused = client.answer();
    assert_eq!((refused.status(), refused.reason().as_deref()), (400, Some("ambiguous-framing")));
    client.ends();
    assert_eq!(rig.origin.request().target(), "/first");
}
