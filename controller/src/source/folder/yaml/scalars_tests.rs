//! What `sigs.k8s.io/yaml` v1.6, which kubectl reads manifests with, makes of each text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value as Json, json};

use super::{Document, Node, Value, parse};

/// Plain scalars and their JSON.
const PLAIN: [(&str, &str); 126] = [
    ("y", "true"),
    ("Y", "true"),
    ("yes", "true"),
    ("Yes", "true"),
    ("YES", "true"),
    ("on", "true"),
    ("On", "true"),
    ("ON", "true"),
    ("true", "true"),
    ("True", "true"),
    ("TRUE", "true"),
    ("n", "false"),
    ("N", "false"),
    ("no", "false"),
    ("No", "false"),
    ("NO", "false"),
    ("off", "false"),
    ("Off", "false"),
    ("OFF", "false"),
    ("false", "false"),
    ("False", "false"),
    ("FALSE", "false"),
    ("nO", "\"nO\""),
    ("oN", "\"oN\""),
    ("tRUE", "\"tRUE\""),
    ("yEs", "\"yEs\""),
    ("~", "null"),
    ("null", "null"),
    ("Null", "null"),
    ("NULL", "null"),
    ("nULL", "\"nULL\""),
    ("0", "0"),
    ("00", "0"),
    ("-0", "0"),
    ("-0.0", "-0"),
    ("0.0", "0"),
    ("1", "1"),
    ("+12", "12"),
    ("-012", "-10"),
    ("017", "15"),
    ("09", "9"),
    ("08.5", "8.5"),
    ("010", "8"),
    ("0_7", "7"),
    ("0o17", "15"),
    ("0O17", "15"),
    ("0o", "\"0o\""),
    ("0777777777777777777777777", "7.777777777777778e+23"),
    ("0x1F", "31"),
    ("0X1f", "31"),
    ("0x_1F", "31"),
    ("+0x1F", "31"),
    ("-0x1F", "-31"),
    ("0x", "\"0x\""),
    ("0xg", "\"0xg\""),
    ("0x1p-2", "\"0x1p-2\""),
    ("0xffffffffffffffff", "18446744073709551615"),
    ("0b11", "3"),
    ("0B11", "3"),
    ("-0b11", "-3"),
    ("+0b11", "3"),
    ("0b-11", "-3"),
    ("0b+11", "3"),
    ("-0b-1", "\"-0b-1\""),
    ("0b2", "\"0b2\""),
    ("0b", "\"0b\""),
    ("1_000", "1000"),
    ("1__0", "10"),
    ("_1", "\"_1\""),
    ("1_", "1"),
    ("1_0.5", "10.5"),
    ("685_230.15", "685230.15"),
    ("9223372036854775807", "9223372036854775807"),
    ("-9223372036854775808", "-9223372036854775808"),
    ("9223372036854775808", "9223372036854775808"),
    ("18446744073709551615", "18446744073709551615"),
    ("18446744073709551616", "18446744073709552000"),
    ("-9223372036854775809", "-9223372036854776000"),
    ("+18446744073709551615", "18446744073709552000"),
    ("123456789012345678901234567890", "1.2345678901234568e+29"),
    ("80.0", "80"),
    ("1.", "1"),
    (".5", "0.5"),
    ("+.5", "0.5"),
    ("-.5", "-0.5"),
    ("._5", "\"._5\""),
    (".5_0", "0.5"),
    (".5_0_1", "0.501"),
    (".5__0", "\".5__0\""),
    (".5_", "\".5_\""),
    (".1e3", "100"),
    (".1e1_0", "1000000000"),
    (".1_e1", "\".1_e1\""),
    (".e1", "\".e1\""),
    (".", "\".\""),
    (".0x1p-2", "\".0x1p-2\""),
    ("1e3", "1000"),
    ("1E3", "1000"),
    ("1e+3", "1000"),
    ("1.5e-7", "1.5e-7"),
    ("12e03", "12000"),
    ("1e20", "100000000000000000000"),
    ("1e21", "1e+21"),
    ("1e400", "\"1e400\""),
    ("1e-400", "0"),
    ("1e", "\"1e\""),
    ("1e5x", "\"1e5x\""),
    ("1.0e2", "100"),
    ("3.0000000000000001", "3"),
    ("100.10", "100.1"),
    ("0.1", "0.1"),
    ("2001-01-01", "\"2001-01-01\""),
    ("2001-01-01T00:00:00Z", "\"2001-01-01T00:00:00Z\""),
    ("190:20:30", "\"190:20:30\""),
    ("1:30", "\"1:30\""),
    ("1-2", "\"1-2\""),
    ("+", "\"+\""),
    ("+-1", "\"+-1\""),
    ("=", "\"=\""),
    ("http://x", "\"http://x\""),
    ("x#c", "\"x#c\""),
    ("1.2.3", "\"1.2.3\""),
    ("1.2.3.4", "\"1.2.3.4\""),
    ("v1", "\"v1\""),
    ("1Mi", "\"1Mi\""),
    ("15s", "\"15s\""),
];

/// Scalars with tags or quotes, and their JSON.
const TAGGED: [(&str, &str); 19] = [
    ("!!str 010", "\"010\""),
    ("!!int \"10\"", "10"),
    ("!!float 1", "1"),
    ("!!float 0x1F", "31"),
    ("!!int 0x1F", "31"),
    ("!foo 010", "\"010\""),
    ("! 010", "\"010\""),
    ("!!bool \"yes\"", "true"),
    ("!!null", "null"),
    ("!!null ''", "null"),
    ("!!str ~", "\"~\""),
    ("!!str", "\"\""),
    ("!<tag:yaml.org,2002:str> 5", "\"5\""),
    ("!!timestamp 2001-01-01", "\"2001-01-01\""),
    ("!!int 18446744073709551615", "18446744073709551615"),
    ("'yes'", "\"yes\""),
    ("\"010\"", "\"010\""),
    ("''", "\"\""),
    ("'~'", "\"~\""),
];

/// Plain keys and the text that they become.
const KEYS: [(&str, &str); 20] = [
    ("a", "a"),
    ("y", "true"),
    ("1", "1"),
    ("1.5", "1.5"),
    ("1e3", "1000"),
    ("1e6", "1e+06"),
    ("1.5e10", "1.5e+10"),
    ("1e20", "1e+20"),
    ("0.0001", "0.0001"),
    ("0.00001", "1e-05"),
    ("1234567.0", "1.234567e+06"),
    ("16777217.0", "1.6777216e+07"),
    ("0x10", "16"),
    ("true", "true"),
    ("2001-01-01", "2001-01-01"),
    ("123456.5", "123456.5"),
    ("-0.0", "-0"),
    ("'y'", "y"),
    ("1_000", "1000"),
    (".5", "0.5"),
];

/// What kubectl refuses, and a part of what is said of it.
const REFUSED: [(&str, &str); 11] = [
    ("a: .inf", "not a finite number"),
    ("a: -.INF", "not a finite number"),
    ("a: .nan", "not a finite number"),
    ("a: !!float .inf", "not a finite number"),
    ("a: !!int 1.5", "!!int"),
    ("a: !!int x", "!!int"),
    ("a: !!bool 1", "!!bool"),
    ("a: !!null x", "!!null"),
    ("null: x", "cannot be a key"),
    ("18446744073709551615: x", "cannot be a key"),
    ("? [a]\n: x", "cannot be a key"),
];

fn only(text: &str) -> Document {
    let mut documents = parse(text);
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0).unwrap()
}

/// A tree as JSON.
pub(super) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::String(value) => json!(value),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect(),
    }
}

/// Numbers beyond 64 bits are floats to Kubernetes, however they are spelled; -0 is 0.
fn comparable(value: Json) -> Json {
    match value.as_f64() {
        Some(float) if value.as_i64().is_none() => json!(float + 0.0),
        _ => value,
    }
}

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    for (text, expected) in PLAIN.iter().chain(&TAGGED) {
        let document = only(&format!("a: {text}"));
        assert_eq!(document.flaws, [], "{text}");
        let expected: Json = serde_json::from_str(expected).unwrap();
        let read = comparable(json(document.root.get("a").unwrap()));
        let expected = if expected.as_f64() == Some(0.0) { json!(0) } else { comparable(expected) };
        assert_eq!(read, expected, "{text}");
    }
}

#[test]
fn keys_become_the_texts_that_kubectl_makes_of_them() {
    for (key, expected) in KEYS {
        let document = only(&format!("{key}: x"));
        assert_eq!(document.flaws, [], "{key}");
        assert_eq!(json(&document.root), json!({expected: "x"}), "{key}");
    }
}

#[test]
fn what_kubectl_refuses_is_refused() {
    for (text, part) in REFUSED {
        let document = only(text);
        assert_eq!(document.flaws.len(), 1, "{text}");
        assert!(document.flaws[0].message.contains(part), "{text}: {}", document.flaws[0].message);
        assert!(!document.flaws[0].harmless);
    }
}
