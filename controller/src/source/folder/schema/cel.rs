//! The CEL rules of a schema, as an API server evaluates them.

use kube::core::cel::{CompiledSchema, ErrorKind, compile_schema, validate_compiled};
use serde_json::Value as Json;

use super::super::yaml::Node;
use super::holds;
use super::walk::{Found, invalid};

/// The rules of one kind.
#[derive(Debug)]
pub(crate) struct Rules(CompiledSchema);

impl Rules {
    /// Compiles the rules of a schema.
    pub(crate) fn compile(schema: &Json) -> Self {
        Self(compile_schema(schema))
    }

    /// Evaluates the rules on a document that the walk found nothing wrong with. A rule that cannot be evaluated refuses
    /// the object too: nothing is accepted unchecked. In the order of the fields: the library's own order changes from
    /// one process to the next, and with it every message and status made of these.
    pub(crate) fn check(&self, json: &Json, root: &Node) -> Vec<Found> {
        if holds::hold(&self.0, json) {
            return Vec::new();
        }
        let Err(errors) = validate_compiled(&self.0, json, None) else { return Vec::new() };
        let mut found: Vec<Found> = errors
            .into_iter()
            .map(|error| {
                let field = root.field(&error.field_path);
                let span = root.locate(&field);
                let hint = match error.kind {
                    ErrorKind::ValidationFailure => None,
                    _ => Some(format!("the rule is {}; this is a mistake in Sluicegate, please report it", error.rule)),
                };
                Found { problem: invalid(field, error.message, hint), span }
            })
            .collect();
        found.sort_by(|one, other| {
            (&one.problem.field, &one.problem.message).cmp(&(&other.problem.field, &other.problem.message))
        });
        found
    }
}
