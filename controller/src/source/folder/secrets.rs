//! Secrets and `ConfigMaps` of a folder.
//!
//! A Secret's `stringData` may name environment variables as `${env:NAME}`, so that a folder can be kept in git. Nowhere
//! else does that text mean anything: a Rule that an API server would take as it is must mean the same here.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::Value as Json;

use super::schema::{Found, Values, check, config_map_schema, secret_schema};
use super::yaml::{Node, Span, Value};
use crate::objects::SecretData;
use crate::problem::{FieldPath, Severity};

/// Looks an environment variable up.
pub(crate) type Variables<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// What manifests are read for.
#[derive(Clone, Copy)]
pub(crate) struct Environment<'a> {
    /// The variables that Secrets find.
    pub(crate) variables: Variables<'a>,
    /// For a cluster, which has Services; else for a folder.
    pub(crate) cluster: bool,
}

/// Reads a `v1 Secret`.
pub(crate) fn secret(root: &Node, environment: Environment<'_>) -> (Option<SecretData>, Vec<Found>) {
    let (json, mut found) = check(secret_schema(), root, Values::Hide);
    let mut data = BTreeMap::new();
    for (key, value) in texts(json.as_ref(), "data") {
        let field = FieldPath::default().key("data").key(&key);
        match bytes(&value) {
            Some(bytes) => {
                data.insert(key, bytes);
            }
            None => found.push(problem(root, field, "is not base64", Some("under stringData it needs no encoding"))),
        }
    }
    for (key, value) in texts(json.as_ref(), "stringData") {
        let field = FieldPath::default().key("stringData").key(&key);
        match expand(&value, environment) {
            Ok(value) => {
                data.insert(key, value.into_bytes());
            }
            Err((message, hint)) => found.push(problem(root, field, &message, hint.as_deref())),
        }
    }
    found.extend(bad_keys(root, &["data", "stringData"]));
    (sound(&found).then_some(SecretData(data)), found)
}

/// Reads a `v1 ConfigMap`.
pub(crate) fn config_map(root: &Node) -> (Option<BTreeMap<String, String>>, Vec<Found>) {
    let (json, mut found) = check(config_map_schema(), root, Values::Show);
    found.extend(bad_keys(root, &["data"]));
    if let Some(entry) = root.entry("binaryData") {
        let field = FieldPath::default().key("binaryData");
        let mut warning =
            problem(root, field, "is not read: Sluicegate uses texts only", Some("put the text under data"));
        warning.problem.severity = Severity::Warning;
        warning.span = entry.key_span.clone();
        found.push(warning);
    }
    let data = texts(json.as_ref(), "data").collect();
    (sound(&found).then_some(data), found)
}

/// Every value of a Secret that must not be shown: all but what names the object.
pub(crate) fn secret_values(root: &Node) -> Vec<Span> {
    let mut spans = Vec::new();
    if let Value::Map(entries) = &root.value {
        for entry in entries {
            match entry.key.as_str() {
                "apiVersion" | "kind" | "type" | "immutable" => {}
                "metadata" => match &entry.value.value {
                    Value::Map(entries) => {
                        let named = |key: &str| matches!(key, "name" | "namespace" | "generateName");
                        for entry in entries.iter().filter(|entry| !named(&entry.key)) {
                            scalars(&entry.value, &mut spans);
                        }
                    }
                    _ => scalars(&entry.value, &mut spans),
                },
                _ => scalars(&entry.value, &mut spans),
            }
        }
    }
    spans
}

fn scalars(node: &Node, spans: &mut Vec<Span>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| scalars(item, spans)),
        Value::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.value, spans)),
        _ => spans.push(node.span.clone()),
    }
}

fn sound(found: &[Found]) -> bool {
    found.iter().all(|found| found.problem.severity == Severity::Warning)
}

fn problem(root: &Node, field: FieldPath, message: &str, hint: Option<&str>) -> Found {
    let span = root.locate(&field);
    Found { problem: super::schema::invalid(field, message.to_owned(), hint.map(str::to_owned)), span }
}

/// The text entries of a mapping of the document.
fn texts(json: Option<&Json>, field: &str) -> impl Iterator<Item = (String, String)> {
    let entries = json.and_then(|json| json.get(field)).and_then(Json::as_object);
    let text = |(key, value): (&String, &Json)| Some((key.clone(), value.as_str()?.to_owned()));
    entries.into_iter().flatten().filter_map(text)
}

/// Keys that Kubernetes would refuse.
fn bad_keys<'a>(root: &'a Node, fields: &'a [&'a str]) -> impl Iterator<Item = Found> + 'a {
    let good = |key: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=253).contains(&key.len()) && key.bytes().all(letters) && key != "." && !key.starts_with("..")
    };
    fields.iter().flat_map(move |field| {
        let entries = match root.get(field).map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().filter(move |entry| !good(&entry.key)).map(move |entry| Found {
            problem: super::schema::invalid(
                FieldPath::default().key(field).key(&entry.key),
                "the key may hold letters, digits, `-`, `_` and `.` only".to_owned(),
                None,
            ),
            span: entry.key_span.clone(),
        })
    })
}

/// Decodes base64 as Kubernetes does: line breaks do not count.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = Json::String(text.replace(['\r', '\n'], ""));
    serde_json::from_value::<ByteString>(text).ok().map(|bytes| bytes.0)
}

/// Puts environment variables in. The error says what is wrong and never what the text holds besides.
fn expand(text: &str, environment: Environment<'_>) -> Result<String, (String, Option<String>)> {
    const OPEN: &str = "${env:";
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let hint = || Some("write it as ${env:NAME}".to_owned());
        let (name, tail) = after.split_once('}').ok_or_else(|| (format!("`{OPEN}` has no end"), hint()))?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(letter) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err((format!("`{OPEN}` does not name an environment variable"), hint()));
        }
        let value = (environment.variables)(name).ok_or_else(|| {
            let message = format!("the environment variable {name} is not set");
            (message, Some(format!("set {name} for the process that runs Sluicegate")))
        })?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = tail;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
