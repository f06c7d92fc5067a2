//! HTTP and TCP checks.

use std::sync::mpsc::channel;

use tokio::time::Instant;

use super::super::repeat::keep_checking;
use super::*;

#[tokio::test]
async fn a_check_asks_what_it_was_told_over_one_connection_and_sends_nothing_of_the_targets() {
    let server = Server::start(|_| Some(answered("204 No Content", ""))).await;
    let probe = http(&json!({
        "method": "POST", "path": "/ready?deep=1", "host": "health.example",
        "headers": [["x-probe", "1"], ["user-agent", "prober"]],
    }));
    let mut checker = checker(subject(server.address, "HTTP", probe));
    for _ in 0..3 {
        checker.check().await.unwrap();
        checker.wait_until(Instant::now() + Duration::from_millis(5)).await;
    }
    let heads = server.heads();
    assert_eq!(heads.iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [0, 0, 0]);
    let mut lines: Vec<_> = heads[2].1.trim_end().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /ready?deep=1 HTTP/1.1",
            "content-length: 0",
            "host: health.example",
            "user-agent: prober",
            "x-probe: 1"
        ]
    );
}

#[tokio::test]
async fn the_host_is_the_targets_where_the_check_names_none() {
    let server = Server::start(|_| Some(answered("200 OK", "fine"))).await;
    assert_eq!(once(subject(server.address, "HTTP", http(&json!({})))).await.0, CheckResult::Passed);
    let head = &server.heads()[0].1;
    assert!(head.starts_with("GET /healthz HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", server.address)), "{head}");
    assert!(head.contains("user-agent: sluicegate-health-check\r\n"), "{head}");
}

#[tokio::test]
async fn only_the_expected_statuses_mean_health() {
    let server = Server::start(|_| Some(answered("404 Not Found", ""))).await;
    let wrong = (CheckResult::WrongAnswer, "it answered 404 Not Found".to_owned());
    assert_eq!(once(subject(server.address, "HTTP", http(&json!({})))).await, wrong);
    let expected = http(&json!({ "expectedStatuses": [{ "from": 200, "to": 200 }, { "from": 404, "to": 410 }] }));
    assert_eq!(once(subject(server.address, "HTTP", expected)).await.0, CheckResult::Passed);
}

#[tokio::test]
async fn the_expected_text_is_looked_for_in_the_first_64_kib() {
    let text = |before: usize, after: usize| format!("{}status=good{}", "x".repeat(before), "y".repeat(after));
    for (before, after, found) in
        [(0, 0, true), (65_525, 0, true), (65_525, 300_000, true), (65_526, 0, false), (70_000, 9, false)]
    {
        let body = text(before, after);
        let server = Server::start(move |_| Some(answered("200 OK", &body))).await;
        let probe = http(&json!({ "expectedBody": "status=good" }));
        let result = once(subject(server.address, "HTTP", probe)).await.0;
        let expected = if found { CheckResult::Passed } else { CheckResult::WrongAnswer };
        assert_eq!(result, expected, "{before}");
    }
    let server = Server::start(|_| Some(answered("200 OK", "status=go"))).await;
    let (result, why) = once(subject(server.address, "HTTP", http(&json!({ "expectedBody": "status=good" })))).await;
    assert_eq!((result, why.contains("status")), (CheckResult::WrongAnswer, false), "{why}");
}

#[tokio::test]
async fn a_text_is_found_where_it_comes_in_pieces() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
        for piece in ["stat", "us=", "good"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await.unwrap();
        }
        // The body does not end; what counts has come.
        std::future::pending::<()>().await;
    });
    let probe = http(&json!({ "expectedBody": "status=good" }));
    assert_eq!(once(subject(address, "HTTP", probe)).await.0, CheckResult::Passed);
}

#[tokio::test]
async fn an_answer_without_an_end_means_health_and_its_connection_is_not_used_again() {
    let server = Server::start(|_| Some(b"HTTP/1.1 200 OK\r\n\r\nforever".to_vec())).await;
    let mut checker = checker(subject(server.address, "HTTP", http(&json!({}))));
    for _ in 0..2 {
        checker.check().await.unwrap();
        checker.wait_until(Instant::now() + Duration::from_millis(20)).await;
    }
    assert_eq!(server.heads().iter().map(|(connection, _)| *connection).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_no_failure() {
    // Closed with the answer, and closed at the next request.
    let closing = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec();
    for (answer, closes) in [(closing, false), (answered("200 OK", ""), true)] {
        let server = Server::start(move |request| (request != 1 || !closes).then(|| answer.clone())).await;
        let mut checker = checker(subject(server.address, "HTTP", http(&json!({}))));
        checker.check().await.unwrap();
        let second = checker.check().await;
        let connections = server.heads().last().unwrap().0;
        assert_eq!((told(&second).0, connections), (CheckResult::Passed, 1));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_a_failure() {
    let server = Server::start(|_| None).await;
    assert_eq!(once(subject(server.address, "HTTP", http(&json!({})))).await.0, CheckResult::Broken);
    let server = Server::start(|_| Some(b"SSH-2.0-server\r\n".to_vec())).await;
    assert_eq!(once(subject(server.address, "HTTP", http(&json!({})))).await.0, CheckResult::Broken);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let server = Server::start(|_| Some(Vec::new())).await;
    let mut subject = subject(server.address, "HTTP", http(&json!({})));
    subject.check.timeout = Duration::from_millis(60);
    let begun = Instant::now();
    assert_eq!(once(subject).await, (CheckResult::TimedOut, "no answer within 60ms".to_owned()));
    assert!((Duration::from_millis(60)..PATIENCE).contains(&begun.elapsed()));
}

#[tokio::test]
async fn a_refused_connection_is_a_failure() {
    let (_kept, address) = nobody();
    for probe in [http(&json!({})), json!("TCP"), json!({ "GRPC": { "service": "" } })] {
        assert_eq!(once(subject(address, "HTTP", probe)).await.0, CheckResult::NotConnected);
    }
}

#[tokio::test]
async fn a_tcp_check_asks_for_a_connection_alone() {
    let (_listener, address) = listen().await;
    // Nobody accepts: that the system takes the connection is what is asked.
    assert_eq!(once(subject(address, "HTTPS", json!("TCP"))).await.0, CheckResult::Passed);
}

#[tokio::test]
async fn a_discovered_address_is_asked_under_the_targets_name() {
    let server = Server::start(|_| Some(answered("200 OK", ""))).await;
    let mut subject = subject(server.address, "HTTP", http(&json!({})));
    let target = Target { host: "orders.shop.svc".to_owned(), port: 80, ..(*subject.target).clone() };
    subject.target = Arc::new(target);
    subject.address = Some(server.address);
    assert_eq!(once(subject).await.0, CheckResult::Passed);
    assert!(server.heads()[0].1.contains("host: orders.shop.svc\r\n"));
}

#[tokio::test]
async fn an_endpoint_is_asked_at_once_and_then_again_and_again() {
    let server = Server::start(|request| {
        Some(if request < 2 { answered("200 OK", "") } else { answered("503 Service Unavailable", "") })
    })
    .await;
    let mut subject = subject(server.address, "HTTP", http(&json!({})));
    subject.check.interval = Duration::from_millis(40);
    let dialer = Dialer::new(Resolver::system(Handle::current()), Arc::default());
    let (results, told) = channel();
    let begun = Instant::now();
    let checking = tokio::spawn(keep_checking(subject, dialer, move |check| {
        results.send((CheckResult::of(&check), Instant::now())).unwrap();
    }));
    let mut seen = Vec::new();
    until("five results", || {
        seen.extend(told.try_iter());
        seen.len() >= 5
    })
    .await;
    checking.abort();
    let results: Vec<_> = seen.iter().map(|(result, _)| *result).collect();
    let wrong = CheckResult::WrongAnswer;
    assert_eq!(results[..5], [CheckResult::Passed, CheckResult::Passed, wrong, wrong, wrong]);
    // The three gaps after the first, random one are no shorter than 0.9 of the interval; a late check may shorten one.
    assert!(seen[4].1 - begun >= Duration::from_millis(2 * 36), "{:?}", seen[4].1 - begun);
}
