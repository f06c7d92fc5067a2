//! The walk of a document along its schema: every problem, and the value with its defaults.

use std::collections::HashMap;

use serde_json::{Map, Number, Value as Json};
use sluicegate_crds::status::{ConditionType, Reason};

use super::super::yaml::{Entry, Node, Span, Value};
use super::compile::{ListShape, Numbers, ObjectShape, Schema, Shape, Texts, Unique};
use super::describe;
use crate::problem::{FieldPath, Problem, Severity};

/// A problem and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// The problem.
    pub(crate) problem: Problem,
    /// The bytes to underline.
    pub(crate) span: Span,
}

/// Whether messages may show values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// They may.
    Show,
    /// They are secret.
    Hide,
}

/// Checks a document, defaults its fields, and turns it into JSON. `None` where not even its type is right; where
/// problems were found the JSON lacks what is wrong.
pub(crate) fn check(schema: &Schema, root: &Node, values: Values) -> (Option<Json>, Vec<Found>) {
    let mut walk = Walk { values, found: Vec::new() };
    let json = walk.node(schema, root, &root.head(), &Path::Root);
    (json, walk.found)
}

/// A field's path while walking, without an allocation per field.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn field(&self) -> FieldPath {
        match self {
            Self::Root => FieldPath::default(),
            Self::Key(parent, key) => parent.field().key(key),
            Self::Index(parent, index) => parent.field().index(*index),
        }
    }
}

struct Walk {
    values: Values,
    found: Vec<Found>,
}

impl Walk {
    /// `place` is what to underline where the node itself is no scalar: its key.
    fn node(&mut self, schema: &Schema, node: &Node, place: &Span, path: &Path<'_>) -> Option<Json> {
        if node.value == Value::Null && schema.nullable {
            return Some(Json::Null);
        }
        let underline = if node.is_scalar() && !node.span.is_empty() { &node.span } else { place };
        let json = match (&schema.shape, &node.value) {
            (Shape::Any, _) => Some(plain_json(node)),
            (Shape::String | Shape::IntOrString, Value::String(text)) => {
                self.text(&schema.texts, text, underline, path);
                Some(Json::String(text.clone()))
            }
            (Shape::Integer | Shape::Number | Shape::IntOrString, Value::Int(number)) => {
                self.number(&schema.numbers, *number as f64, node, underline, path);
                Some(Json::from(*number))
            }
            (Shape::Number, Value::Float(number)) => {
                self.number(&schema.numbers, *number, node, underline, path);
                Number::from_f64(*number).map(Json::Number)
            }
            (Shape::Boolean, Value::Bool(value)) => Some(Json::Bool(*value)),
            (Shape::List(list), Value::List(items)) => Some(self.list(list, items, place, path)),
            (Shape::Object(object), Value::Map(entries)) => Some(self.object(object, entries, place, path)),
            (shape, _) => {
                let expected = expected(shape);
                let read = describe::value(node, self.values);
                if schema.one_of_values.is_empty() {
                    // Quotes alone do not make a duration of a number.
                    let pattern = schema.texts.pattern.as_ref().map(regex::Regex::as_str);
                    let hint = pattern.and_then(describe::pattern_hint);
                    let hint = hint.or_else(|| describe::type_hint(expected, node, self.values));
                    self.report(path.field(), underline, format!("must be {expected}, but {read}"), hint);
                } else {
                    let known = choices(schema).join(", ");
                    self.report(path.field(), underline, format!("must be one of {known}, but {read}"), None);
                }
                None
            }
        }?;
        self.enumeration(schema, node, &json, underline, path);
        self.conditions(schema, node, underline, path);
        Some(json)
    }

    fn object(&mut self, object: &ObjectShape, entries: &[Entry], place: &Span, path: &Path<'_>) -> Json {
        let mut json = Map::new();
        for entry in entries {
            let schema = object.properties.get(&entry.key).or(object.additional.as_deref());
            let below = Path::Key(path, &entry.key);
            match schema {
                // As on an API server, a field that is null and may not be is a field that was left out.
                Some(schema) if entry.value.value == Value::Null && !schema.nullable => {
                    if matches!(schema.shape, Shape::Any) {
                        json.insert(entry.key.clone(), Json::Null);
                    }
                }
                Some(schema) => {
                    if let Some(value) = self.node(schema, &entry.value, &entry.key_span, &below) {
                        json.insert(entry.key.clone(), value);
                    }
                }
                None if object.open => {
                    json.insert(entry.key.clone(), plain_json(&entry.value));
                }
                None => {
                    let known: Vec<&str> = object.properties.keys().map(String::as_str).collect();
                    let message = format!("unknown field {:?}", describe::shorten(&entry.key));
                    self.report(
                        below.field(),
                        &entry.key_span,
                        message,
                        describe::unknown_field_hint(&entry.key, &known),
                    );
                }
            }
        }
        for (name, schema) in &object.properties {
            if let Some(default) = &schema.default
                && !entries
                    .iter()
                    .any(|entry| entry.key == *name && (entry.value.value != Value::Null || schema.nullable))
            {
                json.insert(name.clone(), default.clone());
            }
        }
        for name in &object.required {
            let written = entries.iter().any(|entry| entry.key == *name && entry.value.value != Value::Null);
            if !written && !json.contains_key(name) {
                let message = format!("the required field {name:?} is missing");
                self.report(Path::Key(path, name).field(), place, message, None);
            }
        }
        // Those that were refused count too.
        let refused = |entry: &&Entry| entry.value.value != Value::Null && !json.contains_key(&entry.key);
        let count = (json.len() + entries.iter().filter(refused).count()) as u64;
        self.bounds(count, object.min, object.max, "fields", place, path);
        Json::Object(json)
    }

    fn list(&mut self, list: &ListShape, items: &[Node], place: &Span, path: &Path<'_>) -> Json {
        self.bounds(items.len() as u64, list.min, list.max, "items", place, path);
        let mut json = Vec::with_capacity(items.len());
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            let below = Path::Index(path, index);
            let Some(value) = self.node(&list.items, item, &item.head(), &below) else { continue };
            if let Some(identity) = identity(&list.unique, &value) {
                if let Some(first) = seen.get(&identity) {
                    let shown = if self.values == Values::Hide {
                        String::new()
                    } else {
                        format!(" {}", describe::shorten(&identity))
                    };
                    let message = format!("repeats{shown} of item {first} of this list");
                    self.report(below.field(), &item.head(), message, Some("keep one of the two".to_owned()));
                } else {
                    seen.insert(identity, index);
                }
            }
            json.push(value);
        }
        Json::Array(json)
    }

    fn text(&mut self, texts: &Texts, text: &str, place: &Span, path: &Path<'_>) {
        let length = text.chars().count() as u64;
        self.bounds(length, texts.min, texts.max, "characters", place, path);
        if let Some(pattern) = &texts.pattern
            && !pattern.is_match(text)
        {
            let shown = if self.values == Values::Hide {
                "the value".to_owned()
            } else {
                format!("{:?}", describe::shorten(text))
            };
            let message = format!("{shown} does not match the pattern {}", pattern.as_str());
            self.report(path.field(), place, message, describe::pattern_hint(pattern.as_str()));
        }
    }

    fn number(&mut self, numbers: &Numbers, value: f64, node: &Node, place: &Span, path: &Path<'_>) {
        let demand = match numbers {
            Numbers { min: Some(min), above_min: true, .. } if value <= *min => format!("above {min}"),
            Numbers { min: Some(min), .. } if value < *min => format!("at least {min}"),
            Numbers { max: Some(max), below_max: true, .. } if value >= *max => format!("below {max}"),
            Numbers { max: Some(max), .. } if value > *max => format!("at most {max}"),
            Numbers { multiple_of: Some(of), .. } if (value / of).fract() != 0.0 => format!("a multiple of {of}"),
            _ => return,
        };
        let message = format!("must be {demand}, but {}", describe::value(node, self.values));
        self.report(path.field(), place, message, None);
    }

    fn bounds(&mut self, count: u64, min: Option<u64>, max: Option<u64>, of: &str, place: &Span, path: &Path<'_>) {
        let demand = match (min, max) {
            (Some(min), _) if count < min => format!("at least {min}"),
            (_, Some(max)) if count > max => format!("at most {max}"),
            _ => return,
        };
        self.report(path.field(), place, format!("must have {demand} {of}, but has {count}"), None);
    }

    fn enumeration(&mut self, schema: &Schema, node: &Node, json: &Json, place: &Span, path: &Path<'_>) {
        if schema.one_of_values.is_empty() || schema.one_of_values.contains(json) {
            return;
        }
        let known = choices(schema);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let message = format!("must be one of {}, but {}", known.join(", "), describe::value(node, self.values));
        let hint = super::super::suggest::hint(&bare(json), &known);
        self.report(path.field(), place, message, hint);
    }

    fn conditions(&mut self, schema: &Schema, node: &Node, place: &Span, path: &Path<'_>) {
        for condition in &schema.all_of {
            self.node(condition, node, place, path);
        }
        let holds = |condition: &&Schema| check(condition, node, self.values).1.is_empty();
        let any = schema.any_of.iter().any(|condition| holds(&condition));
        let one = schema.one_of.iter().filter(holds).count();
        let negated = schema.not.as_deref().is_some_and(|condition| holds(&condition));
        if !schema.any_of.is_empty() && !any {
            let branches = self.branches(&schema.any_of, node);
            self.report(path.field(), place, format!("fits none of the forms it may have: {branches}"), None);
        }
        if !schema.one_of.is_empty() && one != 1 {
            let message = if one == 0 {
                format!("fits none of the forms it may have: {}", self.branches(&schema.one_of, node))
            } else {
                format!("fits {one} of the forms it may have, but must fit exactly one")
            };
            self.report(path.field(), place, message, None);
        }
        if negated {
            self.report(path.field(), place, "has a form that is not allowed".to_owned(), None);
        }
    }

    /// The first problem of each form, so that the reader sees how near each was.
    fn branches(&self, conditions: &[Schema], node: &Node) -> String {
        let first = |condition: &Schema| {
            let found = check(condition, node, self.values).1.into_iter().next()?;
            let field = found.problem.field.to_string();
            Some(if field.is_empty() { found.problem.message } else { format!("{field} {}", found.problem.message) })
        };
        conditions.iter().filter_map(first).collect::<Vec<_>>().join("; or ")
    }

    fn report(&mut self, field: FieldPath, span: &Span, message: String, hint: Option<String>) {
        self.found.push(Found { problem: invalid(field, message, hint), span: span.clone() });
    }
}

/// A problem that refuses an object.
pub(crate) fn invalid(field: FieldPath, message: String, hint: Option<String>) -> Problem {
    Problem {
        field,
        severity: Severity::Error,
        condition: ConditionType::Accepted,
        reason: Reason::Invalid,
        message,
        hint,
    }
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "a value",
        Shape::String => "a string",
        Shape::Integer => "a whole number",
        Shape::Number => "a number",
        Shape::Boolean => "true or false",
        Shape::IntOrString => "a whole number or a string",
        Shape::List(_) => "a list",
        Shape::Object(_) => "a mapping",
    }
}

/// The values of an enum as people write them.
fn choices(schema: &Schema) -> Vec<String> {
    schema.one_of_values.iter().filter(|value| !value.is_null()).map(bare).collect()
}

/// What makes an item the same as another, as text.
fn identity(unique: &Unique, item: &Json) -> Option<String> {
    match unique {
        Unique::No => None,
        Unique::Item => Some(bare(item)),
        Unique::Keys(keys) => {
            let parts =
                keys.iter().filter_map(|key| Some(format!("{key} {}", bare(item.get(key)?)))).collect::<Vec<_>>();
            (!parts.is_empty()).then(|| parts.join(", "))
        }
    }
}

/// A value as people write it: texts without quotes.
fn bare(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// A node as JSON, unchecked.
pub(crate) fn plain_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.clone()),
        Value::List(items) => items.iter().map(plain_json).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), plain_json(&entry.value))).collect(),
    }
}
