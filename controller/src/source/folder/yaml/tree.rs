//! The tree.

use crate::problem::{FieldPath, Step};

/// A range of bytes of a file's text.
pub(crate) type Span = std::ops::Range<usize>;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Its bytes. For a mapping or list that reaches over several lines the first of them counts.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value,
    /// A scalar's text as it stands in the file where it was written plain: `010` of the number 8.
    pub(crate) plain: Option<Box<str>>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file, no key twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// The key's bytes.
    pub(crate) key_span: Span,
    /// The value.
    pub(crate) value: Node,
}

impl Node {
    /// The value of a key, where this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key, where this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text, where this is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Where a field was written, or else the nearest that encloses it. A scalar is shown itself, a mapping or list by
    /// its key, which is where a reader looks for it.
    pub(crate) fn locate(&self, path: &FieldPath) -> Span {
        let mut span = self.head();
        let mut node = self;
        for step in path.steps() {
            let found = match (step, &node.value) {
                (Step::Key(key), _) => node.entry(key).map(|entry| (&entry.value, entry.key_span.clone())),
                (Step::Index(index), Value::List(items)) => items.get(*index).map(|item| (item, item.head())),
                (Step::Index(_), _) => None,
            };
            let Some((next, place)) = found else { return span };
            span = if next.is_scalar() && !next.span.is_empty() { next.span.clone() } else { place };
            node = next;
        }
        span
    }

    /// The part of a node that stands for it where it is shown: a mapping's first key, a list's first item.
    pub(crate) fn head(&self) -> Span {
        match &self.value {
            Value::Map(entries) => entries.first().map_or_else(|| self.span.clone(), |entry| entry.key_span.clone()),
            Value::List(items) => items.first().map_or_else(|| self.span.clone(), Node::head),
            _ => self.span.clone(),
        }
    }

    /// Neither a mapping nor a list.
    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.value, Value::List(_) | Value::Map(_))
    }

    /// The field that a CEL rule's error names, such as `spec.targets[0]`: the text has no quotes around keys, so it is
    /// read along the tree, and what the tree lacks is taken key by key.
    pub(crate) fn field(&self, text: &str) -> FieldPath {
        let mut path = FieldPath::default();
        let mut node = Some(self);
        let mut rest = text.strip_prefix('.').unwrap_or(text);
        while !rest.is_empty() {
            if let Some((index, tail)) = index_step(rest) {
                path = path.index(index);
                node = match node.map(|node| &node.value) {
                    Some(Value::List(items)) => items.get(index),
                    _ => None,
                };
                rest = tail;
            } else {
                let known = match node.map(|node| &node.value) {
                    Some(Value::Map(entries)) => entries
                        .iter()
                        .map(|entry| entry.key.as_str())
                        .filter(|key| begins(rest, key))
                        .max_by_key(|key| key.len()),
                    _ => None,
                };
                let key = known.unwrap_or_else(|| rest.split(['.', '[']).next().unwrap_or(rest));
                let key = if key.is_empty() { rest } else { key };
                path = path.key(key);
                node = node.and_then(|node| node.get(key));
                rest = rest.get(key.len()..).unwrap_or_default();
            }
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        path
    }
}

/// `[3]` at the start of a path's text.
fn index_step(text: &str) -> Option<(usize, &str)> {
    let (digits, tail) = text.strip_prefix('[')?.split_once(']')?;
    Some((digits.parse().ok()?, tail))
}

/// Whether the path's text begins with this whole key.
fn begins(text: &str, key: &str) -> bool {
    !key.is_empty() && text.strip_prefix(key).is_some_and(|tail| tail.is_empty() || tail.starts_with(['.', '[']))
}
