//! h2spec: whether HTTP/2 is spoken as RFC 9113 and RFC 7541 say.

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::tools::{attempt, both};
use sluicegate_tests::{Origin, Setup};

fn conforms(address: std::net::SocketAddr, more: &[&str]) {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let output = attempt("h2spec", &[&["--host", &host, "--port", &port, "--timeout", "5"], more].concat());
    let text = both(&output);
    let sum = text.lines().rev().find(|line| line.contains("tests,")).unwrap_or_else(|| panic!("no sum in\n{text}"));
    assert!(output.status.success() && sum.contains(" 0 failed"), "{text}");
}

#[test]
fn in_clear_text() {
    let origin = Origin::text("x");
    let gate = Setup::new(&all_to(origin.port(), "")).start();
    conforms(gate.listen, &[]);
}

#[test]
fn over_tls() {
    let origin = Origin::text("x");
    let certificates = Certificates::new(&["127.0.0.1"]);
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    conforms(gate.tls, &["--tls", "--insecure"]);
}
