//! The schemas of the kinds that a folder may hold, compiled at first use.

use std::sync::OnceLock;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};
use sluicegate_crds::definitions;
use sluicegate_crds::status::Reason;

use super::cel::Rules;
use super::compile::Schema;
use super::walk::{Found, Values, check, invalid};
use crate::objects::Kind;
use crate::problem::{FieldPath, Severity};
use crate::source::folder::yaml::Node;

/// A kind's schema and its CEL rules.
#[derive(Debug)]
pub(crate) struct KindSchema {
    schema: Schema,
    rules: Rules,
    /// What the schema demands and the walk does not know; empty, as a test makes sure.
    unknown: Vec<String>,
}

impl KindSchema {
    /// The schema of a kind.
    pub(crate) fn of(kind: Kind) -> &'static Self {
        static RULE: OnceLock<KindSchema> = OnceLock::new();
        static UPSTREAM: OnceLock<KindSchema> = OnceLock::new();
        static TARGET: OnceLock<KindSchema> = OnceLock::new();
        match kind {
            Kind::Rule => RULE.get_or_init(|| Self::generate(kind)),
            Kind::Upstream => UPSTREAM.get_or_init(|| Self::generate(kind)),
            Kind::Target => TARGET.get_or_init(|| Self::generate(kind)),
        }
    }

    fn generate(kind: Kind) -> Self {
        let mut unknown = Vec::new();
        let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind.to_string());
        let version = definition.and_then(|definition| definition.spec.versions.into_iter().next());
        let schema = version.and_then(|version| version.schema).and_then(|schema| schema.open_api_v3_schema);
        let json = schema.map(serde_json::to_value).and_then(Result::ok).unwrap_or_else(|| {
            unknown.push("there is no schema at all".to_owned());
            Json::Null
        });
        Self::new(json, unknown)
    }

    fn new(json: Json, mut unknown: Vec<String>) -> Self {
        let rules = Rules::compile(&json);
        let schema = Schema::compile(&whole_object(json), &mut unknown);
        Self { schema, rules, unknown }
    }

    /// Checks an object: the schema, then, where nothing was wrong, the CEL rules, as an API server does. Gives the
    /// object with its defaults and without its status, where it can be used.
    pub(crate) fn check(&self, root: &Node) -> (Option<Json>, Vec<Found>) {
        let (json, mut found) = self.check_as_on_a_cluster(root);
        let refusal = of_a_cluster(root).filter(|_| json.is_some());
        let json = json.filter(|_| refusal.is_none());
        found.extend(refusal);
        (json, found)
    }

    /// The same, with what is right on a cluster only.
    pub(crate) fn check_as_on_a_cluster(&self, root: &Node) -> (Option<Json>, Vec<Found>) {
        let (json, mut found) = check(&self.schema, root, Values::Show);
        for unknown in &self.unknown {
            let message = format!("the schema of this kind cannot be checked: {unknown}");
            found.push(Found { problem: invalid(FieldPath::default(), message, None), span: root.head() });
        }
        if let Some(status) = root.entry("status") {
            let mut problem = invalid(
                FieldPath::default().key("status"),
                "is written by Sluicegate and not read from a manifest".to_owned(),
                Some("take it out".to_owned()),
            );
            problem.severity = Severity::Warning;
            found.push(Found { problem, span: status.key_span.clone() });
        }
        let refused = |found: &[Found]| found.iter().any(|found| found.problem.severity == Severity::Error);
        let Some(mut json) = json.filter(|_| !refused(&found)) else { return (None, found) };
        if let Some(fields) = json.as_object_mut() {
            fields.remove("status");
        }
        found.extend(self.rules.check(&json, root));
        let json = (!refused(&found)).then_some(json);
        (json, found)
    }
}

/// What is right on a cluster and cannot be done for a folder.
fn of_a_cluster(root: &Node) -> Option<Found> {
    let service = root.get("spec").and_then(|spec| spec.entry("service"))?;
    let mut problem = invalid(
        FieldPath::spec().key("service"),
        "a folder has no Services: they are there on a cluster only".to_owned(),
        Some("write `host` and `port` in its place".to_owned()),
    );
    problem.reason = Reason::UnsupportedValue;
    Some(Found { problem, span: service.key_span.clone() })
}

#[cfg(test)]
impl KindSchema {
    /// What the schema demands and the walk does not know.
    pub(crate) fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

/// The schema of a `v1 Secret`.
pub(crate) fn secret_schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        data_schema(json!({
            "type": "object",
            "properties": {
                "type": {"type": "string"}, "immutable": {"type": "boolean"},
                "data": texts(), "stringData": texts(),
            },
        }))
    })
}

/// The schema of a `v1 ConfigMap`.
pub(crate) fn config_map_schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        data_schema(json!({
            "type": "object",
            "properties": {"immutable": {"type": "boolean"}, "data": texts(), "binaryData": texts()},
        }))
    })
}

fn texts() -> Json {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn data_schema(json: Json) -> Schema {
    Schema::compile(&whole_object(json), &mut Vec::new())
}

/// The schema with the fields that every object has and no kind's schema names.
fn whole_object(mut json: Json) -> Json {
    if let Some(properties) = json.get_mut("properties").and_then(Json::as_object_mut) {
        properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
        properties.insert("kind".to_owned(), json!({"type": "string"}));
        properties.insert("metadata".to_owned(), metadata());
        if properties.contains_key("status") {
            properties.insert("status".to_owned(), json!({"x-kubernetes-preserve-unknown-fields": true}));
        }
    }
    json
}

fn metadata() -> Json {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<ObjectMeta>().to_value()
}
