//! The files that a rule looks at: those that git knows of, or a made-up set.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Text files by their path from the top of the repository, with `/` between elements.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// The repository's files: those that git tracks and new ones that it does not ignore.
    pub fn of_repository() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent");
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(top)
            .output()
            .expect("git is needed to list the repository's files");
        assert!(listed.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
        let files = String::from_utf8(listed.stdout)
            .expect("paths are UTF-8")
            .lines()
            .filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(top.join(path)).ok()?)))
            .collect();
        Self { files }
    }

    /// A made-up tree.
    pub fn made_up<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { files: files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect() }
    }

    /// All files: path and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust sources.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }
}
