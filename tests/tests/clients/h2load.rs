//! h2load: many requests at once over each protocol, none of them failed.

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::tools::run;
use sluicegate_tests::{Origin, Setup};

fn load(arguments: &[&str]) {
    let text = run("h2load", &[&["--requests=5000", "--clients=20", "--threads=1"], arguments].concat());
    assert!(text.contains("5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{text}");
    assert!(text.contains("5000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{text}");
}

#[test]
fn no_request_of_many_fails() {
    let origin = Origin::text("x");
    let certificates = Certificates::new(&["127.0.0.1"]);
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    let (clear, tls) = (format!("http://{}/", gate.listen), format!("https://{}/", gate.tls));
    load(&["--h1", &clear]);
    load(&["--max-concurrent-streams=10", &clear]);
    load(&["--max-concurrent-streams=10", &tls]);
    load(&["--h1", &tls]);
}
