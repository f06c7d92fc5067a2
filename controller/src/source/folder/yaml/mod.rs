//! YAML into a tree that knows where everything stood.
//!
//! The tree is read from the parser's events, not through serde: only an event tells whether a scalar was quoted, and
//! `"010"` and `010` mean different things to kubectl (see [`scalars`]). Each key and value keeps its byte span, so that
//! whatever is found wrong later, by the schema, by a CEL rule or by compile, can be shown where it was written.

mod builder;
mod hints;
mod parse;
pub(crate) mod scalars;
#[cfg(test)]
mod scalars_tests;
#[cfg(test)]
mod syntax_tests;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use parse::{Broken, Document, Flaw, parse};
pub(crate) use tree::{Entry, Node, Span, Value};
