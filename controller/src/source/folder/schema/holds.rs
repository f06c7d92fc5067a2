//! Whether all CEL rules of a schema hold for an object, fast.
//!
//! The CEL library compiles a regular expression anew each time that a rule asks for one, which is nine tenths of the time
//! that reading thousands of objects takes; and it converts each value once for every level above it. Here patterns are
//! compiled once a thread, and values where there is a rule. Only `true` is an answer: whatever does not hold, fails, or is
//! something that the kinds' schemas do not have, is left to the library, which also finds the words.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use kube::core::cel::cel::extractors::This;
use kube::core::cel::cel::objects::{Key, Map};
use kube::core::cel::cel::{Context, ExecutionError, Value};
use kube::core::cel::{CompiledSchema, KubeCelExt as _, SchemaFormat};
use regex::Regex;
use serde_json::Value as Json;

thread_local! {
    static CONTEXT: Context<'static> = context();
    /// The patterns of the rules: as many as the schemas hold.
    static PATTERNS: RefCell<HashMap<Arc<String>, Regex>> = RefCell::default();
}

/// Whether all rules hold. `false`: one does not, or it is not known.
pub(super) fn hold(schema: &CompiledSchema, object: &Json) -> bool {
    CONTEXT.with(|context| holds(schema, object, context))
}

fn context() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("matches", matches);
    context
}

/// As the library's own.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    PATTERNS.with_borrow_mut(|patterns| match patterns.entry(pattern) {
        Entry::Occupied(known) => Ok(known.get().is_match(&text)),
        Entry::Vacant(new) => match Regex::new(new.key()) {
            Ok(regex) => Ok(new.insert(regex).is_match(&text)),
            Err(error) => Err(ExecutionError::function_error("matches", error)),
        },
    })
}

fn holds(schema: &CompiledSchema, value: &Json, context: &Context<'_>) -> bool {
    if !schema.validations.is_empty() {
        let Some(converted) = convert(schema, value) else { return false };
        let mut scope = context.new_inner_scope();
        scope.add_variable_from_value("self", converted);
        let all = schema.validations.iter().all(|rule| {
            let Ok(rule) = rule else { return false };
            !rule.is_transition_rule && matches!(rule.program.execute(&scope), Ok(Value::Bool(true)))
        });
        if !all {
            return false;
        }
    }
    let below = match value {
        Json::Object(fields) => fields.iter().all(|(name, value)| match schema.properties.get(name) {
            Some(schema) => holds(schema, value, context),
            None if schema.preserve_unknown_fields => true,
            None => schema.additional_properties.as_deref().is_none_or(|schema| holds(schema, value, context)),
        }),
        Json::Array(items) => {
            schema.items.as_deref().is_none_or(|schema| items.iter().all(|item| holds(schema, item, context)))
        }
        _ => true,
    };
    let branches = [&schema.all_of, &schema.one_of, &schema.any_of];
    below && branches.into_iter().flatten().all(|branch| holds(branch, value, context))
}

/// A value as rules see it; `None`: the library has a form of its own for it.
fn convert(schema: &CompiledSchema, value: &Json) -> Option<Value> {
    if schema.embedded_resource || !matches!(schema.format, SchemaFormat::None | SchemaFormat::IntOrString) {
        return None;
    }
    Some(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Int(number.as_i64()?),
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => {
            let of = schema.items.as_deref()?;
            Value::List(Arc::new(items.iter().map(|item| convert(of, item)).collect::<Option<_>>()?))
        }
        Json::Object(fields) => {
            let mut map = HashMap::with_capacity(fields.len());
            for (name, value) in fields {
                let of = schema.properties.get(name).or(schema.additional_properties.as_deref())?;
                // Names of fields that are words of CEL, or hold other characters, are written in another way there.
                if !schema.is_map && (name == "namespace" || !name.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                    return None;
                }
                map.insert(Key::String(Arc::new(name.clone())), convert(of, value)?);
            }
            Value::Map(Map { map: Arc::new(map) })
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::path::Path;

    use kube::core::cel::{apply_defaults, compile_schema, validate_compiled};
    use serde_json::json;

    use super::super::plain_json;
    use super::*;
    use crate::source::folder::yaml::parse;

    /// What is written in place of each text and number.
    const JUNK: [&str; 9] = ["", "a b", "//", "[", "/é", "0s", "*.*", "http://a", "10"];

    /// The value with one scalar in it replaced, for each scalar.
    fn variants(value: &Json, junk: &Json) -> Vec<Json> {
        match value {
            Json::Array(items) => (0..items.len())
                .flat_map(|at| variants(&items[at], junk).into_iter().map(move |one| (at, one)))
                .map(|(at, one)| {
                    let mut items = items.clone();
                    items[at] = one;
                    Json::Array(items)
                })
                .collect(),
            Json::Object(fields) => fields
                .iter()
                .flat_map(|(name, value)| {
                    variants(value, junk).into_iter().map(|one| {
                        let mut fields = fields.clone();
                        fields.insert(name.clone(), one);
                        Json::Object(fields)
                    })
                })
                .collect(),
            _ => vec![junk.clone()],
        }
    }

    #[test]
    fn it_says_what_the_library_says_of_every_example_and_of_what_is_wrong_with_it() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let definitions = sluicegate_crds::definitions();
        let (mut hold_all, mut hold_not) = (0, 0);
        for folder in std::fs::read_dir(examples).unwrap() {
            let Ok(text) = std::fs::read_to_string(folder.unwrap().path().join("manifests.yaml")) else { continue };
            for document in parse(&text) {
                let object = plain_json(&document.unwrap().root);
                let Some(definition) = definitions.iter().find(|one| one.spec.names.kind == object["kind"]) else {
                    continue;
                };
                let json = serde_json::to_value(&definition.spec.versions[0].schema).unwrap();
                let json = &json["openAPIV3Schema"];
                let schema = compile_schema(json);
                assert!(hold(&schema, &apply_defaults(json, &object)), "left to the library: {object}");
                let junk = JUNK.iter().map(|text| json!(text)).chain([json!(0), json!(-1), json!(true)]);
                for variant in junk.flat_map(|junk| variants(&object["spec"], &junk)) {
                    let object = apply_defaults(json, &json!({"spec": variant, "metadata": {"name": "a"}}));
                    let library = validate_compiled(&schema, &object, None).is_ok();
                    assert_eq!(hold(&schema, &object), library, "{object}");
                    *(if library { &mut hold_all } else { &mut hold_not }) += 1;
                }
            }
        }
        assert!(hold_all > 100 && hold_not > 100, "{hold_all} {hold_not}");
    }
}
