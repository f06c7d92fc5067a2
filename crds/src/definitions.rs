//! The `CustomResourceDefinition`s as they are installed.
//!
//! What the derive makes is close, but not yet what we want an API server to hold, so everyone (the generated files, the
//! binary's `crds` command, folder mode) takes the definitions from here:
//!
//! - No field is `nullable`. `null` would be a third state next to "there" and "left out", and rules in CEL see it as
//!   "there".
//! - Integer formats are those that Kubernetes knows; it warns of Rust's `uint16`.
//! - A description's lines are joined; where they broke in the source means nothing to `kubectl explain`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use serde_json::{Number, Value};
use thiserror::Error;

use crate::{Rule, Target, Upstream};

/// The definitions of the three kinds: Upstream, Target, Rule.
pub fn definitions() -> [CustomResourceDefinition; 3] {
    [Upstream::crd(), Target::crd(), Rule::crd()].map(|mut definition| {
        for version in &mut definition.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
                tidy(schema);
            }
        }
        definition
    })
}

/// Why a definition cannot be written as YAML.
#[derive(Debug, Error)]
#[error("the definition cannot be written as YAML: {0}")]
pub struct NotYaml(String);

/// A definition as a YAML document, the same text for the same definition. Texts that a YAML 1.1 reader would take for
/// another type are quoted.
///
/// # Errors
/// [`NotYaml`] where a value has no form in YAML; none of [`definitions`] has one.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, NotYaml> {
    let mut value = serde_json::to_value(definition).map_err(|error| NotYaml(error.to_string()))?;
    whole_numbers(&mut value);
    serde_saphyr::to_string(&value).map_err(|error| NotYaml(error.to_string()))
}

/// Kubernetes' types hold bounds as floating-point numbers: `65535.0`. Writes them as people do.
#[allow(clippy::float_cmp, reason = "only numbers without a fraction are to be equal to their floor")]
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole =
                number.as_f64().filter(|float| number.is_f64() && float.floor() == *float && float.abs() < 1e15);
            if let Some(whole) = whole {
                *number = Number::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(entries) => entries.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    if schema.type_.as_deref() == Some("integer") {
        schema.format = schema.format.take().map(|format| match format.as_str() {
            "uint8" | "int8" | "uint16" | "int16" | "int32" => "int32".to_owned(),
            _ => "int64".to_owned(),
        });
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
