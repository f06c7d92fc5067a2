//! Starting with bad input: one clear sentence and a non-zero exit status.

use std::net::TcpListener;
use std::process::{Command, Output};

use sluicegate_tests::manifests::{all_to, rule};
use sluicegate_tests::program::program;
use sluicegate_tests::tools::both;
use tempfile::TempDir;

fn run(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("the program starts")
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

#[track_caller]
fn fails(output: &Output, words: &[&str]) {
    let text = both(output);
    assert!(!output.status.success(), "it should have failed: {text}");
    assert!(output.status.code().is_some(), "it ended by itself: {text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    fails(&run(&["run", "/nowhere/at/all"]), &["/nowhere/at/all"]);
}

#[test]
fn a_folder_without_a_valid_rule_is_refused() {
    let empty = folder(&[("sluicegate.yaml", "listeners:\n- address: 127.0.0.1:0\nadmin: {address: 127.0.0.1:0}\n")]);
    fails(&run(&["run", empty.path().to_str().unwrap()]), &["no Rule"]);
    let invalid = folder(&[
        ("a.yaml", &rule("bad", "nonsense: 1")),
        ("sluicegate.yaml", "listeners:\n- address: 127.0.0.1:0\nadmin: {address: 127.0.0.1:0}\n"),
    ]);
    fails(&run(&["run", invalid.path().to_str().unwrap()]), &["no valid Rule", "check"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder(&[("a.yaml", &all_to(1, ""))]);
    let output = run(&["run", folder.path().to_str().unwrap(), "--listen", &address, "--admin", "127.0.0.1:0"]);
    fails(&output, &[&address]);
}

#[test]
fn a_bad_configuration_is_named_with_its_line() {
    let folder =
        folder(&[("a.yaml", &all_to(1, "")), ("sluicegate.yaml", "listeners:\n- address: 127.0.0.1:0\nlimts: {}\n")]);
    fails(&run(&["run", folder.path().to_str().unwrap()]), &["sluicegate.yaml", "limts", "3"]);
}

#[test]
fn a_certificate_that_is_not_there_is_named() {
    let folder = folder(&[
        ("a.yaml", &all_to(1, "")),
        (
            "sluicegate.yaml",
            "listeners:\n- {address: 127.0.0.1:0, tls: {certificates: [{certificate: gone.crt, key: gone.key}]}}\nadmin: {address: 127.0.0.1:0}\n",
        ),
    ]);
    fails(&run(&["run", folder.path().to_str().unwrap()]), &["gone.crt"]);
}

#[test]
fn check_names_file_line_and_field_and_its_status_tells() {
    let good = folder(&[("a.yaml", &all_to(1, ""))]);
    let output = run(&["check", good.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", both(&output));
    let bad = folder(&[
        ("a.yaml", &all_to(1, "")),
        ("b.yaml", &rule("bad", "matches: [{path: {value: no-slash}}]\nupstream: gone")),
    ]);
    let output = run(&["check", bad.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    fails(&output, &["b.yaml"]);
    let output = run(&["check", bad.path().to_str().unwrap(), "-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the report is JSON");
    assert!(report.to_string().contains("b.yaml"), "{report}");
}

#[test]
fn the_kinds_are_printed() {
    let output = run(&["crds"]);
    assert!(output.status.success());
    let text = both(&output);
    for kind in ["upstreams.sluicegate.dev", "targets.sluicegate.dev", "rules.sluicegate.dev"] {
        assert!(text.contains(kind), "{kind}");
    }
}

#[test]
fn nonsense_on_the_command_line_is_explained() {
    fails(&run(&["serve"]), &["serve", "Usage"]);
}
