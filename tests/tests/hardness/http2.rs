//! Malformed HTTP/2: frames that h2spec does not try, and floods.

use std::io::{Read, Write};
use std::net::TcpStream;

use sluicegate_tests::manifests::all_to;
use sluicegate_tests::{Gate, Origin};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields as literals without indexing.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// Sends the bytes behind the preface and reads until the end of the connection, or until `enough`.
fn exchange(gate: &Gate, bytes: &[u8], enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(gate.listen).unwrap();
    stream.set_read_timeout(Some(sluicegate_tests::wait::PATIENCE)).unwrap();
    drop(stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), bytes].concat()));
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        all.extend_from_slice(&piece[..length]);
        if enough(&all) {
            break;
        }
    }
    all
}

/// The types and streams of the frames.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut frames = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        frames.push((bytes[3], u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]])));
        bytes = bytes.get(9 + length..).unwrap_or_default();
    }
    frames
}

const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const HEADERS: u8 = 1;

fn ended(all: &[u8]) -> bool {
    frames(all).iter().any(|(kind, stream)| *kind == GOAWAY || *stream == 1 && matches!(*kind, RST_STREAM | HEADERS))
}

#[test]
fn a_target_never_gets_a_length_that_is_not_the_bodys() {
    const DATA: u8 = 0;
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let request = |lengths: &[&str], body: Option<&[u8]>| {
        let base = [(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/")];
        let lengths: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        let head = frame(HEADERS, if body.is_some() { 4 } else { 5 }, 1, &block(&[&base[..], &lengths].concat()));
        [head, body.map(|body| frame(DATA, 1, 1, body)).unwrap_or_default()].concat()
    };
    for (lengths, body) in [
        (&["5"][..], None),
        (&["5"], Some(&b"abc"[..])),
        (&["2"], Some(b"abc")),
        (&["3", "5"], Some(b"abc")),
        (&["3, 3"], Some(b"abc")),
        (&["0", "5"], None),
    ] {
        let all = exchange(&gate, &request(lengths, body), ended);
        assert!(!frames(&all).contains(&(DATA, 1)), "{lengths:?} {body:?}");
    }
    assert!(origin.requests().is_empty());
    for (lengths, body, received) in [(&["3", "3"][..], Some(&b"abc"[..]), "3"), (&["0", "0"], None, "0")] {
        exchange(&gate, &request(lengths, body), ended);
        let seen = origin.until_requests(1);
        assert_eq!(seen[0].fields("content-length"), [received]);
        origin.forget();
    }
}

#[test]
fn fields_that_would_break_http_1_are_never_forwarded() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let base = [(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")];
    let cases: &[(&str, Vec<(&str, &str)>)] = &[
        ("a line end in a value", [&base[..], &[("x-a", "1\r\nx-b: 2")]].concat()),
        ("a line end in a name", [&base[..], &[("x\r\na", "1")]].concat()),
        ("a colon in a name", [&base[..], &[("x:a", "1")]].concat()),
        ("a name in capitals", [&base[..], &[("X-A", "1")]].concat()),
        ("a coding", [&base[..], &[("transfer-encoding", "chunked")]].concat()),
        ("a connection field", [&base[..], &[("connection", "close")]].concat()),
        ("a line end in the path", vec![base[0], base[1], base[2], (":path", "/ HTTP/1.1\r\nx: y")]),
        ("a space in the method", vec![(":method", "GET /smuggled HTTP/1.1"), base[1], base[2], base[3]]),
        ("a path without a slash", vec![base[0], base[1], base[2], (":path", "smuggled")]),
        ("an empty path", vec![base[0], base[1], base[2], (":path", "")]),
        ("two paths", [&base[..], &[(":path", "/two")]].concat()),
        ("a pseudo field behind a field", vec![base[0], base[1], base[2], ("x-a", "1"), base[3]]),
        ("no path", vec![base[0], base[1], base[2]]),
        ("an authority with a path", vec![base[0], base[1], (":authority", "a/b"), base[3]]),
        ("two lengths that differ", [&base[..], &[("content-length", "1"), ("content-length", "2")]].concat()),
    ];
    for (name, fields) in cases {
        let all = exchange(&gate, &frame(HEADERS, 0x5, 1, &block(fields)), ended);
        assert!(ended(&all), "{name}: refused in some way: {:?}", frames(&all));
        assert!(origin.requests().is_empty(), "{name}: {:?}", origin.requests());
    }
    assert_eq!(gate.get("/alive").status(), 200);
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let origin = Origin::echo();
    let mut gate = Gate::start(&all_to(origin.port(), ""));
    let head = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")]);
    let flood: Vec<u8> = (0..20_000_u32)
        .flat_map(|number| {
            let stream = number * 2 + 1;
            [frame(HEADERS, 0x5, stream, &head), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    let all = exchange(&gate, &flood, |all| frames(all).iter().any(|(kind, _)| *kind == GOAWAY));
    assert!(frames(&all).iter().any(|(kind, _)| *kind == GOAWAY) || gate.runs(), "it is told to stop");
    assert!(origin.requests().len() < 5_000, "{} requests reached the target", origin.requests().len());
    assert_eq!(gate.get("/alive").status(), 200);
    assert!(gate.runs());
}

#[test]
fn a_flood_of_continuations_ends_the_connection() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let before = gate.resident();
    let mut flood = frame(HEADERS, 0x1, 1, &block(&[(":method", "GET")]));
    for _ in 0..5_000 {
        flood.extend(frame(9, 0, 1, &block(&[("x-more", "x".repeat(100).as_str()); 10])));
    }
    let all = exchange(&gate, &flood, |all| frames(all).iter().any(|(kind, _)| *kind == GOAWAY));
    drop(all);
    assert!(origin.requests().is_empty());
    assert!(gate.resident().saturating_sub(before) < 16 * 1024 * 1024);
    assert_eq!(gate.get("/alive").status(), 200);
}

#[test]
fn a_field_list_over_the_limit_is_refused() {
    let origin = Origin::echo();
    let gate = Gate::start(&all_to(origin.port(), ""));
    let client = sluicegate_tests::http2::Http2Client::connect(gate.listen);
    let request =
        http::Request::get("http://test/").header("x-large", "x".repeat(512 * 1024)).body(bytes::Bytes::new()).unwrap();
    if let Ok(answer) = client.ask(request) {
        assert_eq!(answer.status(), 431);
    }
    assert!(origin.requests().is_empty());
    assert_eq!(gate.get("/alive").status(), 200);
}
