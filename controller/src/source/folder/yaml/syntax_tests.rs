//! What `sigs.k8s.io/yaml` v1.6, which kubectl reads manifests with, makes of YAML's many ways to write a thing. Ours is a
//! YAML 1.2 parser and theirs a YAML 1.1 one; where that shows, a row would fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value as Json;

use super::parse;
use super::scalars_tests::json;

/// Documents and their JSON.
const READ: [(&str, &str); 63] = [
    ("{a: {a:1}}", "{\"a\": {\"a:1\": null}}"),
    ("a: [a, b, ]", "{\"a\": [\"a\", \"b\"]}"),
    ("a: {a, b: 1}", "{\"a\": {\"a\": null, \"b\": 1}}"),
    ("a: http://x/y?z#w", "{\"a\": \"http://x/y?z#w\"}"),
    ("a: {u: http://x}", "{\"a\": {\"u\": \"http://x\"}}"),
    ("a: [http://x, 'y:z']", "{\"a\": [\"http://x\", \"y:z\"]}"),
    ("a:\tb", "{\"a\": \"b\"}"),
    ("\u{feff}a: 1", "{\"a\": 1}"),
    ("? a\n: b", "{\"a\": \"b\"}"),
    ("? a\n? b\n", "{\"a\": null, \"b\": null}"),
    ("%YAML 1.1\n---\na: 1", "{\"a\": 1}"),
    ("--- {a: 1}", "{\"a\": 1}"),
    ("--- # c\na: 1\n...\n", "{\"a\": 1}"),
    ("a: |\n  one\n  two\n", "{\"a\": \"one\\ntwo\\n\"}"),
    ("a: |-\n  one\n  two\n\n", "{\"a\": \"one\\ntwo\"}"),
    ("a: |+\n  one\n\nb: 1\n", "{\"a\": \"one\\n\\n\", \"b\": 1}"),
    ("a: >\n  one\n  two\n\n  three\n", "{\"a\": \"one two\\nthree\\n\"}"),
    ("a: >-\n  one\n   two\n  three\n", "{\"a\": \"one\\n two\\nthree\"}"),
    ("a: |2\n    one\n", "{\"a\": \"  one\\n\"}"),
    ("a: 'it''s'", "{\"a\": \"it's\"}"),
    ("a: 'x\n  y\n\n  z'", "{\"a\": \"x y\\nz\"}"),
    ("a: \"x\\ty\\u00e4\\x41\\n\"", "{\"a\": \"x\\tyäA\\n\"}"),
    ("a: \"x\\\n  y\"", "{\"a\": \"xy\"}"),
    ("a: \"x\n  y\"", "{\"a\": \"x y\"}"),
    ("a: x\n  y\n  z\n", "{\"a\": \"x y z\"}"),
    ("a: x # c\nb: 'x # y'", "{\"a\": \"x\", \"b\": \"x # y\"}"),
    ("a: x#c", "{\"a\": \"x#c\"}"),
    ("a:\n- b\n- c\n", "{\"a\": [\"b\", \"c\"]}"),
    ("a:\n  - - x\n    - y\n  - z: 1\n    w: 2\n", "{\"a\": [[\"x\", true], {\"w\": 2, \"z\": 1}]}"),
    ("a: !!set {x, z}", "{\"a\": {\"x\": null, \"z\": null}}"),
    ("a: &x 1\nb: *x", "{\"a\": 1, \"b\": 1}"),
    ("a: &x [1, 2]\nb: *x\n", "{\"a\": [1, 2], \"b\": [1, 2]}"),
    ("a: &x {k: v}\nb:\n  <<: *x\n  l: w\n", "{\"a\": {\"k\": \"v\"}, \"b\": {\"k\": \"v\", \"l\": \"w\"}}"),
    ("a: {}\nb: []\nc: ''\nd:\n", "{\"a\": {}, \"b\": [], \"c\": \"\", \"d\": null}"),
    ("\"a b\": 1\n'c': 2\n", "{\"a b\": 1, \"c\": 2}"),
    ("a: :x", "{\"a\": \":x\"}"),
    ("- a: 1\n  b: 2\n-\n- c\n", "[{\"a\": 1, \"b\": 2}, null, \"c\"]"),
    ("a: [\n]", "{\"a\": []}"),
    ("a: [x,\n  y]\n", "{\"a\": [\"x\", true]}"),
    ("a: {b: 1,\n  c: 2}\n", "{\"a\": {\"b\": 1, \"c\": 2}}"),
    ("a: |\n one\n  two\n", "{\"a\": \"one\\n two\\n\"}"),
    ("a: ''''", "{\"a\": \"'\"}"),
    ("a: !x {b: 1}", "{\"a\": {\"b\": 1}}"),
    ("a: !!map {b: 1}", "{\"a\": {\"b\": 1}}"),
    ("a: 1\r\nb: 2\r\n", "{\"a\": 1, \"b\": 2}"),
    ("a: \"x\\ \\_\\N\"", "{\"a\": \"x \u{a0}\u{85}\"}"),
    ("a: {\"b\":1}", "{\"a\": {\"b\": 1}}"),
    ("a: {'b':1, c: [1,2,{d: e}]}", "{\"a\": {\"b\": 1, \"c\": [1, 2, {\"d\": \"e\"}]}}"),
    ("a: ä€\u{1f600}", "{\"a\": \"ä€\u{1f600}\"}"),
    ("a: 'x\u{2028}y'", "{\"a\": \"x\u{2028}y\"}"),
    ("a: >\n\n  x\n", "{\"a\": \"\\nx\\n\"}"),
    ("key with spaces: v", "{\"key with spaces\": \"v\"}"),
    ("a: # comment\n  b: 1", "{\"a\": {\"b\": 1}}"),
    ("a:\n# c\n  b: 1", "{\"a\": {\"b\": 1}}"),
    ("a: |\n  # no comment\n", "{\"a\": \"# no comment\\n\"}"),
    ("&a a: 1", "{\"a\": 1}"),
    ("a: !!str 1", "{\"a\": \"1\"}"),
    ("{}", "{}"),
    ("[]", "[]"),
    ("~", "null"),
    ("'x'", "\"x\""),
    ("# only\n", "null"),
    ("", "null"),
];

/// What is no YAML to kubectl.
const REFUSED: [&str; 18] = [
    "a: -1\nb: - \n",
    "a: [ - ]",
    "a: x:",
    "a: 'x':",
    "a: *x",
    "a: @x",
    "a: `x",
    "a: %x",
    "a: [a,,b]",
    "a: {a: 1}}",
    "a: b: c",
    "a: x\n\tb",
    "a:\n b: 1\n  c: 2\n",
    "a: 1\n b: 2\n",
    "a: \"\\d\"",
    "a: ? b",
    "a: \u{7}",
    "a: - b",
];

#[test]
fn documents_mean_what_they_mean_to_kubectl() {
    for (text, expected) in READ {
        let read = match parse(text).into_iter().next() {
            Some(document) => {
                let document = document.unwrap_or_else(|broken| panic!("{text:?}: {broken:?}"));
                assert_eq!(document.flaws, [], "{text:?}");
                json(&document.root)
            }
            None => Json::Null,
        };
        assert_eq!(read, serde_json::from_str::<Json>(expected).unwrap(), "{text:?}");
    }
}

#[test]
fn what_is_no_yaml_to_kubectl_is_none_here() {
    for text in REFUSED {
        assert!(parse(text).iter().any(Result::is_err), "{text:?}");
    }
}
