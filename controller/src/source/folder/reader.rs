//! A folder's files into objects, again and again: what a broken file held before stays in force.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluicegate_table::ObjectKey;

use super::contents::Folder;
use super::document::Content;
use super::documents::{Digest, Incomplete, Object, Parsed, digest, read_again};
use super::file::{Place, SourceFile};
use super::files::{FolderError, Unreadable, content, list};
use super::finding::{Finding, Reason};
use super::schema::invalid;
use super::secrets::Environment;
use crate::problem::{FieldPath, Severity};

/// Reads a folder, or one file, once.
pub fn read(path: &Path) -> Result<Folder, FolderError> {
    Reader::new([path]).read()
}

/// Reads folders and files again and again, and knows what they held.
pub struct Reader {
    paths: Vec<PathBuf>,
    environment: Lookup,
    cluster: bool,
    files: BTreeMap<PathBuf, Held>,
    doubtful: bool,
}

/// Looks an environment variable up.
type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A file as it was read last.
struct Held {
    stamp: Stamp,
    parsed: Arc<Parsed>,
    /// What it held when it was last read in full, and since then.
    objects: BTreeMap<(&'static str, ObjectKey), Object>,
}

/// Tells one content of a file from another: its length and hash, or why it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    Content(Digest),
    Unreadable(String),
}

impl Reader {
    /// A reader of these folders and files, with the process's environment.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self::with_environment(paths, |name| std::env::var(name).ok())
    }

    /// A reader of these folders and files, where Secrets find their variables in `environment`.
    pub fn with_environment<P: Into<PathBuf>>(
        paths: impl IntoIterator<Item = P>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { paths, environment: Box::new(environment), cluster: false, files: BTreeMap::new(), doubtful: false }
    }

    /// Reads them as what is to be applied to a cluster, where there are Services.
    #[must_use]
    pub fn for_cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// What the folders and files hold now.
    pub fn read(&mut self) -> Result<Folder, FolderError> {
        let order = self.load()?.1;
        Ok(self.assemble(&order))
    }

    /// What they hold now, where that is something else than at the last call.
    pub(super) fn refresh(&mut self) -> Result<Option<Folder>, FolderError> {
        let (changed, order) = self.load()?;
        Ok(changed.then(|| self.assemble(&order)))
    }

    /// Whether the last reading looked like a file that is being written: one broke that was whole, or lost objects.
    pub(super) fn doubtful(&self) -> bool {
        self.doubtful
    }

    /// Reads every file that changed. Tells whether any did, and the files in order.
    fn load(&mut self) -> Result<(bool, Vec<PathBuf>), FolderError> {
        let mut order = Vec::new();
        for path in &self.paths {
            for file in list(path)? {
                if !order.contains(&file) {
                    order.push(file);
                }
            }
        }
        let before = self.files.len();
        self.files.retain(|path, _| order.contains(path));
        let mut changed = self.files.len() != before;
        self.doubtful = false;
        let environment = Environment { variables: &*self.environment, cluster: self.cluster };
        let mut present = Vec::with_capacity(order.len());
        for path in order {
            let content = match content(&path) {
                Ok(content) => Ok(content),
                // Gone between the listing and now.
                Err(Unreadable::Gone) => {
                    changed |= self.files.remove(&path).is_some();
                    continue;
                }
                Err(Unreadable::Because(why)) => Err(why),
            };
            let stamp = stamp(content.as_deref());
            let last = self.files.get(&path);
            if last.is_none_or(|last| last.stamp != stamp) {
                changed = true;
                let name = path.display().to_string();
                let parsed = match content {
                    Ok(text) => read_again(&name, &text, environment, last.map(|last| &*last.parsed)),
                    Err(why) => unreadable(&name, &why),
                };
                let held = Held::next(last, stamp, parsed);
                self.doubtful |= last.is_some_and(|last| held.looks_cut(last));
                self.files.insert(path.clone(), held);
            }
            present.push(path);
        }
        Ok((changed, present))
    }

    /// Puts the files' objects together: the first of a name stays.
    fn assemble(&self, order: &[PathBuf]) -> Folder {
        let mut folder = Folder::default();
        let mut taken: BTreeMap<(&'static str, ObjectKey), Place> = BTreeMap::new();
        let files = || order.iter().filter_map(|path| self.files.get(path));
        for file in files() {
            folder.findings.extend(file.parsed.findings.iter().cloned());
            for object in &file.parsed.objects {
                let name = (object.content.kind(), object.key.clone());
                if let Some(first) = taken.get(&name) {
                    folder.findings.push(duplicate(object, first));
                    continue;
                }
                taken.insert(name.clone(), object.origin.name());
                folder.insert(file.objects.get(&name).unwrap_or(object), None);
            }
        }
        for file in files() {
            let Some(lost) = &file.parsed.incomplete else { continue };
            for (name, object) in &file.objects {
                if !taken.contains_key(name) {
                    taken.insert(name.clone(), object.origin.name());
                    folder.insert(object, Some(lost));
                }
            }
        }
        folder
    }
}

impl Held {
    /// The file as it is now, with what it still holds of before.
    fn next(last: Option<&Self>, stamp: Stamp, parsed: Parsed) -> Self {
        let mut objects = match last {
            Some(last) if parsed.incomplete.is_some() => last.objects.clone(),
            _ => BTreeMap::new(),
        };
        for object in parsed.objects.iter().rev() {
            let name = (object.content.kind(), object.key.clone());
            let mut object = object.clone();
            // A Secret that turned invalid stays what it was, as the objects that use it do.
            if let (Content::Secret(None) | Content::ConfigMap(None), Some(before)) =
                (&object.content, last.and_then(|last| last.objects.get(&name)))
            {
                object.content = before.content.clone();
            }
            objects.insert(name, object);
        }
        Self { stamp, parsed: Arc::new(parsed), objects }
    }

    fn looks_cut(&self, last: &Self) -> bool {
        let broke = self.parsed.incomplete.is_some() && last.parsed.incomplete.is_none();
        broke || self.parsed.objects.len() < last.parsed.objects.len()
    }
}

fn duplicate(object: &Object, first: &Place) -> Finding {
    Finding {
        place: Some(object.origin.name()),
        severity: Severity::Error,
        object: Some(object.name()),
        field: None,
        reason: Reason::Duplicate.to_string(),
        message: format!("is there twice; the one in {first} is used"),
        hint: Some("rename or remove one of the two".to_owned()),
    }
}

fn unreadable(name: &str, why: &str) -> Parsed {
    let file = Arc::new(SourceFile::new(name, "", &[]));
    let place = Place { file: file.clone(), span: 0..0 };
    let finding = Finding {
        place: Some(place.clone()),
        severity: Severity::Error,
        object: None,
        field: None,
        reason: Reason::Unreadable.to_string(),
        message: why.to_owned(),
        hint: None,
    };
    let message = format!("cannot be read any more: {name}: {why}");
    let incomplete = Incomplete { problem: invalid(FieldPath::default(), message, None), place };
    Parsed::unreadable(finding, file, incomplete)
}

fn stamp(content: Result<&str, &String>) -> Stamp {
    match content {
        Ok(text) => Stamp::Content(digest(text)),
        Err(why) => Stamp::Unreadable(why.clone()),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
