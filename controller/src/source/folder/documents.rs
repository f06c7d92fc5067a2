//! From a file's text to checked objects: a pure function of the text and the environment.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;
use std::sync::Arc;

use sluicegate_table::ObjectKey;

use super::document::{Checked, Content};
use super::file::{Place, SourceFile};
use super::finding::Finding;
use super::identity::{self, Class};
use super::schema::invalid;
use super::secrets::{Environment, Variables};
use super::yaml::{self, Span};
use crate::objects::{Kind, ObjectId};
use crate::problem::{FieldPath, Problem};

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
    pub incomplete: Option<Incomplete>,
    /// The documents by their text.
    checked: HashMap<Digest, Arc<Checked>>,
}

/// Why it is not known what a file holds.
#[derive(Clone, Debug)]
pub struct Incomplete {
    /// The problem of each object that it may hold.
    pub problem: Problem,
    /// Where it stops making sense.
    pub place: Place,
}

/// Tells one text from another.
pub(crate) type Digest = (usize, u64);

/// The digest of a text.
pub(crate) fn digest(text: &str) -> Digest {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (text.len(), hasher.finish())
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
        let span =
            root.filter(|_| !field.steps().is_empty()).map(|root| moved(&root.locate(field), self.document.start));
        Place { file: self.file.clone(), span: span.unwrap_or_else(|| self.name.clone()) }
    }
}

/// Reads the documents of a file. Never panics, whatever the text; `environment` looks up the variables that Secrets
/// may name.
pub fn read_documents(file_name: &str, text: &str, environment: Variables<'_>) -> Parsed {
    read_again(file_name, text, Environment { variables: environment, cluster: false }, None)
}

/// Reads the documents of a file, of which `last` was the state before. Documents whose text is the same are not
/// checked again; the environment of a process does not change.
pub(crate) fn read_again(file_name: &str, text: &str, environment: Environment<'_>, last: Option<&Parsed>) -> Parsed {
    let known = |digest: &Digest| last.and_then(|last| last.checked.get(digest)).cloned();
    let read = yaml::parse(text);
    let outcomes = on_all_cores(&read, |document| match document {
        Ok(document) => {
            let digest = digest(text.get(document.span.clone()).unwrap_or_default());
            let outcome = known(&digest).unwrap_or_else(|| Arc::new(Checked::document(document, environment)));
            (document.span.clone(), outcome, Some(digest))
        }
        Err(broken) => (broken.span.clone(), Arc::new(Checked::broken(broken, text)), None),
    });
    let mut checked = HashMap::new();
    let mut documents: Vec<(Span, Arc<Checked>)> = Vec::with_capacity(outcomes.len());
    for (span, outcome, digest) in outcomes {
        checked.extend(digest.map(|digest| (digest, outcome.clone())));
        documents.push((span, outcome));
    }
    let masks = documents.iter().flat_map(|(span, outcome)| outcome.masks.iter().map(|mask| mask.moved(span.start)));
    let file = Arc::new(SourceFile::new(file_name, text, &masks.collect::<Vec<_>>()));
    let mut parsed = Parsed { file, objects: Vec::new(), findings: Vec::new(), incomplete: None, checked };
    for (span, outcome) in documents {
        parsed.add(&span, &outcome);
    }
    parsed
}

/// Documents that one thread checks: some milliseconds of work, beside which starting a thread is nothing.
const SHARE: usize = 50;

/// What `check` makes of each item, in their order. Where there are thousands, all cores share in it.
fn on_all_cores<T: Sync, R: Send>(items: &[T], check: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(cores).max(SHARE);
    if items.len() <= share {
        return items.iter().map(check).collect();
    }
    std::thread::scope(|scope| {
        let check = &check;
        let shares = items.chunks(share).map(|some| scope.spawn(move || some.iter().map(check).collect::<Vec<R>>()));
        let threads: Vec<_> = shares.collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    })
}

impl Parsed {
    /// A file that cannot be read at all.
    pub(crate) fn unreadable(finding: Finding, file: Arc<SourceFile>, incomplete: Incomplete) -> Self {
        let (findings, incomplete) = (vec![finding], Some(incomplete));
        Self { file, objects: Vec::new(), findings, incomplete, checked: HashMap::new() }
    }

    fn add(&mut self, document: &Span, outcome: &Checked) {
        let file = &self.file;
        self.objects.extend(outcome.objects.iter().map(|object| {
            let name = moved(&object.name, document.start);
            let origin = Origin { file: file.clone(), document: document.clone(), item: object.item, name };
            Object { key: object.key.clone(), content: object.content.clone(), origin }
        }));
        self.findings.extend(outcome.remarks.iter().map(|remark| Finding {
            place: Some(Place { file: file.clone(), span: moved(&remark.span, document.start) }),
            object: remark.object.clone(),
            reason: remark.reason.clone(),
            ..Finding::about("", &remark.problem)
        }));
        if let (Some((at, message)), None) = (&outcome.incomplete, &self.incomplete) {
            let at = document.start + at;
            let place = Place { file: file.clone(), span: at..at };
            let message = format!("cannot be read any more: {place}: {message}");
            self.incomplete = Some(Incomplete { problem: invalid(FieldPath::default(), message, None), place });
        }
    }
}

/// A span of a document as one of its file.
fn moved(span: &Span, start: usize) -> Span {
    span.start + start..span.end + start
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
