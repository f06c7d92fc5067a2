//! What is generated from the Rust types: `crds/*.yaml`, the chart of the definitions, and the kinds' reference pages.
//!
//! `UPDATE=1 cargo test -p sluicegate-crds --test generated` writes them; without `UPDATE` the same test fails where one is
//! stale.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "generated/reference.rs"]
mod reference;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sluicegate_crds::{definitions, yaml};

const NOTICE: &str = "# Generated from crds/src: run `make crds` after a change there.\n";

/// `kubectl apply` keeps the whole object in an annotation, and annotations end at this size.
const ANNOTATIONS_MOST: usize = 262_144;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every generated file: its path from the repository's root, and its text.
fn generated() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for definition in definitions() {
        let name = definition.metadata.name.clone().unwrap();
        files.push((format!("crds/{name}.yaml"), format!("{NOTICE}{}", yaml(&definition).unwrap())));

        let mut kept = definition.clone();
        // Uninstalling the chart must not delete every object of these kinds with their definition.
        kept.metadata
            .annotations
            .get_or_insert_default()
            .insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
        let template = format!("charts/sluicegate-crds/templates/{name}.yaml");
        files.push((template, format!("{NOTICE}{}", yaml(&kept).unwrap())));

        let page = format!("docs/reference/{}.md", definition.spec.names.kind.to_lowercase());
        files.push((page, reference::page(&definition)));
    }
    files
}

#[test]
fn generated_files_are_fresh() {
    let update = env::var_os("UPDATE").is_some();
    let mut stale = Vec::new();
    for (path, text) in generated() {
        let file = root().join(&path);
        if fs::read_to_string(&file).ok().as_deref() == Some(text.as_str()) {
            continue;
        }
        if update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "stale, run `make crds`: {stale:?}");
}

#[test]
fn yaml_says_what_the_definition_says() {
    for definition in definitions() {
        let read: CustomResourceDefinition = serde_saphyr::from_str(&yaml(&definition).unwrap()).unwrap();
        assert_eq!(read, definition);
    }
}

/// Whatever else lies where generated definitions lie would be applied or installed with them.
#[test]
fn nothing_else_lies_among_the_definitions() {
    let expected: BTreeSet<PathBuf> = generated().into_iter().map(|(path, _)| root().join(path)).collect();
    for folder in ["crds", "charts/sluicegate-crds/templates"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let applied =
                path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|e| extension == *e));
            assert!(!applied || expected.contains(&path), "{} is not generated", path.display());
        }
    }
}

#[test]
fn definitions_fit_into_kubectls_annotation() {
    for definition in definitions() {
        let size = serde_json::to_string(&definition).unwrap().len();
        assert!(size < ANNOTATIONS_MOST, "{:?} has {size} bytes", definition.metadata.name);
    }
}

/// Helm would take braces in a description for a template's action.
#[test]
fn chart_templates_have_no_actions() {
    for (path, text) in generated() {
        assert!(!path.starts_with("charts/") || !text.contains("{{"), "{path}");
    }
}

/// The chart carries the version of the definitions that it holds.
#[test]
fn chart_has_the_crates_version() {
    let chart = fs::read_to_string(root().join("charts/sluicegate-crds/Chart.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for line in [format!("version: {version}"), format!("appVersion: {version}")] {
        assert!(chart.lines().any(|found| found == line), "Chart.yaml has no line `{line}`");
    }
}
