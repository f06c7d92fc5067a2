//! Objects that come as JSON, checked as those of a folder are.

use serde_json::Value as Json;

use super::super::yaml::{Entry, Node, Value};
use super::kinds::KindSchema;
use crate::objects::Kind;
use crate::problem::Problem;

/// Checks the spec of an object against the schema of its kind and the CEL rules. Gives it with its defaults, or what is
/// wrong with it.
pub(crate) fn check_spec(kind: Kind, spec: &Json) -> Result<Json, Vec<Problem>> {
    let object = node(Value::Map(vec![Entry { key: "spec".to_owned(), key_span: 0..0, value: tree(spec) }]));
    let (json, found) = KindSchema::of(kind).check_as_on_a_cluster(&object);
    let spec = json.and_then(|mut json| json.get_mut("spec").map(Json::take));
    spec.ok_or_else(|| found.into_iter().map(|found| found.problem).collect())
}

/// The JSON as the tree that the walk goes along. It has no text that it was written in, so every place is empty.
fn tree(json: &Json) -> Node {
    node(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(tree).collect()),
        Json::Object(fields) => Value::Map(
            fields.iter().map(|(key, value)| Entry { key: key.clone(), key_span: 0..0, value: tree(value) }).collect(),
        ),
    })
}

fn node(value: Value) -> Node {
    Node { span: 0..0, value, plain: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use serde_json::json;

    use super::check_spec;
    use crate::objects::Kind;

    #[test]
    fn what_is_left_out_gets_its_default() {
        let spec = check_spec(Kind::Rule, &json!({"upstream": "chat"})).unwrap();
        assert_eq!(spec, json!({"active": true, "stripPath": false, "priority": "Normal", "upstream": "chat"}));
    }

    #[test]
    fn what_this_release_does_not_know_is_named() {
        for (spec, field, said) in [
            (json!({"upstream": "chat", "mirrors": []}), "spec.mirrors", "unknown field"),
            (json!({"upstream": "chat", "priority": "Sometimes"}), "spec.priority", "must be one of"),
            (
                json!({"upstream": "chat", "matches": [{"path": {"type": "Suffix", "value": "/a"}}]}),
                "spec.matches[0].path.type",
                "must be one of",
            ),
            (json!({"upstream": "chat", "targets": [{"url": "http://a"}]}), "spec", "exactly one of"),
            (json!({"upstream": 7}), "spec.upstream", "must be a string"),
        ] {
            let problems = check_spec(Kind::Rule, &spec).unwrap_err();
            assert_eq!(problems[0].field.to_string(), field, "{problems:?}");
            assert!(problems[0].message.contains(said), "{problems:?}");
        }
    }
}
