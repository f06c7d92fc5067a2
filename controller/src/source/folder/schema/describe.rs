//! The words for what is wrong with a value, and the hints.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use sluicegate_crds::scalars::{Duration, Percent, Size};

use super::super::suggest;
use super::super::yaml::scalars::Scalar;
use super::super::yaml::{Node, Value};
use super::walk::Values;

/// `is the number 8`, or where the file says something else than what is read, `010 reads as the number 8`.
pub(crate) fn value(node: &Node, values: Values) -> String {
    let scalar = match &node.value {
        Value::Null if node.plain.as_deref().is_none_or(str::is_empty) => return "is empty".to_owned(),
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Int(value) => Scalar::Int(*value),
        Value::Float(value) => Scalar::Float(*value),
        Value::String(_) if values == Values::Hide => return "is a string".to_owned(),
        Value::String(text) => Scalar::String(shorten(text)),
        Value::List(_) => return "is a list".to_owned(),
        Value::Map(_) => return "is a mapping".to_owned(),
    };
    if values == Values::Hide {
        let kind = match scalar {
            Scalar::Bool(_) => "a boolean",
            Scalar::Null => "null",
            _ => "a number",
        };
        return format!("is read as {kind}");
    }
    let as_json = match &scalar {
        Scalar::Null => "null".to_owned(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::String(_) => return format!("is {scalar}"),
    };
    match node.plain.as_deref() {
        Some(plain) if plain != as_json => format!("{plain} reads as {scalar}"),
        _ => format!("is {scalar}"),
    }
}

/// What to write where a value is of the wrong type.
pub(crate) fn type_hint(expected: &str, node: &Node, values: Values) -> Option<String> {
    match (expected, &node.value) {
        ("a string", Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Null) => match node.plain.as_deref() {
            Some(plain) if !plain.is_empty() && values == Values::Show => {
                Some(format!("put it in quotes: \"{plain}\""))
            }
            Some(plain) if !plain.is_empty() => Some("put it in quotes".to_owned()),
            _ => None,
        },
        ("a whole number" | "a number", Value::String(text))
            if text.parse::<f64>().is_ok() && values == Values::Show =>
        {
            Some(format!("take the quotes off: {text}"))
        }
        ("true or false", Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            Some(format!("take the quotes off: {text}"))
        }
        ("a list", Value::Null) => None,
        ("a list", _) => Some("begin each item with \"- \"".to_owned()),
        ("a mapping", Value::List(_)) => Some("take off the \"- \"".to_owned()),
        _ => None,
    }
}

/// What to write where a field is unknown.
pub(crate) fn unknown_field_hint(field: &str, known: &[&str]) -> Option<String> {
    if matches!(field, "true" | "false") {
        return Some("y, n, yes, no, on and off are booleans unless they are in quotes".to_owned());
    }
    suggest::hint(field, known).or_else(|| match known {
        [] => None,
        known if known.len() <= 16 => Some(format!("the fields here are {}", known.join(", "))),
        _ => None,
    })
}

/// What to write where a text does not match a pattern: the patterns of our own scalars have words for it.
pub(crate) fn pattern_hint(pattern: &str) -> Option<String> {
    static SCALARS: OnceLock<[(String, &str); 3]> = OnceLock::new();
    let scalars = SCALARS.get_or_init(|| {
        [
            (pattern_of::<Duration>(), "write a duration as 15s, 1m30s or 100ms"),
            (pattern_of::<Size>(), "write a size as 512, 64Ki or 10Mi"),
            (pattern_of::<Percent>(), "write a percentage from 0 to 100, such as 10 or \"0.1\""),
        ]
    });
    scalars.iter().find(|(of, _)| of == pattern).map(|(_, hint)| (*hint).to_owned())
}

fn pattern_of<T: schemars::JsonSchema>() -> String {
    let schema = SchemaSettings::openapi3().into_generator().into_root_schema_for::<T>();
    schema.get("pattern").and_then(|pattern| pattern.as_str()).unwrap_or_default().to_owned()
}

/// A text short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}
