//! The echo server over real sockets, on tokio's paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;

async fn connect() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { run(listener, "one").await });
    TcpStream::connect(address).await.unwrap()
}

/// The status line and the body of the answer to a request that closes its connection.
async fn ask(request: &str) -> (String, String) {
    let mut connection = connect().await;
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn get(path: &str) -> (String, String) {
    ask(&format!("GET {path} HTTP/1.1\r\nHost: echo.test\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test(start_paused = true)]
async fn says_what_arrived() {
    let request = "POST /a/b?c=d HTTP/1.1\r\nHost: echo.test\r\nX-Two: 1\r\nX-Two: 2\r\nConnection: close\r\n\
                   Content-Length: 5\r\n\r\nhello";
    let (head, body) = ask(request).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let expected = json!({
        "name": "one", "method": "POST", "protocol": "HTTP/1.1", "path": "/a/b", "query": "c=d", "bodyBytes": 5,
        "headers": { "host": "echo.test", "x-two": "1, 2", "connection": "close", "content-length": "5" },
    });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn answers_with_the_status_asked_for() {
    assert!(get("/status/503").await.0.starts_with("HTTP/1.1 503 "));
    assert!(get("/status/teapot").await.0.starts_with("HTTP/1.1 400 "));
}

#[tokio::test(start_paused = true)]
async fn waits_before_it_answers() {
    let start = Instant::now();
    let (head, body) = get("/delay/30m").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains("\"path\":\"/delay/30m\""), "{head}\n{body}");
    assert!(start.elapsed() >= Duration::from_mins(30));
    assert!(get("/delay/2h").await.0.starts_with("HTTP/1.1 400 "));
}

#[tokio::test(start_paused = true)]
async fn sends_as_many_bytes_as_asked_for() {
    for number in [0, 1, 200_000] {
        let (head, body) = get(&format!("/bytes/{number}")).await;
        assert!(head.to_lowercase().contains(&format!("content-length: {number}")), "{head}");
        assert_eq!(body.len(), number);
    }
    assert!(get("/bytes/-1").await.0.starts_with("HTTP/1.1 400 "));
}

#[tokio::test(start_paused = true)]
async fn streams_events_with_time_between_them() {
    let start = Instant::now();
    let (head, body) = get("/sse?frames=3&interval=10s").await;
    assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
    let frames: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(frames.len(), 3, "{body}");
    assert_eq!(serde_json::from_str::<Value>(frames[2]).unwrap(), json!({ "name": "one", "frame": 2 }));
    assert!(start.elapsed() >= Duration::from_secs(20));
    for bad in ["/sse?frames=many", "/sse?interval=1", "/sse?speed=1"] {
        assert!(get(bad).await.0.starts_with("HTTP/1.1 400 "), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn speaks_http2_to_those_who_begin_with_it() {
    const SETTINGS: u8 = 4;
    let mut connection = connect().await;
    let no_settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    connection.write_all(&no_settings).await.unwrap();
    let mut frame = [0; 9];
    connection.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], SETTINGS);
}
