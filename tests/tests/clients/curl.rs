//! curl, over each protocol that it speaks.

use sluicegate_tests::certificates::Certificates;
use sluicegate_tests::manifests::all_to;
use sluicegate_tests::tools::run;
use sluicegate_tests::{Gate, Origin, Setup};
use tempfile::NamedTempFile;

/// What curl got, followed by the HTTP version it used.
fn curl(arguments: &[&str]) -> String {
    let silent = [
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--max-time",
        "60",
        "--noproxy",
        "*",
        "--write-out",
        " HTTP/%{http_version}",
    ];
    run("curl", &[&silent[..], arguments].concat())
}

#[test]
fn http_1_and_http_2_in_clear_text() {
    let origin = Origin::text("hello");
    let gate = Gate::start(&all_to(origin.port(), ""));
    let url = format!("http://{}/", gate.listen);
    assert_eq!(curl(&["--http1.0", &url]), "hello HTTP/1");
    assert_eq!(curl(&["--http1.1", &url]), "hello HTTP/1.1");
    assert_eq!(curl(&["--http2-prior-knowledge", &url]), "hello HTTP/2");
    assert_eq!(curl(&["--http2", &url]), "hello HTTP/1.1", "the old upgrade from HTTP/1.1 is not taken up");
}

#[test]
fn http_1_and_http_2_over_tls() {
    let origin = Origin::text("hello");
    let certificates = Certificates::new(&["127.0.0.1"]);
    let authority = NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), &certificates.authority).unwrap();
    let gate = Setup::new(&all_to(origin.port(), "")).tls(&certificates.certificate, &certificates.key).start();
    let url = format!("https://{}/", gate.tls);
    let trust = ["--cacert", authority.path().to_str().unwrap()];
    assert_eq!(curl(&[&trust[..], &["--http1.1", &url]].concat()), "hello HTTP/1.1");
    assert_eq!(curl(&[&trust[..], &["--http2", &url]].concat()), "hello HTTP/2");
}

#[test]
fn uploads_and_downloads_of_all_sizes_arrive_whole() {
    let origin = Origin::start(|request| sluicegate_tests::origin::ok(&request.body));
    let gate = Gate::start(&all_to(origin.port(), ""));
    let url = format!("http://{}/", gate.listen);
    for size in [0, 1, 4095, 65_536, 3_000_001] {
        let body: Vec<u8> = (0..size).map(|position| b'a' + u8::try_from(position % 23).unwrap()).collect();
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &body).unwrap();
        let data = format!("@{}", file.path().display());
        for more in
            [&["--http1.1"][..], &["--http2-prior-knowledge"], &["--http1.1", "--header", "transfer-encoding: chunked"]]
        {
            let got = curl(&[more, &["--data-binary", &data, &url]].concat());
            let (got, _) = got.rsplit_once(" HTTP/").unwrap();
            assert!(got.as_bytes() == body, "{size} bytes with {more:?}: {} came back", got.len());
        }
    }
}
