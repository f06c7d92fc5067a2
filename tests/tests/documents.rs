//! Every example and every command in the documents does what the documents say.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use sluicegate_tests::console::{Session, languages, repository, steps};
use sluicegate_tests::layout::Tree;
use sluicegate_tests::program::program;
use sluicegate_tests::tools::both;

fn run_document(path: &str) {
    let text = std::fs::read_to_string(repository().join(path)).unwrap();
    let mut session = Session::new(&repository());
    for step in steps(&text) {
        session.run(&step);
    }
}

fn example_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(repository().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn the_readme_does_what_it_says() {
    run_document("README.md");
}

#[test]
fn every_example_does_what_its_readme_says() {
    let folders = example_folders();
    assert!(folders.len() >= 5);
    for folder in folders {
        let readme = format!("examples/{}/README.md", name(&folder));
        let text =
            std::fs::read_to_string(repository().join(&readme)).unwrap_or_else(|error| panic!("{readme}: {error}"));
        assert!(steps(&text).iter().any(|step| step.command.contains("curl ")), "{readme} shows no request");
        run_document(&readme);
    }
}

#[test]
fn every_example_passes_check() {
    for folder in example_folders() {
        // Where an example's Secret comes from the environment, checking it needs the variable too.
        let output =
            Command::new(program()).arg("check").arg(&folder).env("PROVIDER_API_KEY", "sk-example").output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
    }
}

#[test]
fn every_command_in_the_documents_is_run_by_a_test() {
    let tree = Tree::of_repository();
    let documents = || {
        tree.files().filter(|(path, _)| {
            *path == "README.md" || (path.starts_with("docs/") || path.starts_with("examples/")) && path.ends_with("md")
        })
    };
    for (path, text) in documents() {
        for language in languages(text) {
            assert!(
                !matches!(language, "sh" | "bash" | "shell"),
                "{path}: mark commands as `console`, so that they are run"
            );
        }
    }
    for (path, _) in documents().filter(|(path, text)| path.starts_with("docs/") && !steps(text).is_empty()) {
        run_document(path);
    }
}

#[test]
fn every_manifest_in_the_documents_passes_check() {
    let tree = Tree::of_repository();
    let mut found = 0;
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with("md")) {
        for manifest in text
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .filter(|text| text.contains("kind: "))
        {
            let folder = tempfile::TempDir::new().unwrap();
            std::fs::write(folder.path().join("manifest.yaml"), manifest).unwrap();
            let output =
                Command::new(program()).arg("check").arg(folder.path()).env("PROVIDER_API_KEY", "sk-example").output();
            let output = output.unwrap();
            assert!(output.status.success(), "{path}: {}", both(&output));
            found += 1;
        }
    }
    assert!(found > 0, "the README shows a manifest");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let tree = Tree::of_repository();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with("md")) {
        let folder = repository().join(path).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            let is_path = file.chars().all(|letter| letter.is_ascii_alphanumeric() || "./_-".contains(letter));
            if !file.is_empty() && is_path {
                assert!(folder.join(file).exists(), "{path} links to {link}, which is not there");
            }
        }
    }
}
