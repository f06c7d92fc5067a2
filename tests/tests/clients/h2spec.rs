//! h2spec: whether HTTP/2 is spoken as RFC 9113 and RFC 7541 say.

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::tools::{attempt, both};
use sluicegate_tests::{Origin, Setup};

/// The tests of h2spec that fail. The target must read each request to its end before it answers: where an answer is
/// complete before h2spec has written its next frame, the stream has been closed by us, frames on it are ignored as
/// RFC 9113, 5.1, says, and h2spec waits in vain for an error.
fn failures(address: std::net::SocketAddr, more: &[&str]) -> Vec<String> {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let output = attempt("h2spec", &[&["--host", &host, "--port", &port, "--timeout", "5"], more].concat());
    let text = both(&output);
    assert!(text.contains("tests, "), "h2spec did not come to its sum:\n{text}");
    let failures = text.split("Failures:").nth(1).unwrap_or_default();
    failures.lines().filter_map(|line| line.trim().strip_prefix("× ")).map(str::to_owned).collect()
}

#[test]
fn over_tls() {
    let origin = Origin::text("x");
    let certificates = Certificates::new(&["127.0.0.1"]);
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    assert_eq!(failures(gate.tls, &["--tls", "--insecure"]), [""; 0]);
}

#[test]
fn in_clear_text() {
    let origin = Origin::text("x");
    let gate = Setup::new(&all_to(origin.port(), "")).start();
    // Without the preface of HTTP/2 the bytes are HTTP/1.1 here, and a malformed request of HTTP/1.1 is answered with 400
    // before its connection is closed. h2spec expects a listener that speaks HTTP/2 only.
    assert_eq!(failures(gate.listen, &[]), ["2: Sends invalid connection preface"]);
}
