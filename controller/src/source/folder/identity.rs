//! What a document is: its kind and its name.

use sluicegate_crds::{GROUP, VERSION};
use sluicegate_table::ObjectKey;

use super::suggest;
use super::yaml::{Node, Span, Value};
use crate::objects::Kind;
use crate::problem::FieldPath;

/// Our kinds.
const KINDS: [(&str, Kind); 3] = [("Rule", Kind::Rule), ("Upstream", Kind::Upstream), ("Target", Kind::Target)];

/// What a document turned out to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Class<'a> {
    /// One of our kinds.
    Ours(Kind),
    /// A `v1 Secret`.
    Secret,
    /// A `v1 ConfigMap`.
    ConfigMap,
    /// A list of objects: these.
    List(&'a [Node]),
    /// A kind that Sluicegate has no use for.
    Foreign {
        /// Its API version.
        api_version: &'a str,
        /// Its kind.
        kind: &'a str,
    },
}

/// Why a document is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nothing {
    /// A kind that our API group does not have, as opposed to no object at all.
    pub(crate) unknown_kind: bool,
    /// The field that is missing or wrong.
    pub(crate) field: FieldPath,
    /// Where to underline.
    pub(crate) span: Span,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write.
    pub(crate) hint: Option<String>,
}

/// Tells what a document is.
pub(crate) fn classify(root: &Node) -> Result<Class<'_>, Nothing> {
    if !matches!(root.value, Value::Map(_)) {
        let message = "is no object: a manifest is a mapping with apiVersion, kind and metadata".to_owned();
        return Err(Nothing {
            unknown_kind: false,
            field: FieldPath::default(),
            span: root.head(),
            message,
            hint: None,
        });
    }
    let api_version = required_text(root, "apiVersion", &format!("{GROUP}/{VERSION}"))?;
    let kind = required_text(root, "kind", "Rule, Upstream or Target")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let ours = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind);
    let refused = |field: &str, message: String, hint: Option<String>| {
        let path = FieldPath::default().key(field);
        let span = root.locate(&path);
        Err(Nothing { unknown_kind: true, field: path, span, message, hint })
    };
    match (group, ours) {
        (GROUP, _) if version != VERSION => refused(
            "apiVersion",
            format!("{GROUP} has no version {version:?}"),
            Some(format!("write {GROUP}/{VERSION}")),
        ),
        (GROUP, Some(kind)) => Ok(Class::Ours(kind)),
        (GROUP, None) if list_of_ours(kind) => items(root).map(Class::List),
        (GROUP, None) => {
            let known = KINDS.map(|(name, _)| name);
            let hint = suggest::hint(kind, &known).unwrap_or_else(|| format!("the kinds are {}", known.join(", ")));
            refused("kind", format!("{GROUP} has no kind {kind:?}"), Some(hint))
        }
        ("", _) if api_version == "v1" && kind == "List" => items(root).map(Class::List),
        ("", _) if api_version == "v1" && kind == "Secret" => Ok(Class::Secret),
        ("", _) if api_version == "v1" && kind == "ConfigMap" => Ok(Class::ConfigMap),
        (_, Some(_)) if suggest::nearest(group, &[GROUP]).is_some() || group.is_empty() => refused(
            "apiVersion",
            format!("{kind} is no kind of {api_version}"),
            Some(format!("write {GROUP}/{VERSION}")),
        ),
        _ => Ok(Class::Foreign { api_version, kind }),
    }
}

fn list_of_ours(kind: &str) -> bool {
    kind.strip_suffix("List").is_some_and(|item| KINDS.iter().any(|(name, _)| *name == item))
}

fn items(root: &Node) -> Result<&[Node], Nothing> {
    match root.get("items").map(|items| &items.value) {
        Some(Value::List(items)) => Ok(items),
        None | Some(Value::Null) => Ok(&[]),
        Some(_) => {
            let field = FieldPath::default().key("items");
            let span = root.locate(&field);
            Err(Nothing { unknown_kind: false, field, span, message: "must be a list".to_owned(), hint: None })
        }
    }
}

fn required_text<'a>(root: &'a Node, key: &str, such_as: &str) -> Result<&'a str, Nothing> {
    let field = FieldPath::default().key(key);
    let span = root.locate(&field);
    let message = match root.get(key) {
        Some(node) => match node.as_str() {
            Some(text) if !text.is_empty() => return Ok(text),
            _ => "must be a string".to_owned(),
        },
        None => format!("the required field {key:?} is missing"),
    };
    Err(Nothing { unknown_kind: false, field, span, message, hint: Some(format!("such as {such_as}")) })
}

/// The namespace and name of an object, and what is wrong with them. The name is there even where it is not allowed,
/// so that the object's last valid version can be kept.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Namespace and name.
    pub(crate) key: ObjectKey,
    /// Field, message and hint.
    pub(crate) wrong: Vec<(FieldPath, String, Option<String>)>,
}

/// Reads `metadata`. `Err`: there is no name at all.
pub(crate) fn identity(root: &Node) -> Result<Identity, Nothing> {
    let metadata = FieldPath::default().key("metadata");
    let name_field = metadata.key("name");
    let node = |key: &str| root.get("metadata").and_then(|metadata| metadata.get(key));
    let Some(name) = node("name").and_then(Node::as_str).filter(|name| !name.is_empty()) else {
        let span = root.locate(&name_field);
        let (message, hint) = match (node("name"), node("generateName")) {
            (Some(name), _) if name.value != Value::Null && name.as_str() != Some("") => {
                let read = super::schema::describe_value(name);
                (format!("must be a string, but {read}"), Some("put it in quotes".to_owned()))
            }
            (_, Some(_)) => {
                let hint = "write metadata.name: in a folder nothing makes names up".to_owned();
                ("the required field \"name\" is missing".to_owned(), Some(hint))
            }
            _ => ("the required field \"name\" is missing".to_owned(), None),
        };
        return Err(Nothing { unknown_kind: false, field: name_field, span, message, hint });
    };
    let mut wrong = Vec::new();
    if !is_subdomain(name) {
        let message = format!(
            "{name:?} is no name: up to 253 lower-case letters, digits, `-` and `.`, at both ends a letter or digit"
        );
        wrong.push((name_field, message, nearest_name(name).map(|name| format!("such as {name}"))));
    }
    if node("generateName").is_some_and(|node| node.value != Value::Null) {
        let message = "is for an API server, which makes names up; a folder does not".to_owned();
        wrong.push((metadata.key("generateName"), message, Some("take it out: metadata.name is there".to_owned())));
    }
    let namespace = node("namespace").and_then(Node::as_str).filter(|namespace| !namespace.is_empty());
    if let Some(namespace) = namespace.filter(|namespace| !is_label(namespace)) {
        let message = format!(
            "{namespace:?} is no namespace: up to 63 lower-case letters, digits and `-`, at both ends a letter or digit"
        );
        wrong.push((metadata.key("namespace"), message, None));
    }
    Ok(Identity { key: ObjectKey::new(namespace.unwrap_or("default"), name), wrong })
}

/// A DNS label (RFC 1123).
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A DNS subdomain (RFC 1123) as Kubernetes checks it: dots between labels of any length, 253 characters in all.
fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    text.len() <= 253 && text.split('.').all(part)
}

/// A name that is allowed and looks like the one that is not.
fn nearest_name(name: &str) -> Option<String> {
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' { c } else { '-' })
        .collect();
    let name = name.trim_matches(['-', '.']);
    is_subdomain(name).then(|| name.to_owned())
}
