//! What is written, what is sampled, what is dropped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Condvar, Mutex};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::*;

/// A sink that can be read, and that blocks while it is closed.
#[derive(Clone, Default)]
struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    written: Vec<u8>,
    blocked: bool,
}

impl Sink {
    fn block(&self, blocked: bool) {
        self.0.state.lock().unwrap().blocked = blocked;
        self.0.changed.notify_all();
    }

    fn lines(&self) -> Vec<Value> {
        let written = self.0.state.lock().unwrap().written.clone();
        String::from_utf8(written).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.changed.wait_while(self.0.state.lock().unwrap(), |state| state.blocked).unwrap();
        state.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn entry(headers: &HeaderMap) -> Box<Entry> {
    let client = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    Entry::begin(&Method::POST, "api.example.com", "/v1/chat", Version::HTTP_11, headers, client)
}

#[test]
fn a_line_has_every_field() {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", "curl/8 \"x\"".parse().unwrap());
    headers.insert("x-request-id", "r-1".parse().unwrap());
    headers.insert("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01".parse().unwrap());
    headers.insert("authorization", "Bearer planted-secret".parse().unwrap());
    let mut entry = entry(&headers);
    entry.time = UNIX_EPOCH + Duration::from_millis(1_500);
    entry.status = Some(200);
    entry.reason = Some(Reason::UpstreamReset);
    entry.route = Some("default/api".to_owned());
    entry.upstream = Some("default/chat".to_owned());
    entry.target = Some("default/one".to_owned());
    entry.attempts = 2;
    entry.duration = Duration::from_micros(12_345);
    entry.bytes_received = 3;
    entry.bytes_sent = 7;
    let line = serde_json::to_value(&*entry).unwrap();
    let expected = serde_json::json!({
        "time": "1970-01-01T00:00:01.500Z", "method": "POST", "host": "api.example.com", "path": "/v1/chat",
        "protocol": "HTTP/1.1", "status": 200, "reason": "upstream-reset", "route": "default/api",
        "upstream": "default/chat", "target": "default/one", "attempts": 2, "durationSeconds": 0.012_345, "bytesReceived": 3,
        "bytesSent": 7, "clientIP": "192.0.2.1", "userAgent": "curl/8 \"x\"", "requestID": "r-1",
        "traceID": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    assert_eq!(line, expected);
    let text = include_str!("../../../docs/observing.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Access log")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split('|').nth(1));
    let documented: BTreeSet<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(line.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), documented);
}

#[test]
fn a_broken_traceparent_gives_no_trace() {
    for broken in ["", "00", "00-12-34-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", broken.parse().unwrap());
        assert_eq!(entry(&headers).trace_id, None, "{broken}");
    }
}

#[test]
fn writes_one_in_n_and_the_first() {
    let sink = Sink::default();
    let log = AccessLog::start(10, sink.clone()).unwrap();
    let worker = log.worker();
    for number in 0..95 {
        if worker.wants() {
            let mut entry = entry(&HeaderMap::new());
            entry.bytes_sent = number;
            worker.write(entry);
        }
    }
    log.finish();
    let numbers: Vec<u64> = sink.lines().iter().map(|line| line["bytesSent"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    assert_eq!(log.dropped(), 0);
}

#[test]
fn off_wants_nothing() {
    let log = AccessLog::start(0, io::sink()).unwrap();
    assert!((0..1_000).all(|_| !log.worker().wants()));
    log.finish();
}

#[test]
fn a_stuck_sink_drops_and_counts_and_does_not_block() {
    let sink = Sink::default();
    sink.block(true);
    let log = AccessLog::start(1, sink.clone()).unwrap();
    let worker = log.worker();
    // More than fits in the queue and in the writer's buffer together.
    let sent = QUEUE as u64 * 2;
    for _ in 0..sent {
        worker.write(entry(&HeaderMap::new()));
    }
    let dropped = log.dropped();
    assert!(dropped > 0 && dropped < sent, "{dropped} of {sent}");
    sink.block(false);
    log.finish_within(Duration::from_mins(1));
    assert_eq!(sink.lines().len() as u64 + log.dropped(), sent);
}

#[test]
fn long_texts_are_cut() {
    let sink = Sink::default();
    let log = AccessLog::start(1, sink.clone()).unwrap();
    let mut entry = entry(&HeaderMap::new());
    entry.path = format!("/{}", "ä".repeat(LONGEST));
    log.worker().write(entry);
    log.finish();
    let path = sink.lines()[0]["path"].as_str().unwrap().to_owned();
    assert!(path.len() <= LONGEST && path.len() >= LONGEST - 1 && path.starts_with("/ä"));
}

#[test]
fn a_closed_sink_is_counted() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = AccessLog::start(1, Closed).unwrap();
    log.worker().write(entry(&HeaderMap::new()));
    log.finish();
    assert!(log.dropped() >= 1);
}
