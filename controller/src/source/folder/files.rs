//! Which files of a folder are manifests, and their texts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The installation's own configuration at the top of a folder, which is no manifest.
const CONFIGURATION: &str = "sluicegate.yaml";
/// The largest file that is read. A manifest of 10,000 rules has about 3 MiB.
const MAX_FILE_BYTES: u64 = 16 << 20;

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

/// The manifests of a folder in the order of their names, as kubectl takes them: not those of folders below it, nothing
/// hidden. A file stands for itself.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
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

/// Why a file has no text.
pub(crate) enum Unreadable {
    /// It is not there.
    Gone,
    /// It is there.
    Because(String),
}

/// The text of a file.
pub(crate) fn content(path: &Path) -> Result<String, Unreadable> {
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
