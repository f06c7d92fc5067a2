//! Both forms of an explanation, and what cannot be explained.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::arguments::{Arguments, Command};

/// What the program prints for these arguments.
fn printed(arguments: &[&str]) -> anyhow::Result<String> {
    let all = ["sluicegate", "explain", "tests/fixtures/good"].iter().chain(arguments);
    let Command::Explain(arguments) = Arguments::try_parse_from(all).unwrap().command else { panic!() };
    let mut out = Vec::new();
    explain(&arguments, &mut out).map(|_| String::from_utf8(out).unwrap())
}

#[test]
fn for_people() {
    let text =
        printed(&["POST", "http://api.example.com/v1/x?y=1", "--body-file", "tests/fixtures/model.json"]).unwrap();
    assert!(!text.contains("planted-secret-value"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn for_programs() {
    let text = printed(&["GET", "/anything", "-H", "Host: other.example.com", "-o", "json"]).unwrap();
    let explanation: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(explanation["rule"], "default/rest");
    assert_eq!(explanation["forwarded"]["url"], "http://127.0.0.1:9109/anything");
}

#[test]
fn what_is_no_request_is_said() {
    let error = |arguments: &[&str]| format!("{:#}", printed(arguments).unwrap_err());
    assert!(error(&["GET", "nowhere"]).starts_with("`nowhere` is no URL"));
    assert!(error(&["GET", "http://h.test/", "-H", "none"]).starts_with("`none` is no header"));
    let missing = error(&["GET", "http://h.test/", "--body-file", "tests/fixtures/none.json"]);
    assert!(missing.starts_with("cannot read tests/fixtures/none.json: "), "{missing}");
    assert!(error(&["GET"]).contains("needs a folder, a method and a URL"));
    assert!(error(&["GET", "http://h.test/", "--live"]).contains("and no folder"));
}
