//! The reference page of a kind: one table of its fields, one of its rules.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;
use sluicegate_crds::scalars::{Duration, Percent, Size};

/// The page, as Markdown.
pub(crate) fn page(definition: &CustomResourceDefinition) -> String {
    let definition = serde_json::to_value(definition).unwrap();
    let names = &definition["spec"]["names"];
    let version = &definition["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let kind = text(&names["kind"]);

    let mut fields = Vec::new();
    let mut rules = Vec::new();
    walk("spec", &schema["properties"]["spec"], true, &mut fields, &mut rules);

    let mut page = String::new();
    writeln!(page, "<!-- Generated from crds/src: run `make crds` after a change there. -->\n").unwrap();
    writeln!(page, "# {kind}\n\n{}\n", text(&schema["description"])).unwrap();
    writeln!(
        page,
        "`apiVersion: {}/{}`, `kind: {kind}`, namespaced. With kubectl: `{}`, `{}`, category `{}`.\n",
        text(&definition["spec"]["group"]),
        text(&version["name"]),
        text(&names["plural"]),
        text(&names["shortNames"][0]),
        text(&names["categories"][0]),
    )
    .unwrap();
    page.push_str(
        "## Fields\n\nA duration is written as `15s`, `1m30s` or `100ms`; a size as `512`, `64Ki` or `10Mi`; a percentage as `10` or\n`\"0.1\"`.\n\n| field | type | default | what it does | allowed |\n| --- | --- | --- | --- | --- |\n",
    );
    for field in fields {
        page.push_str(&field);
    }
    page.push_str("\n## Rules\n\nAn object that breaks one of these is refused, with this message.\n\n");
    page.push_str("| field | message |\n| --- | --- |\n");
    for rule in rules {
        page.push_str(&rule);
    }
    page
}

fn walk(path: &str, schema: &Value, required: bool, fields: &mut Vec<String>, rules: &mut Vec<String>) {
    if path != "spec" {
        let default = match (&schema["default"], required) {
            (Value::Null, true) => "required".to_owned(),
            (Value::Null, false) => String::new(),
            (default, _) => format!("`{}`", text(default)),
        };
        let path = path.trim_start_matches("spec.");
        let description = text(&schema["description"]).replace('\n', " ");
        fields.push(row(&[format!("`{path}`"), type_of(schema), default, description, allowed(schema)]));
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let place = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
        rules.push(row(&[format!("`{place}`"), message(rule)]));
    }
    let mut item_rules = Vec::new();
    if schema["items"]["type"] != "object" {
        for rule in schema["items"]["x-kubernetes-validations"].as_array().into_iter().flatten() {
            item_rules.push(row(&[format!("`{path}[]`"), message(rule)]));
        }
    }
    rules.append(&mut item_rules);

    let (path, holder) = if schema["items"]["type"] == "object" {
        (format!("{path}[]"), &schema["items"])
    } else {
        (path.to_owned(), schema)
    };
    if path.ends_with("[]") {
        for rule in holder["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let place = format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default());
            rules.push(row(&[format!("`{place}`"), message(rule)]));
        }
    }
    for (name, property) in holder["properties"].as_object().into_iter().flatten() {
        let required = holder["required"].as_array().is_some_and(|required| required.iter().any(|field| field == name));
        walk(&format!("{path}.{name}"), property, required, fields, rules);
    }
}

/// A rule's message with what Markdown would take for markup escaped.
fn message(rule: &Value) -> String {
    text(&rule["message"]).replace('`', "\\`").replace('*', "\\*").replace('_', "\\_")
}

/// The scalar of ours that a schema is, by its pattern.
fn scalar(schema: &Value) -> Option<&'static str> {
    fn pattern<T: JsonSchema>() -> Value {
        T::json_schema(&mut SchemaGenerator::default()).to_value()["pattern"].clone()
    }
    let scalars =
        [("duration", pattern::<Duration>()), ("size", pattern::<Size>()), ("percentage", pattern::<Percent>())];
    scalars.into_iter().find(|(_, pattern)| schema["pattern"] == *pattern).map(|(name, _)| name)
}

fn row(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn type_of(schema: &Value) -> String {
    if let Some(scalar) = scalar(schema) {
        return scalar.to_owned();
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}s", type_of(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}s", type_of(&schema["additionalProperties"]))
        }
        Some(name) => name.to_owned(),
        None => String::new(),
    }
}

/// The bounds of a value in words; for a list, its own and those of its items.
fn allowed(schema: &Value) -> String {
    if scalar(schema).is_some() {
        return String::new();
    }
    let mut parts = Vec::new();
    if let Some(values) = schema["enum"].as_array() {
        parts.push(values.iter().map(|value| format!("`{}`", text(value))).collect::<Vec<_>>().join(", "));
    }
    let range = |low: &str, high: &str, what: &str| match (schema[low].as_f64(), schema[high].as_f64()) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}{what}")),
        (None, Some(high)) => Some(format!("at most {high}{what}")),
        (Some(low), None) => Some(format!("at least {low}{what}")),
        (None, None) => None,
    };
    parts.extend(range("minimum", "maximum", ""));
    parts.extend(range("minLength", "maxLength", " characters"));
    parts.extend(range("minItems", "maxItems", " items"));
    parts.extend(range("minProperties", "maxProperties", " entries"));
    if let Some(pattern) = schema["pattern"].as_str() {
        parts.push(format!("`{pattern}`"));
    }
    if let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() {
        parts.push(format!("each `{}` once", keys.iter().map(text).collect::<Vec<_>>().join("`, `")));
    }
    if schema["x-kubernetes-list-type"] == "set" {
        parts.push("each once".to_owned());
    }
    let inner = if schema["items"].is_object() { &schema["items"] } else { &schema["additionalProperties"] };
    if inner.is_object() && inner["type"] != "object" {
        let inner = allowed(inner);
        if !inner.is_empty() {
            parts.push(format!("each: {inner}"));
        }
    }
    parts.join("; ")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
