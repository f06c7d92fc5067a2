//! From the parser's events to a tree: anchors, merge keys, limits.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::hints::syntax_hint;
use super::parse::Flaw;
use super::scalars::{self, Scalar};
use super::tree::{Entry, Node, Span, Value};
use crate::problem::{FieldPath, Step};

/// How deep mappings and lists may nest, aliases filled in. Kubernetes objects stay below 20; recursion over the tree
/// needs some bound.
const MAX_DEPTH: usize = 100;
/// How many nodes the aliases of one document may stand for, so that a few lines cannot expand to gigabytes.
const MAX_ALIASED: usize = 100_000;
/// How many bytes the anchors and aliases of one file may copy: few aliases of a long text are gigabytes, too, and so are
/// many documents that each stay below the limit above.
const MAX_COPIED: usize = 64 << 20;
/// What a node takes besides its text, about.
const NODE_BYTES: usize = 100;

/// Where and why reading stopped, and a hint.
pub(crate) type Failure = (usize, String, Option<String>);

/// Builds one document.
#[derive(Default)]
pub(crate) struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    aliased: usize,
    /// How many bytes anchors and aliases copied, those of the file's documents before included.
    pub(crate) copied: usize,
    /// What is wrong with it so far.
    pub(crate) flaws: Vec<Flaw>,
    /// Where it ended, once it has.
    pub(crate) end: Option<usize>,
}

/// A mapping or list whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    /// How many nodes it holds so far, itself included, and how deep they nest.
    nodes: usize,
    bytes: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, known: HashMap<String, Known>, key: Option<Key> },
}

/// A key that a mapping has already.
struct Known {
    position: usize,
    merged: bool,
}

/// The key whose value comes next.
enum Key {
    Text(String, Span),
    Merge(Span),
    /// It was reported; its value is read and dropped.
    Unusable,
}

struct Anchored {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// A node as the events gave it.
struct Built {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
    /// A plain `<<`.
    merge: bool,
    core_tag: Option<String>,
}

impl Builder {
    /// A builder of a document of a file of which those before copied so many bytes.
    pub(crate) fn after(copied: usize) -> Self {
        Self { copied, ..Self::default() }
    }

    /// The scalars that have anchors.
    pub(crate) fn anchored_scalars(&self) -> Vec<Span> {
        let nodes = self.anchors.values().map(|anchored| &anchored.node);
        nodes.filter(|node| node.is_scalar()).map(|node| node.span.clone()).collect()
    }

    /// Reads up to the document's end; `None` at the end of the stream.
    pub(crate) fn document<'a>(
        &mut self,
        parser: &mut Parser<'a, StrInput<'a>>,
        text: &str,
    ) -> Result<Option<Node>, Failure> {
        let mut root = None;
        loop {
            let Some(event) = parser.next_event() else { return Ok(root) };
            let (event, span) = event.map_err(|error| Self::syntax(&error, text))?;
            let span = span.byte_range().unwrap_or_default();
            let built = match event {
                Event::StreamEnd => return Ok(None),
                Event::DocumentEnd => {
                    self.end = Some(span.end);
                    return Ok(Some(root.unwrap_or_else(|| scalar_node(Value::Null, span))));
                }
                Event::Alias(id) => Some(self.alias(id, span)?),
                Event::Scalar(content, style, anchor, tag) => {
                    let built = self.scalar(&content, style, tag.as_deref(), span);
                    self.remember(anchor, &built)?;
                    Some(built)
                }
                Event::SequenceStart(_, anchor, _) => {
                    self.start(span.start, anchor, Content::List(Vec::new()))?;
                    None
                }
                Event::MappingStart(_, anchor, _) => {
                    let content = Content::Map { entries: Vec::new(), known: HashMap::new(), key: None };
                    self.start(span.start, anchor, content)?;
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span.end)?,
                _ => None,
            };
            if let Some(built) = built {
                root = self.place(built).or(root);
            }
        }
    }

    fn syntax(error: &ScanError, text: &str) -> Failure {
        let mut at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let message = error.info();
        if message.contains("recursion limit") {
            return (at, too_deep(), None);
        }
        let hint = syntax_hint(text, at, &message);
        (at, message, hint)
    }

    fn start(&mut self, start: usize, anchor: usize, content: Content) -> Result<(), Failure> {
        if self.open.len() >= MAX_DEPTH {
            return Err((start, too_deep(), None));
        }
        self.open.push(Open { start, anchor, nodes: 1, bytes: NODE_BYTES, depth: 1, content });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<Option<Built>, Failure> {
        let Some(Open { start, anchor, nodes, bytes, depth, content }) = self.open.pop() else { return Ok(None) };
        let value = match content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { span: start..end.max(start), value, plain: None };
        let built = Built { node, nodes, bytes, depth, merge: false, core_tag: None };
        self.remember(anchor, &built)?;
        Ok(Some(built))
    }

    fn remember(&mut self, anchor: usize, built: &Built) -> Result<(), Failure> {
        if anchor != 0 {
            self.copy(built.bytes, built.node.span.start)?;
            let Built { node, nodes, bytes, depth, .. } = built;
            let anchored = Anchored { node: node.clone(), nodes: *nodes, bytes: *bytes, depth: *depth };
            self.anchors.insert(anchor, anchored);
        }
        Ok(())
    }

    /// Takes so many bytes off what may be copied.
    fn copy(&mut self, bytes: usize, at: usize) -> Result<(), Failure> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > MAX_COPIED {
            let most = MAX_COPIED >> 20;
            return Err((at, format!("the anchors and aliases of this file copy more than {most} MiB"), None));
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Built, Failure> {
        let bytes = self.anchors.get(&id).map_or(0, |anchored| anchored.bytes);
        self.copy(bytes, span.start)?;
        let Some(anchored) = self.anchors.get(&id) else {
            return Err((span.start, "an anchor's value contains itself".to_owned(), None));
        };
        self.aliased += anchored.nodes;
        if self.aliased > MAX_ALIASED || self.open.len() + anchored.depth > MAX_DEPTH {
            let message = format!("aliases expand to more than {MAX_ALIASED} values or {MAX_DEPTH} levels");
            return Err((span.start, message, None));
        }
        // The alias is where the user put the value; what lies inside it keeps the place where it was written.
        let node = Node { span, ..anchored.node.clone() };
        Ok(Built { node, nodes: anchored.nodes, bytes, depth: anchored.depth, merge: false, core_tag: None })
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Built {
        let plain = style == ScalarStyle::Plain;
        // An empty plain scalar comes as `~` from the parser.
        let text = if plain && span.is_empty() { "" } else { text };
        let core_tag = tag.and_then(Tag::core_suffix).map(str::to_owned);
        let merge = text == "<<" && (core_tag.as_deref() == Some("merge") || (plain && tag.is_none()));
        let resolved = match (&core_tag, tag) {
            (Some(core_tag), _) => scalars::resolve(text, Some(core_tag)),
            (None, None) if plain => scalars::resolve(text, None),
            _ => Ok(Scalar::String(text.to_owned())),
        };
        let in_key = self.expects_key();
        let value = match resolved {
            Ok(Scalar::Null) => Value::Null,
            Ok(Scalar::Bool(value)) => Value::Bool(value),
            Ok(Scalar::Int(value)) => Value::Int(value),
            Ok(Scalar::Float(value)) => Value::Float(value),
            Ok(Scalar::String(value)) => Value::String(value),
            // Keys are resolved by rules of their own below.
            Err(_) if in_key => Value::Null,
            Err(no_value) => {
                let hint = plain.then(|| format!("as a text it is \"{text}\", in quotes"));
                self.flaw(span.clone(), format!("`{text}` {no_value}"), hint, true);
                Value::Null
            }
        };
        let plain = plain.then(|| Box::from(text));
        Built { node: Node { span, value, plain }, nodes: 1, bytes: NODE_BYTES + text.len(), depth: 0, merge, core_tag }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    /// Puts a finished node where it belongs; gives it back where it is the document's root.
    fn place(&mut self, built: Built) -> Option<Node> {
        let Some(open) = self.open.last_mut() else { return Some(built.node) };
        open.nodes += built.nodes;
        open.bytes += built.bytes;
        open.depth = open.depth.max(built.depth + 1);
        match &mut open.content {
            Content::List(items) => items.push(built.node),
            Content::Map { key: awaited @ None, .. } => match key(&built) {
                Ok(key) => *awaited = Some(key),
                Err(message) => {
                    *awaited = Some(Key::Unusable);
                    let hint = Some("write the key as a text, in quotes".to_owned());
                    self.flaw(built.node.head(), message, hint, false);
                }
            },
            Content::Map { key, .. } => match key.take() {
                Some(Key::Text(name, span)) => self.put(name, span, built.node, false),
                Some(Key::Merge(span)) => self.merge(&span, &built.node),
                Some(Key::Unusable) | None => {}
            },
        }
        None
    }

    /// Sets a key of the innermost mapping. kubectl takes entries in their order, merged ones too, the last one wins;
    /// a key written twice is refused, since one of the two would be lost without a word.
    fn put(&mut self, name: String, span: Span, value: Node, merged: bool) {
        let path = self.path().key(&name);
        let Some(Open { content: Content::Map { entries, known, .. }, .. }) = self.open.last_mut() else { return };
        let Some(earlier) = known.get_mut(&name) else {
            known.insert(name.clone(), Known { position: entries.len(), merged });
            entries.push(Entry { key: name, key_span: span, value });
            return;
        };
        let Some(entry) = entries.get_mut(earlier.position) else { return };
        let flaw = match (earlier.merged, merged) {
            (false, false) => Some((format!("the key {name:?} is there twice"), "keep one of the two", false)),
            (false, true) => {
                let message = format!("the merged mapping takes the place of the {name:?} written above it");
                Some((message, "put `<<` first: then what is written beside it wins, here and in kubectl", true))
            }
            (true, _) => None,
        };
        if flaw.as_ref().is_none_or(|(_, _, harmless)| *harmless) {
            earlier.merged = merged;
            *entry = Entry { key: name, key_span: span.clone(), value };
        }
        if let Some((message, hint, harmless)) = flaw {
            self.flaws.push(Flaw {
                field: path,
                span,
                message,
                hint: Some(hint.to_owned()),
                harmless,
                shows_value: false,
            });
        }
    }

    /// `<<: mapping` or `<<: [mapping, …]`; of several the first wins.
    fn merge(&mut self, key_span: &Span, value: &Node) {
        let maps: Option<Vec<&Vec<Entry>>> = match &value.value {
            Value::Map(entries) => Some(vec![entries]),
            Value::List(items) => items
                .iter()
                .rev()
                .map(|item| match &item.value {
                    Value::Map(entries) => Some(entries),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let Some(maps) = maps else {
            let message = "`<<` merges a mapping or a list of mappings".to_owned();
            self.flaw(
                key_span.clone(),
                message,
                Some("give it an alias of a mapping, such as *name".to_owned()),
                false,
            );
            return;
        };
        for entry in maps.into_iter().flatten() {
            self.put(entry.key.clone(), key_span.clone(), entry.value.clone(), true);
        }
    }

    fn flaw(&mut self, span: Span, message: String, hint: Option<String>, shows_value: bool) {
        self.flaws.push(Flaw { field: self.path(), span, message, hint, harmless: false, shows_value });
    }

    /// The field that is being read.
    fn path(&self) -> FieldPath {
        let steps = self.open.iter().filter_map(|open| match &open.content {
            Content::List(items) => Some(Step::Index(items.len())),
            Content::Map { key: Some(Key::Text(key, _)), .. } => Some(Step::Key(key.clone())),
            Content::Map { .. } => None,
        });
        steps.fold(FieldPath::default(), |path, step| match step {
            Step::Key(key) => path.key(&key),
            Step::Index(index) => path.index(index),
        })
    }
}

fn too_deep() -> String {
    format!("nests deeper than {MAX_DEPTH} levels")
}

fn scalar_node(value: Value, span: Span) -> Node {
    Node { span, value, plain: None }
}

/// The key that a node makes.
fn key(built: &Built) -> Result<Key, String> {
    let span = built.node.span.clone();
    if built.merge {
        return Ok(Key::Merge(span));
    }
    match (&built.node.value, &built.node.plain) {
        (Value::Map(_) | Value::List(_), _) => Err("a mapping or list cannot be a key".to_owned()),
        (Value::String(text), _) => Ok(Key::Text(text.clone(), span)),
        (_, plain) => {
            let text = plain.as_deref().unwrap_or_default();
            match scalars::resolve_key(text, built.core_tag.as_deref()) {
                Ok(Some(key)) => Ok(Key::Text(key, span)),
                Ok(None) => Err(format!("`{text}` cannot be a key")),
                Err(no_value) => Err(format!("`{text}` {no_value}")),
            }
        }
    }
}
