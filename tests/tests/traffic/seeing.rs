//! What one can see of a running program.

use sluicegate_tests::client::{get, post};
use sluicegate_tests::manifests::{all_to, prefix, rule, target, upstream};
use sluicegate_tests::ports::Port;
use sluicegate_tests::{Gate, Origin, Setup, until};

#[test]
fn the_route_metrics_have_their_names_and_labels() {
    let origin = Origin::text("x");
    let gate = Gate::start(
        &[target("one", origin.port(), ""), upstream("chat", &["one"], ""), prefix("/chat", "chat")].concat(),
    );
    for _ in 0..3 {
        gate.get("/chat");
    }
    gate.get("/nowhere");
    let text = gate.admin("/metrics").text();
    let line = |start: &str, parts: &[&str]| {
        text.lines()
            .find(|line| line.starts_with(start) && parts.iter().all(|part| line.contains(part)))
            .unwrap_or_else(|| panic!("no {start} with {parts:?} in\n{text}"))
    };
    let total = line(
        "gateway_route_requests_total{",
        &["route=\"default/chat\"", "method=\"GET\"", "status_code=\"200\"", "upstream=\"default/chat\""],
    );
    assert!(total.ends_with(" 3") || total.ends_with(" 3.0"), "{total}");
    let count = line("gateway_route_duration_seconds_count{", &["route=\"default/chat\"", "upstream=\"default/chat\""]);
    assert!(count.ends_with(" 3") || count.ends_with(" 3.0"), "{count}");
    line("gateway_route_requests_total{", &["status_code=\"404\""]);
}

#[test]
fn health_readiness_and_the_table_answer() {
    let origin = Origin::text("x");
    let gate = Gate::start(&all_to(origin.port(), ""));
    assert_eq!(gate.admin("/healthz").status(), 200);
    assert_eq!(gate.admin("/readyz").status(), 200);
    let table = gate.admin("/table");
    assert_eq!(table.status(), 200);
    assert!(table.text().contains("default/all"), "{}", table.text());
    assert_eq!(gate.admin("/nothing").status(), 404);
}

#[test]
fn only_what_observers_need_is_on_their_listener() {
    let origin = Origin::text("x");
    let port = sluicegate_tests::ports::Port::free();
    let gate = Setup::new(&all_to(origin.port(), ""))
        .configuration(&format!("observe: {{address: \"{}\"}}", port.address()))
        .start();
    let ask = |path: &str| sluicegate_tests::Client::connect(port.address()).get(path).status();
    assert_eq!(["/healthz", "/readyz", "/metrics"].map(ask), [200, 200, 200]);
    assert_eq!(["/table", "/explain"].map(ask), [404, 404]);
    assert_eq!(gate.get("/").text(), "x");
}

#[test]
fn the_running_program_explains_a_request() {
    let origin = Origin::text("x");
    let gate = Gate::start(
        &(all_to(origin.port(), "")
            + &rule("never", "hostnames: [other.example]\ntargets: [{url: 'http://127.0.0.1:1'}]")),
    );
    let explained = gate.admin("/explain?method=GET&url=http%3A%2F%2Ftest%2Fpath");
    assert_eq!(explained.status(), 200, "{explained:?}");
    let text = explained.text();
    assert!(text.contains("default/all") && text.contains("default/never"), "{text}");
}

#[test]
fn the_access_log_has_a_line_of_json_for_each_request() {
    let origin = Origin::text("x");
    let gate = Setup::new(&all_to(origin.port(), "")).configuration("accessLog: {format: JSON, sample: 1}").start();
    gate.ask(post("/logged?secret=1", "body"));
    gate.ask(get("/also"));
    let lines = until("both requests are logged", || {
        let output = gate.output();
        let lines: Vec<serde_json::Value> = output
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line: &serde_json::Value| line["path"].is_string())
            .collect();
        (lines.len() >= 2).then_some(lines)
    });
    assert_eq!(lines[0]["method"], "POST");
    assert_eq!(lines[0]["path"], "/logged");
    assert_eq!(lines[0]["status"], 200);
}

#[test]
fn a_head_that_is_refused_is_counted_and_logged_too() {
    let origin = Origin::text("x");
    let gate = Setup::new(&all_to(origin.port(), ""))
        .configuration("accessLog: {sample: 1}\nlimits: {headerTimeout: 1s, requestHeaders: 8Ki}")
        .start();
    let large = format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "x".repeat(9000));
    let cases = [
        ("GET / HTTP/1.1\r\nhost", "header-timeout", 408),
        (large.as_str(), "headers-too-large", 431),
        ("GET / HTTP/9\r\n\r\n", "invalid-request", 400),
    ];
    for (head, reason, status) in cases {
        assert_eq!(gate.client().try_send(head).answer().status(), status, "{reason}");
        let answers = format!("sluicegate_answers_total{{reason=\"{reason}\"}}");
        until("the answer is counted", || (gate.count(&answers) == 1).then_some(()));
        let requests = format!(
            "gateway_route_requests_total{{route=\"-\",method=\"OTHER\",status_code=\"{status}\",upstream=\"-\"}}"
        );
        assert_eq!(gate.count(&requests), 1, "{reason}");
        until("the answer is logged", || gate.output().contains(&format!("\"reason\":\"{reason}\"")).then_some(()));
    }
}

#[test]
fn picks_and_connections_are_counted_per_target() {
    let origin = Origin::text("x");
    let gate =
        Gate::start(&[target("one", origin.port(), ""), upstream("pool", &["one"], ""), prefix("/", "pool")].concat());
    for _ in 0..5 {
        gate.get("/");
    }
    let text = gate.admin("/metrics").text();
    let picks = text
        .lines()
        .find(|line| line.contains("picks_total{") && line.contains("default/one"))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(picks.ends_with(" 5") || picks.ends_with(" 5.0"), "{picks}");
}

#[test]
fn the_log_says_why_no_connection_comes_about_and_says_it_once() {
    let closed = Port::free();
    let gate = Gate::start(&all_to(closed.address().port(), ""));
    for _ in 0..5 {
        assert_eq!(gate.get("/").status(), 502);
    }
    let told = until("the log tells it", || gate.output().contains("no connection to a target").then(|| gate.output()));
    assert!(told.contains("Connection refused"), "{told}");
    gate.get("/");
    assert_eq!(gate.output().matches("no connection to a target").count(), 1, "{}", gate.output());
}
