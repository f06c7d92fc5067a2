//! What holds for every field of every schema.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::Value;
use sluicegate_crds::definitions;

/// What YAML 1.1 readers (kubectl, Helm) take for a boolean or for null.
const YAML_1_1_WORDS: [&str; 25] = [
    "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "true", "True", "TRUE", "false", "False", "FALSE", "on",
    "On", "ON", "off", "Off", "OFF", "null", "Null", "~",
];

/// Calls `visit` with the path and schema of every field below `spec` and `status`, lists' items and maps' values included.
fn each_field(mut visit: impl FnMut(&str, &Value)) {
    for definition in definitions() {
        let definition = serde_json::to_value(definition).unwrap();
        let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(schema["description"].as_str().is_some_and(|text| text.contains(kind)), "{kind} has a description");
        walk(kind, schema, &mut visit);
    }
}

fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        visit(&path, property);
        walk(&path, property, visit);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            let path = format!("{path}{suffix}");
            visit(&path, &schema[key]);
            walk(&path, &schema[key], visit);
        }
    }
}

#[test]
fn every_field_has_a_description() {
    each_field(|path, schema| {
        // What stands in a list or map is described with the list or map.
        if path.ends_with("[]") || path.ends_with("{}") {
            return;
        }
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(description.len() > 8 && description.ends_with('.'), "{path} is described as {description:?}");
    });
}

/// `kubectl explain` lists an enum's values without saying what they mean.
#[test]
fn every_enum_value_is_explained() {
    each_field(|path, schema| {
        if path.contains(".status.") {
            return;
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            let value = format!("`{}`", value.as_str().unwrap());
            assert!(schema["description"].as_str().unwrap().contains(&value), "{path} does not explain {value}");
        }
    });
}

/// An API server estimates the cost of CEL rules from these bounds, and refuses a definition whose cost has none.
#[test]
fn everything_is_bounded() {
    each_field(|path, schema| {
        if schema["x-kubernetes-int-or-string"] == true {
            for bound in ["minimum", "maximum", "maxLength", "pattern"] {
                assert!(!schema[bound].is_null(), "{path} has no {bound}");
            }
            return;
        }
        let bounds: &[&str] = match schema["type"].as_str().unwrap_or_else(|| panic!("{path} has no type")) {
            "string" if schema["enum"].is_array() => &[],
            "string" => &["maxLength"],
            "array" => &["maxItems", "x-kubernetes-list-type"],
            "integer" if path.ends_with(".observedGeneration") => &["minimum"],
            "integer" => &["minimum", "maximum"],
            "object" if schema["additionalProperties"].is_object() => &["maxProperties"],
            "object" | "boolean" => &[],
            other => panic!("{path} has the type {other}"),
        };
        for bound in bounds {
            assert!(!schema[bound].is_null(), "{path} has no {bound}");
        }
    });
}

#[test]
fn nothing_is_nullable_or_preserved_unread() {
    each_field(|path, schema| {
        for key in ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
            assert!(schema[key].is_null(), "{path} has {key}");
        }
    });
}

#[test]
fn no_key_and_no_value_that_users_write_is_a_yaml_1_1_word() {
    each_field(|path, schema| {
        let key = path.rsplit('.').next().unwrap();
        assert!(!YAML_1_1_WORDS.contains(&key), "{path}");
        // A condition's status is written by the controller, and as JSON.
        if path.contains(".status.") {
            return;
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            assert!(!YAML_1_1_WORDS.contains(&value.as_str().unwrap()), "{path}: {value}");
        }
    });
}

/// Kubernetes asks for a CamelCase kind and a camelCase field, and a reader for the same.
#[test]
fn fields_are_in_camel_case() {
    each_field(|path, _| {
        let key = path.rsplit('.').next().unwrap().trim_end_matches("[]").trim_end_matches("{}");
        assert!(key.starts_with(|c: char| c.is_ascii_lowercase()), "{path}");
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric()), "{path}");
    });
}

/// Rules without a message answer with their expression, which helps nobody.
#[test]
fn every_rule_has_a_message_of_one_line() {
    let mut rules = 0;
    let mut check = |path: &str, schema: &Value| {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_default();
            assert!(!message.is_empty() && !message.contains('\n'), "{path}: {rule}");
            rules += 1;
        }
    };
    each_field(&mut check);
    assert!(rules > 40, "only {rules} rules were found");
}

/// An API server prints the first value that a column's path finds, and nothing of the others.
#[test]
fn every_column_shows_one_field_that_there_is() {
    for definition in definitions() {
        let definition = serde_json::to_value(definition).unwrap();
        let version = &definition["spec"]["versions"][0];
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert!(names.ends_with(&["Accepted", "Programmed", "Age"]), "{names:?}");
        for column in columns {
            let path = column["jsonPath"].as_str().unwrap();
            assert!(!path.contains("[*]"), "{path} may find more than one value");
            let field = path.trim_start_matches('.').split('[').next().unwrap();
            if !field.starts_with("metadata.") {
                let object = &version["schema"]["openAPIV3Schema"];
                let schema = field.split('.').fold(object, |schema, name| &schema["properties"][name]);
                assert!(schema.is_object(), "no field {path}");
            }
        }
    }
}
