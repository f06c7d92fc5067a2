//! From a file's text to checked objects: a pure function of the text and the environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::ObjectKey;

use super::file::{Mask, Place, SourceFile};
use super::finding::{Finding, Reason};
use super::identity::{self, Class, Nothing};
use super::schema::{Found, KindSchema, invalid};
use super::secrets::{self, Environment};
use super::yaml::{self, Broken, Document, Flaw, Node, Span};
use crate::objects::{Candidate, Kind, ObjectId, SecretData};
use crate::problem::{FieldPath, Problem, Severity, Step};

/// What a file holds.
#[derive(Debug)]
pub struct Parsed {
    /// The file, fit to be shown.
    pub file: Arc<SourceFile>,
    /// Its objects in the order of the file.
    pub objects: Vec<Object>,
    /// Everything found wrong in it.
    pub findings: Vec<Finding>,
    /// Set where some of it could not be told what it is: an object that is no longer found may still be meant.
    pub incomplete: Option<Problem>,
}

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Object {
    /// Namespace and name.
    pub key: ObjectKey,
    /// What it is.
    pub content: Content,
    /// Where it is.
    pub origin: Origin,
}

/// What an object is, checked. A Secret or `ConfigMap` that was refused is `None`.
#[derive(Clone, Debug)]
pub enum Content {
    /// A Rule.
    Rule(Candidate<Rule>),
    /// An Upstream.
    Upstream(Candidate<Upstream>),
    /// A Target.
    Target(Candidate<Target>),
    /// A Secret.
    Secret(Option<Arc<SecretData>>),
    /// A `ConfigMap`.
    ConfigMap(Option<Arc<BTreeMap<String, String>>>),
}

impl Content {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rule(_) => "Rule",
            Self::Upstream(_) => "Upstream",
            Self::Target(_) => "Target",
            Self::Secret(_) => "Secret",
            Self::ConfigMap(_) => "ConfigMap",
        }
    }
}

impl Object {
    /// The name by which problems speak of it: `Rule default/chat`.
    pub fn name(&self) -> String {
        format!("{} {}", self.content.kind(), self.key)
    }

    /// Its id, where it is of our kinds.
    pub fn id(&self) -> Option<ObjectId> {
        let kind = match self.content {
            Content::Rule(_) => Kind::Rule,
            Content::Upstream(_) => Kind::Upstream,
            Content::Target(_) => Kind::Target,
            Content::Secret(_) | Content::ConfigMap(_) => return None,
        };
        Some(ObjectId { kind, key: self.key.clone() })
    }
}

/// Where an object is: in which file, in which bytes, and where in a list of objects.
#[derive(Clone, Debug)]
pub struct Origin {
    file: Arc<SourceFile>,
    document: Span,
    item: Option<usize>,
    name: Span,
}

impl Origin {
    /// The place of the object's name.
    pub fn name(&self) -> Place {
        Place { file: self.file.clone(), span: self.name.clone() }
    }

    /// The place of a field, or else of the nearest that encloses it. The document is parsed again: places are asked for
    /// where something is wrong, which is seldom, while trees kept for all objects would cost memory always.
    pub fn locate(&self, field: &FieldPath) -> Place {
        let text = self.file.text().get(self.document.clone()).unwrap_or_default();
        let parsed = yaml::parse(text).into_iter().next().and_then(Result::ok);
        let root = parsed.as_ref().and_then(|document| match self.item {
            None => Some(&document.root),
            Some(item) => match identity::classify(&document.root) {
                Ok(Class::List(items)) => items.get(item),
                _ => None,
            },
        });
        let span = root.filter(|_| !field.steps().is_empty()).map(|root| {
            let span = root.locate(field);
            self.document.start + span.start..self.document.start + span.end
        });
        Place { file: self.file.clone(), span: span.unwrap_or_else(|| self.name.clone()) }
    }
}

/// Reads the documents of a file. Never panics, whatever the text; `environment` looks up the variables that Secrets
/// may name.
pub fn read_documents(file_name: &str, text: &str, environment: Environment<'_>) -> Parsed {
    // Go's readers skip a byte order mark too.
    let documents = yaml::parse(text);
    let masks = documents.iter().flat_map(|document| masks(document, text)).collect::<Vec<_>>();
    let file = Arc::new(SourceFile::new(file_name, text, &masks));
    let mut reader = Reader { file, environment, objects: Vec::new(), findings: Vec::new(), incomplete: None };
    for document in documents {
        match document {
            Ok(document) => reader.document(&document),
            Err(broken) => reader.broken(&broken),
        }
    }
    let Reader { file, objects, findings, incomplete, .. } = reader;
    Parsed { file, objects, findings, incomplete }
}

/// What must not be shown of a document.
fn masks(document: &Result<Document, Broken>, text: &str) -> Vec<Mask> {
    match document {
        Ok(document) => {
            let items = match identity::classify(&document.root) {
                Ok(Class::List(items)) => items,
                _ => std::slice::from_ref(&document.root),
            };
            let secret =
                |item: &&Node| item.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.contains("Secret"));
            let values = items.iter().filter(secret).flat_map(secrets::secret_values);
            let mut masks: Vec<Mask> = values.map(Mask::Value).collect();
            if !masks.is_empty() {
                masks.extend(document.anchors.iter().cloned().map(Mask::Value));
            }
            masks
        }
        // Nothing tells values from keys here: where the text looks like a Secret's, only keys are shown.
        Err(broken) => {
            let shown = text.get(broken.span.clone()).unwrap_or_default();
            let secret = ["Secret", "stringData"].iter().any(|word| shown.contains(word));
            if secret { vec![Mask::Lines(broken.span.clone())] } else { Vec::new() }
        }
    }
}

struct Reader<'a> {
    file: Arc<SourceFile>,
    environment: Environment<'a>,
    objects: Vec<Object>,
    findings: Vec<Finding>,
    incomplete: Option<Problem>,
}

impl Reader<'_> {
    fn broken(&mut self, broken: &Broken) {
        let text = self.file.text();
        let rest = text.get(broken.at..).unwrap_or_default();
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let span = broken.at..broken.at + word;
        self.finding(Reason::SyntaxError, span, None, broken.message.clone(), broken.hint.clone());
        self.incomplete(&broken.message, broken.at);
    }

    fn incomplete(&mut self, message: &str, at: usize) {
        if self.incomplete.is_none() {
            let place = Place { file: self.file.clone(), span: at..at };
            let message = format!("cannot be read any more: {place}: {message}");
            self.incomplete = Some(invalid(FieldPath::default(), message, None));
        }
    }

    fn document(&mut self, document: &Document) {
        match identity::classify(&document.root) {
            Ok(Class::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let prefix = [Step::Key("items".to_owned()), Step::Index(index)];
                    let flaws = document.flaws.iter().filter_map(|flaw| below(flaw, &prefix)).collect();
                    self.object(document, item, Some(index), flaws);
                }
                for flaw in &document.flaws {
                    if !matches!(flaw.field.steps(), [Step::Key(items), Step::Index(_), ..] if items == "items") {
                        self.loose_flaw(flaw);
                    }
                }
            }
            _ => self.object(document, &document.root, None, document.flaws.clone()),
        }
    }

    fn object(&mut self, document: &Document, root: &Node, item: Option<usize>, flaws: Vec<Flaw>) {
        let class = match identity::classify(root) {
            Ok(class) => class,
            Err(nothing) => return self.nothing(nothing, &flaws),
        };
        if let Class::Foreign { api_version, kind } = class {
            let span = root.locate(&FieldPath::default().key("kind"));
            let message = format!("{api_version} {kind} is not a kind that Sluicegate reads");
            self.finding(Reason::ForeignKind, span, None, message, None);
            if let Some(finding) = self.findings.last_mut() {
                finding.severity = Severity::Warning;
            }
            return;
        }
        let identity = match identity::identity(root) {
            Ok(identity) => identity,
            Err(nothing) => return self.nothing(nothing, &flaws),
        };
        let mut found: Vec<Found> = flaws.into_iter().map(|flaw| from_flaw(flaw, class == Class::Secret)).collect();
        found.extend(identity.wrong.into_iter().map(|(field, message, hint)| {
            let span = root.locate(&field);
            Found { problem: invalid(field, message, hint), span }
        }));
        let content = match class {
            Class::Ours(Kind::Rule) => Content::Rule(candidate(Kind::Rule, root, &mut found)),
            Class::Ours(Kind::Upstream) => Content::Upstream(candidate(Kind::Upstream, root, &mut found)),
            Class::Ours(Kind::Target) => Content::Target(candidate(Kind::Target, root, &mut found)),
            Class::Secret => {
                let (secret, problems) = secrets::secret(root, self.environment);
                found.extend(problems);
                Content::Secret(secret.filter(|_| !refused(&found)).map(Arc::new))
            }
            Class::ConfigMap => {
                let (data, problems) = secrets::config_map(root);
                found.extend(problems);
                Content::ConfigMap(data.filter(|_| !refused(&found)).map(Arc::new))
            }
            Class::List(_) | Class::Foreign { .. } => {
                let message = "a list inside a list is not read".to_owned();
                return self.finding(Reason::NotAnObject, root.head(), None, message, None);
            }
        };
        let name = root.locate(&FieldPath::default().key("metadata").key("name"));
        let origin = Origin { file: self.file.clone(), document: document.span.clone(), item, name };
        let object = Object { key: identity.key, content, origin };
        let name = object.name();
        self.findings.extend(found.into_iter().map(|found| Finding {
            place: Some(Place { file: self.file.clone(), span: found.span }),
            ..Finding::about(&name, &found.problem)
        }));
        self.objects.push(object);
    }

    fn nothing(&mut self, nothing: Nothing, flaws: &[Flaw]) {
        let Nothing { unknown_kind, field, span, message, hint } = nothing;
        self.incomplete(&message, span.start);
        let reason = if unknown_kind { Reason::UnknownKind } else { Reason::NotAnObject };
        self.finding(reason, span, Some(field), message, hint);
        for flaw in flaws {
            self.loose_flaw(flaw);
        }
    }

    /// A flaw of no object.
    fn loose_flaw(&mut self, flaw: &Flaw) {
        let found = from_flaw(flaw.clone(), true);
        self.finding(
            Reason::SyntaxError,
            found.span,
            Some(found.problem.field),
            found.problem.message,
            found.problem.hint,
        );
    }

    fn finding(&mut self, reason: Reason, span: Span, field: Option<FieldPath>, message: String, hint: Option<String>) {
        self.findings.push(Finding {
            place: Some(Place { file: self.file.clone(), span }),
            severity: Severity::Error,
            object: None,
            field: field.filter(|field| !field.steps().is_empty()),
            reason: reason.to_string(),
            message,
            hint,
        });
    }
}

/// A flaw as seen from the list item that it stands in.
fn below(flaw: &Flaw, prefix: &[Step]) -> Option<Flaw> {
    let steps = flaw.field.steps().strip_prefix(prefix)?;
    let field = steps.iter().fold(FieldPath::default(), |path, step| match step {
        Step::Key(key) => path.key(key),
        Step::Index(index) => path.index(*index),
    });
    Some(Flaw { field, ..flaw.clone() })
}

fn from_flaw(flaw: Flaw, hide: bool) -> Found {
    let Flaw { field, span, message, hint, harmless, shows_value } = flaw;
    let (message, hint) = if hide && shows_value {
        ("cannot be read as a string".to_owned(), Some("put it in quotes".to_owned()))
    } else {
        (message, hint)
    };
    let mut problem = invalid(field, message, hint);
    if harmless {
        problem.severity = Severity::Warning;
    }
    Found { problem, span }
}

fn refused(found: &[Found]) -> bool {
    found.iter().any(|found| found.problem.severity == Severity::Error)
}

/// Checks an object and gives it its type.
fn candidate<T: DeserializeOwned>(kind: Kind, root: &Node, found: &mut Vec<Found>) -> Candidate<T> {
    let (json, problems) = KindSchema::of(kind).check(root);
    found.extend(problems);
    let typed = json.map(serde_json::from_value::<T>).transpose();
    match typed {
        Ok(Some(object)) if !refused(found) => return Candidate::Valid(Arc::new(object)),
        Ok(_) => {}
        Err(error) => {
            let field = FieldPath::spec();
            let span = root.locate(&field);
            found.push(Found { problem: invalid(field, error.to_string(), None), span });
        }
    }
    Candidate::Refused(Arc::new(found.iter().map(|found| found.problem.clone()).collect()))
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
