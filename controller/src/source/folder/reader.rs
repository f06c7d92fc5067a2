//! A folder's files into objects, again and again: what a broken file held before stays in force.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluicegate_table::ObjectKey;

use super::document::Content;
use super::documents::{Digest, Object, Origin, Parsed, digest, read_again};
use super::file::{Place, SourceFile};
use super::finding::{Finding, Reason};
use super::schema::invalid;
use crate::objects::{Candidate, ObjectId, Objects};
use crate::problem::{FieldPath, Problem, Severity};

/// The installation's own configuration at the top of a folder, which is no manifest.
const CONFIGURATION: &str = "sluicegate.yaml";
/// The largest file that is read. A manifest of 10,000 rules has about 3 MiB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a folder holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Its objects, ready for compile.
    pub objects: Objects,
    /// Everything that reading found wrong, in the order of the files.
    pub findings: Vec<Finding>,
    origins: BTreeMap<ObjectId, Origin>,
}

impl Folder {
    /// Where an object's field was written, or else what encloses it.
    pub fn locate(&self, object: &ObjectId, field: &FieldPath) -> Option<Place> {
        self.origins.get(object).map(|origin| origin.locate(field))
    }

    /// A problem of an object, with its place.
    pub fn finding(&self, object: &ObjectId, problem: &Problem) -> Finding {
        let place = self.locate(object, &problem.field);
        Finding { place, ..Finding::about(&object.to_string(), problem) }
    }

    /// What reading found and what compile found, without what both say, in the order of files and lines.
    pub fn report<'a>(&self, problems: impl IntoIterator<Item = (&'a ObjectId, &'a Problem)>) -> Vec<Finding> {
        let said = |finding: &Finding| (finding.object.clone(), finding.field.clone(), finding.message.clone());
        let mut seen: BTreeSet<_> = self.findings.iter().map(said).collect();
        let mut findings = self.findings.clone();
        for (object, problem) in problems {
            let finding = Finding::about(&object.to_string(), problem);
            if seen.insert(said(&finding)) {
                findings.push(self.finding(object, problem));
            }
        }
        findings.sort_by_cached_key(|finding| {
            finding.place.as_ref().map(|place| (place.file.name().to_owned(), place.span.start))
        });
        findings
    }
}

/// Why a folder cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is nothing at this path.
    #[error("there is no file or folder {path}")]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// It is a file, and files cannot be watched.
    #[error("{path} is not a folder")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Reads a folder, or one file, once.
pub fn read(path: &Path) -> Result<Folder, FolderError> {
    Reader::new([path]).read()
}

/// Reads folders and files again and again, and knows what they held.
pub struct Reader {
    paths: Vec<PathBuf>,
    environment: Lookup,
    files: BTreeMap<PathBuf, Held>,
    doubtful: bool,
}

/// Looks an environment variable up.
type Lookup = Box<dyn Fn(&str) -> Option<String> + Send>;

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
        environment: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { paths, environment: Box::new(environment), files: BTreeMap::new(), doubtful: false }
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
                    Ok(text) => read_again(&name, &text, &*self.environment, last.map(|last| &*last.parsed)),
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
            let Some(problem) = &file.parsed.incomplete else { continue };
            for (name, object) in &file.objects {
                if !taken.contains_key(name) {
                    taken.insert(name.clone(), object.origin.name());
                    folder.insert(object, Some(problem));
                }
            }
        }
        folder
    }
}

impl Folder {
    /// Takes an object in; one of our kinds with `lost` as refused for that reason.
    fn insert(&mut self, object: &Object, lost: Option<&Problem>) {
        fn or_lost<T>(candidate: &Candidate<T>, lost: Option<&Problem>) -> Candidate<T> {
            match (lost, candidate) {
                (Some(problem), _) => Candidate::Refused(Arc::new(vec![problem.clone()])),
                (None, Candidate::Valid(object)) => Candidate::Valid(object.clone()),
                (None, Candidate::Refused(problems)) => Candidate::Refused(problems.clone()),
            }
        }
        let key = object.key.clone();
        if let Some(id) = object.id() {
            self.origins.insert(id, object.origin.clone());
        }
        match &object.content {
            Content::Rule(rule) => {
                self.objects.rules.insert(key, or_lost(rule, lost));
            }
            Content::Upstream(upstream) => {
                self.objects.upstreams.insert(key, or_lost(upstream, lost));
            }
            Content::Target(target) => {
                self.objects.targets.insert(key, or_lost(target, lost));
            }
            Content::Secret(Some(data)) => {
                self.objects.secrets.insert(key, data.clone());
            }
            Content::ConfigMap(Some(data)) => {
                self.objects.config_maps.insert(key, data.clone());
            }
            Content::Secret(None) | Content::ConfigMap(None) => {}
        }
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
    let finding = Finding {
        place: Some(Place { file: file.clone(), span: 0..0 }),
        severity: Severity::Error,
        object: None,
        field: None,
        reason: Reason::Unreadable.to_string(),
        message: why.to_owned(),
        hint: None,
    };
    let incomplete = invalid(FieldPath::default(), format!("cannot be read any more: {name}: {why}"), None);
    Parsed::unreadable(finding, file, incomplete)
}

fn stamp(content: Result<&str, &String>) -> Stamp {
    match content {
        Ok(text) => Stamp::Content(digest(text)),
        Err(why) => Stamp::Unreadable(why.clone()),
    }
}

/// The manifests of a folder in the order of their names, as kubectl takes them: not those of folders below it, nothing
/// hidden. A file stands for itself.
fn list(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => FolderError::NotFound { path: path.to_owned() },
        _ => FolderError::Unreadable { path: path.to_owned(), error },
    };
    if !fs::metadata(path).map_err(refused)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let manifest = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        if manifest && !name.starts_with('.') && name != CONFIGURATION {
            files.push(entry.path());
        }
    }
    // Links are followed: a mounted ConfigMap is made of them. What is no file is skipped, a link to nothing is not.
    files.retain(|file| fs::metadata(file).map_or(true, |metadata| metadata.is_file()));
    files.sort();
    Ok(files)
}

enum Unreadable {
    Gone,
    Because(String),
}

fn content(path: &Path) -> Result<String, Unreadable> {
    let because = |error: io::Error| {
        let gone = error.kind() == io::ErrorKind::NotFound;
        match fs::symlink_metadata(path) {
            Err(_) if gone => Unreadable::Gone,
            _ if gone => Unreadable::Because("is a link to nothing".to_owned()),
            _ => Unreadable::Because(format!("cannot be read: {error}")),
        }
    };
    if fs::metadata(path).map_err(because)?.len() > MAX_FILE_BYTES {
        return Err(Unreadable::Because(format!("is larger than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    let bytes = fs::read(path).map_err(because)?;
    String::from_utf8(bytes).map_err(|_| Unreadable::Because("is not UTF-8 text".to_owned()))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
