#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
// `json!` makes values, and rows read better without a `&` before each.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value as Json, json};

use super::super::yaml::{Node, parse};
use super::compile::Schema;
use super::{KindSchema, Values, check};
use crate::objects::Kind;

fn node(text: &str) -> Node {
    parse(text).remove(0).unwrap().root
}

/// Checks a YAML text against a schema: the value, and `field: message` with the underlined text of each problem.
fn checked(schema: Json, text: &str) -> (Option<Json>, Vec<(String, String)>) {
    let mut unknown = Vec::new();
    let schema = Schema::compile(&schema, &mut unknown);
    assert_eq!(unknown, Vec::<String>::new());
    let (json, found) = check(&schema, &node(text), Values::Show);
    let said = |found: super::Found| {
        let field = found.problem.field.to_string();
        (format!("{field}: {}", found.problem.message), text[found.span].to_owned())
    };
    (json, found.into_iter().map(said).collect())
}

fn object(properties: Json) -> Json {
    json!({"type": "object", "properties": properties})
}

/// One row: the schema of the field `a`, its YAML, and what is said of it.
#[track_caller]
fn row(schema: Json, text: &str, expected: &[&str]) {
    let (_, found) = checked(object(json!({"a": schema})), &format!("a: {text}"));
    let messages: Vec<_> = found.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(messages, expected, "{text}");
}

#[test]
fn types_are_as_strict_as_an_api_server() {
    let string = || json!({"type": "string"});
    row(string(), "x", &[]);
    row(string(), "'010'", &[]);
    row(string(), "010", &["a: must be a string, but 010 reads as the number 8"]);
    row(string(), "80", &["a: must be a string, but is the number 80"]);
    row(string(), "no", &["a: must be a string, but no reads as the boolean false"]);
    row(string(), "[x]", &["a: must be a string, but is a list"]);
    row(string(), "{x: y}", &["a: must be a string, but is a mapping"]);
    let integer = || json!({"type": "integer"});
    row(integer(), "80", &[]);
    row(integer(), "80.0", &[]);
    row(integer(), "0x50", &[]);
    row(integer(), "80.5", &["a: must be a whole number, but is the number 80.5"]);
    row(integer(), "'80'", &["a: must be a whole number, but is the string \"80\""]);
    row(
        integer(),
        "99999999999999999999",
        &["a: must be a whole number, but 99999999999999999999 reads as the number 100000000000000000000"],
    );
    row(json!({"type": "number"}), "1", &[]);
    row(json!({"type": "number"}), "1.5", &[]);
    row(json!({"type": "boolean"}), "on", &[]);
    row(json!({"type": "boolean"}), "'on'", &["a: must be true or false, but is the string \"on\""]);
    row(json!({"type": "array", "items": string()}), "x", &["a: must be a list, but is the string \"x\""]);
    row(object(json!({})), "[x]", &["a: must be a mapping, but is a list"]);
    let int_or_string = || json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^[0-9]+%?$", "minimum": 1});
    row(int_or_string(), "5", &[]);
    row(int_or_string(), "5%", &[]);
    row(int_or_string(), "0", &["a: must be at least 1, but is the number 0"]);
    row(int_or_string(), "x", &["a: \"x\" does not match the pattern ^[0-9]+%?$"]);
    row(int_or_string(), "0.1", &["a: must be a whole number or a string, but is the number 0.1"]);
    row(
        json!({"type": "integer", "format": "int32"}),
        "2147483648",
        &["a: must be at most 2147483647, but is the number 2147483648"],
    );
}

#[test]
fn values_are_bounded() {
    row(json!({"type": "integer", "minimum": 1, "maximum": 9}), "0", &["a: must be at least 1, but is the number 0"]);
    row(
        json!({"type": "integer", "minimum": 1, "maximum": 9}),
        "0o12",
        &["a: must be at most 9, but 0o12 reads as the number 10"],
    );
    row(
        json!({"type": "number", "minimum": 0, "exclusiveMinimum": true}),
        "0",
        &["a: must be above 0, but is the number 0"],
    );
    row(
        json!({"type": "number", "maximum": 1, "exclusiveMaximum": true}),
        "1",
        &["a: must be below 1, but is the number 1"],
    );
    row(json!({"type": "integer", "multipleOf": 5}), "7", &["a: must be a multiple of 5, but is the number 7"]);
    row(json!({"type": "string", "minLength": 1}), "''", &["a: must have at least 1 characters, but has 0"]);
    row(json!({"type": "string", "maxLength": 2}), "äöü", &["a: must have at most 2 characters, but has 3"]);
    row(json!({"type": "string", "maxLength": 3}), "äöü", &[]);
    row(json!({"type": "array", "items": {}, "minItems": 1}), "[]", &["a: must have at least 1 items, but has 0"]);
    row(json!({"type": "array", "items": {}, "maxItems": 1}), "[1, 2]", &["a: must have at most 1 items, but has 2"]);
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1});
    row(map, "{a: x, b: z}", &["a: must have at most 1 fields, but has 2"]);
    row(
        json!({"type": "string", "enum": ["One", "Two"]}),
        "one",
        &["a: must be one of One, Two, but is the string \"one\""],
    );
    row(json!({"type": "string", "enum": ["One", "Two"]}), "5", &["a: must be one of One, Two, but is the number 5"]);
}

#[test]
fn fields_are_known_and_required() {
    let schema = json!({"type": "object", "required": ["name", "size"], "properties": {"name": {"type": "string"}, "size": {"type": "integer", "default": 3}}});
    let text = "a:\n  nmae: x\n";
    let (json, found) = checked(object(json!({"a": schema})), text);
    assert_eq!(json.unwrap(), json!({"a": {"size": 3}}));
    assert_eq!(
        found,
        [
            ("a.nmae: unknown field \"nmae\"".to_owned(), "nmae".to_owned()),
            ("a.name: the required field \"name\" is missing".to_owned(), "a".to_owned()),
        ]
    );
    row(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}), "{any: [thing]}", &[]);
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    row(map, "{x/y: 1}", &["a[\"x/y\"]: must be a string, but is the number 1"]);
}

#[test]
fn null_is_a_field_left_out_unless_it_is_a_value() {
    let schema = object(json!({
        "plain": {"type": "string"}, "nullable": {"type": "string", "nullable": true},
        "default": {"type": "string", "default": "d"}, "list": {"type": "array", "items": {"type": "string"}},
    }));
    let (json, found) = checked(schema, "plain:\nnullable: ~\ndefault: null\nlist: [a, ~]");
    assert_eq!(json.unwrap(), json!({"nullable": null, "default": "d", "list": ["a"]}));
    assert_eq!(found, [("list[1]: must be a string, but ~ reads as null".to_owned(), "~".to_owned())]);
    row(
        json!({"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}}),
        "{b: }",
        &["a.b: the required field \"b\" is missing"],
    );
}

#[test]
fn defaults_are_filled_in_at_every_depth() {
    let inner = json!({"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 1}}});
    let schema = object(json!({"a": inner, "list": {"type": "array", "items": inner}}));
    assert_eq!(
        checked(schema.clone(), "list: [{}, {x: 2}]").0.unwrap(),
        json!({"a": {"x": 1}, "list": [{"x": 1}, {"x": 2}]})
    );
    assert_eq!(checked(schema, "a: {x: 5}").0.unwrap(), json!({"a": {"x": 5}}));
}

#[test]
fn lists_repeat_nothing_that_is_a_key() {
    let map = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"],
        "items": object(json!({"name": {"type": "string"}, "port": {"type": "integer", "default": 80}})),
    });
    row(map.clone(), "[{name: x}, {name: x, port: 81}]", &[]);
    row(map, "[{name: x}, {name: z}, {name: x, port: 80}]", &["a[2]: repeats name x, port 80 of item 0 of this list"]);
    let set = json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}});
    row(set, "[x, z, x]", &["a[2]: repeats x of item 0 of this list"]);
    row(json!({"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}}), "[x, x]", &[]);
}

#[test]
fn conditions_hold_together() {
    let one = json!({"type": "object", "properties": {"x": {"type": "integer"}, "z": {"type": "integer"}},
        "oneOf": [{"required": ["x"]}, {"required": ["z"]}]});
    row(one.clone(), "{x: 1}", &[]);
    row(one.clone(), "{x: 1, z: 1}", &["a: fits 2 of the forms it may have, but must fit exactly one"]);
    row(
        one,
        "{}",
        &[
            "a: fits none of the forms it may have: x the required field \"x\" is missing; or z the required field \"z\" is missing",
        ],
    );
    let any = json!({"type": "integer", "anyOf": [{"maximum": 1}, {"minimum": 9}]});
    row(any.clone(), "9", &[]);
    row(json!({"type": "integer", "not": {"enum": [5]}}), "5", &["a: has a form that is not allowed"]);
    row(
        json!({"type": "string", "allOf": [{"type": "string", "minLength": 2}, {"type": "string", "pattern": "^x"}]}),
        "z",
        &["a: must have at least 2 characters, but has 1", "a: \"z\" does not match the pattern ^x"],
    );
}

#[test]
fn secret_values_stay_secret() {
    let schema = object(json!({
        "a": {"type": "string", "pattern": "^x$"}, "b": {"type": "string"}, "c": {"type": "string", "enum": ["x"]},
        "d": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    }));
    let schema = Schema::compile(&schema, &mut Vec::new());
    let (_, found) = check(&schema, &node("a: planted\nb: 0987\nc: planted\nd: [planted, planted]"), Values::Hide);
    let shown = format!("{found:?}");
    assert_eq!(found.len(), 4, "{shown}");
    assert!(!shown.contains("planted") && !shown.contains("987"), "{shown}");
}

#[test]
fn a_keyword_that_the_walk_does_not_know_is_reported() {
    let mut unknown = Vec::new();
    Schema::compile(
        &object(json!({"a": {"type": "string", "contentEncoding": "base64", "pattern": "("}})),
        &mut unknown,
    );
    assert_eq!(unknown.len(), 2, "{unknown:?}");
    for kind in [Kind::Rule, Kind::Upstream, Kind::Target] {
        assert_eq!(KindSchema::of(kind).unknown(), Vec::<String>::new(), "{kind}");
    }
}

/// `field: message` of what a kind's schema and rules say to a spec, with the underlined text.
fn said(kind: Kind, spec: &str) -> Vec<(String, String)> {
    let text = format!("apiVersion: sluicegate.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n");
    let (json, found) = KindSchema::of(kind).check(&node(&text));
    assert_eq!(json.is_some(), found.is_empty());
    let said = |found: super::Found| {
        (format!("{}: {}", found.problem.field, found.problem.message), text[found.span].to_owned())
    };
    found.into_iter().map(said).collect()
}

#[test]
fn the_rules_of_the_kinds_are_evaluated_and_point_at_their_fields() {
    assert_eq!(said(Kind::Rule, "{upstream: chat}"), []);
    let found = said(Kind::Rule, "{upstream: chat, targets: [{url: 'http://a'}]}");
    assert_eq!(found, [("spec: write exactly one of upstream and targets".to_owned(), "spec".to_owned())]);
    let found = said(Kind::Target, "{host: a.example.com, port: 80, tls: {serverName: b}}");
    assert_eq!(found[0].1, "tls", "{found:?}");
    let found = said(Kind::Rule, "{upstream: chat, hostnames: [a.example.com, 'a:80']}");
    assert!(found[0].0.starts_with("spec.hostnames[1]: "), "{found:?}");
    assert_eq!(found[0].1, "'a:80'");
    // The rules see defaults, as they do on an API server: a Prefix must begin with a slash, and Prefix is the default.
    let found = said(Kind::Rule, "{upstream: chat, matches: [{path: {value: api}}]}");
    assert_eq!((found.len(), found[0].1.as_str()), (1, "api"), "{found:?}");
}

#[test]
fn rules_wait_until_the_schema_holds() {
    let found = said(Kind::Rule, "{upstream: 5, targets: [{url: 'http://a'}]}");
    assert_eq!(found, [("spec.upstream: must be a string, but is the number 5".to_owned(), "5".to_owned())]);
}
