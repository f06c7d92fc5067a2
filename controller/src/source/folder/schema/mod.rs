//! The generated schema, compiled once, and the walk that checks a document against it.
//!
//! An API server does the same for a cluster: unknown fields, types, enums, patterns, bounds, list-map keys, defaults,
//! then CEL. The walk goes on after a problem, so that one run of `sluicegate check` shows all of them.

mod cel;
mod compile;
mod describe;
mod holds;
mod json;
mod kinds;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use json::check_spec;
pub(crate) use kinds::{KindSchema, config_map_schema, secret_schema};
pub(crate) use walk::{Found, Values, check, invalid, plain_json};

/// What a value is, in words: `010 reads as the number 8`.
pub(crate) fn describe_value(node: &super::yaml::Node) -> String {
    describe::value(node, Values::Show)
}
