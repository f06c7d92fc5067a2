//! One document, checked. The outcome counts its places from the document's start and names no file: where the same text
//! stands at another place after an edit, it is used again, since checking costs far more than reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::json;
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::ObjectKey;

use super::file::Mask;
use super::finding::Reason;
use super::identity::{self, Class, Nothing};
use super::schema::{Found, KindSchema, invalid, plain_json};
use super::secrets::{self, Environment};
use super::yaml::{Broken, Document, Flaw, Node, Span};
use crate::objects::{Candidate, Kind, Refused, SecretData};
use crate::problem::{FieldPath, Problem, Severity, Step};
use crate::source::requests::requests;

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

/// A document's outcome.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Its objects: more than one where it is a list.
    pub(crate) objects: Vec<CheckedObject>,
    /// What is wrong with it.
    pub(crate) remarks: Vec<Remark>,
    /// What must not be shown of it.
    pub(crate) masks: Vec<Mask>,
    /// Where, and why, something in it could not be told what it is.
    pub(crate) incomplete: Option<(usize, String)>,
}

/// An object of a document.
#[derive(Debug)]
pub(crate) struct CheckedObject {
    /// Namespace and name.
    pub(crate) key: ObjectKey,
    /// What it is.
    pub(crate) content: Content,
    /// Its position, where the document is a list.
    pub(crate) item: Option<usize>,
    /// The bytes of its name.
    pub(crate) name: Span,
}

/// Something wrong with a document.
#[derive(Debug)]
pub(crate) struct Remark {
    /// The bytes to underline.
    pub(crate) span: Span,
    /// The object, as in `Rule default/chat`, where one could be told.
    pub(crate) object: Option<String>,
    /// The reason, as the finding shows it.
    pub(crate) reason: String,
    /// The rest.
    pub(crate) problem: Problem,
}

impl Checked {
    /// Checks a document.
    pub(crate) fn document(document: &Document, environment: Environment<'_>) -> Self {
        let start = document.span.start;
        let mut checked = Self { masks: masks(document), ..Self::default() };
        checked.read(document, environment);
        let back = |span: &mut Span| *span = span.start.saturating_sub(start)..span.end.saturating_sub(start);
        checked.objects.iter_mut().for_each(|object| back(&mut object.name));
        checked.remarks.iter_mut().for_each(|remark| back(&mut remark.span));
        checked.masks.iter_mut().for_each(|mask| back(mask.span_mut()));
        if let Some((at, _)) = &mut checked.incomplete {
            *at = at.saturating_sub(start);
        }
        checked
    }

    /// A document that could not be read. Nothing tells values from keys in it: where it looks like a Secret's, only keys
    /// may be shown.
    pub(crate) fn broken(broken: &Broken, text: &str) -> Self {
        let start = broken.span.start;
        let shown = text.get(broken.span.clone()).unwrap_or_default();
        let secret = ["Secret", "stringData"].iter().any(|word| shown.contains(word));
        let rest = text.get(broken.at..).unwrap_or_default();
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let at = broken.at.saturating_sub(start);
        Self {
            objects: Vec::new(),
            remarks: vec![Remark {
                span: at..at + word,
                object: None,
                reason: Reason::SyntaxError.to_string(),
                problem: invalid(FieldPath::default(), broken.message.clone(), broken.hint.clone()),
            }],
            masks: if secret { vec![Mask::Lines(0..shown.len())] } else { Vec::new() },
            incomplete: Some((at, broken.message.clone())),
        }
    }

    fn read(&mut self, document: &Document, environment: Environment<'_>) {
        let Ok(Class::List(items)) = identity::classify(&document.root) else {
            return self.object(&document.root, None, document.flaws.clone(), environment);
        };
        for (index, item) in items.iter().enumerate() {
            let prefix = [Step::Key("items".to_owned()), Step::Index(index)];
            let flaws = document.flaws.iter().filter_map(|flaw| below(flaw, &prefix)).collect();
            self.object(item, Some(index), flaws, environment);
        }
        for flaw in &document.flaws {
            if !matches!(flaw.field.steps(), [Step::Key(items), Step::Index(_), ..] if items == "items") {
                self.loose_flaw(flaw);
            }
        }
    }

    fn object(&mut self, root: &Node, item: Option<usize>, flaws: Vec<Flaw>, environment: Environment<'_>) {
        let class = match identity::classify(root) {
            Ok(class) => class,
            Err(nothing) => return self.nothing(nothing, &flaws),
        };
        if let Class::Foreign { api_version, kind } = class {
            let message = format!("{api_version} {kind} is not a kind that Sluicegate reads");
            let mut problem = invalid(FieldPath::default(), message, None);
            problem.severity = Severity::Warning;
            return self.remark(Reason::ForeignKind, root.locate(&FieldPath::default().key("kind")), problem);
        }
        if let Class::List(_) = class {
            let problem = invalid(FieldPath::default(), "a list inside a list is not read".to_owned(), None);
            return self.remark(Reason::NotAnObject, root.head(), problem);
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
            Class::Ours(Kind::Rule) => Content::Rule(candidate(Kind::Rule, root, environment, &mut found)),
            Class::Ours(Kind::Upstream) => Content::Upstream(candidate(Kind::Upstream, root, environment, &mut found)),
            Class::Ours(Kind::Target) => Content::Target(candidate(Kind::Target, root, environment, &mut found)),
            Class::Secret => {
                let (secret, problems) = secrets::secret(root, environment);
                found.extend(problems);
                Content::Secret(secret.filter(|_| !refused(&found)).map(Arc::new))
            }
            Class::ConfigMap | Class::List(_) | Class::Foreign { .. } => {
                let (data, problems) = secrets::config_map(root);
                found.extend(problems);
                Content::ConfigMap(data.filter(|_| !refused(&found)).map(Arc::new))
            }
        };
        let name = format!("{} {}", content.kind(), identity.key);
        self.remarks.extend(found.into_iter().map(|Found { problem, span }| Remark {
            span,
            object: Some(name.clone()),
            reason: problem.reason.to_string(),
            problem,
        }));
        let name = root.locate(&FieldPath::default().key("metadata").key("name"));
        self.objects.push(CheckedObject { key: identity.key, content, item, name });
    }

    fn nothing(&mut self, nothing: Nothing, flaws: &[Flaw]) {
        let Nothing { unknown_kind, field, span, message, hint } = nothing;
        self.incomplete.get_or_insert_with(|| (span.start, message.clone()));
        let reason = if unknown_kind { Reason::UnknownKind } else { Reason::NotAnObject };
        self.remark(reason, span, invalid(field, message, hint));
        for flaw in flaws {
            self.loose_flaw(flaw);
        }
    }

    /// A flaw of no object: whether it would show a Secret's value is not known.
    fn loose_flaw(&mut self, flaw: &Flaw) {
        let Found { problem, span } = from_flaw(flaw.clone(), true);
        self.remark(Reason::SyntaxError, span, problem);
    }

    fn remark(&mut self, reason: Reason, span: Span, problem: Problem) {
        self.remarks.push(Remark { span, object: None, reason: reason.to_string(), problem });
    }
}

/// What must not be shown of a document.
fn masks(document: &Document) -> Vec<Mask> {
    let items = match identity::classify(&document.root) {
        Ok(Class::List(items)) => items,
        _ => std::slice::from_ref(&document.root),
    };
    let secret = |item: &&Node| item.get("kind").and_then(Node::as_str).is_some_and(|kind| kind.contains("Secret"));
    let values = items.iter().filter(secret).flat_map(secrets::secret_values);
    let mut masks: Vec<Mask> = values.map(Mask::Value).collect();
    if !masks.is_empty() {
        masks.extend(document.anchors.iter().cloned().map(Mask::Value));
    }
    masks
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
fn candidate<T: DeserializeOwned>(
    kind: Kind,
    root: &Node,
    environment: Environment<'_>,
    found: &mut Vec<Found>,
) -> Candidate<T> {
    let schema = KindSchema::of(kind);
    let (json, problems) = if environment.cluster { schema.check_as_on_a_cluster(root) } else { schema.check(root) };
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
    let problems: Vec<Problem> = found.iter().map(|found| found.problem.clone()).collect();
    let requests = root.get("spec").and_then(|spec| requests(kind, &plain_json(spec), &problems));
    let requests = requests.and_then(|spec| {
        let object =
            json!({"apiVersion": "sluicegate.dev/v1alpha1", "kind": kind.to_string(), "metadata": {}, "spec": spec});
        serde_json::from_value(object).ok()
    });
    Candidate::Refused(Arc::new(Refused { problems, generation: None, requests }))
}
