//! The documents of a text, each by itself: one that is broken takes none of the others down.

use granit_parser::{Options, Parser};

use super::builder::Builder;
use super::tree::{Node, Span, Value};
use crate::problem::FieldPath;

/// One document of a file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its content.
    pub(crate) root: Node,
    /// What is wrong with it that still leaves a tree.
    pub(crate) flaws: Vec<Flaw>,
    /// Its bytes.
    pub(crate) span: Span,
    /// The scalars that have anchors, and so may show where an alias stands for them.
    pub(crate) anchors: Vec<Span>,
}

/// Something wrong at one place of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The field it stands in.
    pub(crate) field: FieldPath,
    /// Its bytes.
    pub(crate) span: Span,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) hint: Option<String>,
    /// The document can be used all the same.
    pub(crate) harmless: bool,
    /// Message and hint show a value.
    pub(crate) shows_value: bool,
}

/// A document that is no YAML, or beyond the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Where reading stopped, in bytes.
    pub(crate) at: usize,
    /// The bytes of the whole document.
    pub(crate) span: Span,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) hint: Option<String>,
}

/// Reads every document of a text. A document that cannot be read takes none of the others down; empty ones are left
/// out. Never panics.
pub(crate) fn parse(text: &str) -> Vec<Result<Document, Broken>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    let (mut start, mut copied) = (0, 0);
    loop {
        let mut builder = Builder::after(copied);
        let read = builder.document(&mut parser, text);
        copied = builder.copied;
        let end = builder.end.unwrap_or(text.len());
        match read {
            Ok(None) => break,
            Ok(Some(root)) => {
                if root.value != Value::Null || !builder.flaws.is_empty() {
                    let anchors = builder.anchored_scalars();
                    documents.push(Ok(Document { root, flaws: builder.flaws, span: start..end, anchors }));
                }
                start = end;
            }
            Err((at, message, hint)) => {
                let more = parser.proceed_next_document().unwrap_or(false);
                let end = if more { next_marker(text, at) } else { text.len() };
                documents.push(Err(Broken { at, span: start..end.max(at), message, hint }));
                start = end;
                if !more {
                    break;
                }
            }
        }
    }
    documents
}

/// The next line that begins a document, after an error at `at`.
fn next_marker(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find("\n---")).map_or(text.len(), |found| at + found + 1)
}
