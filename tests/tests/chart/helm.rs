//! Helm, asked to render the chart.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sluicegate_tests::console::repository;
use sluicegate_tests::tools::{attempt, both};

/// The release in all renders, and its namespace: names of nothing else, so that a name that is not derived shows.
pub(crate) const RELEASE: &str = "edge";
pub(crate) const NAMESPACE: &str = "gate";
/// A Helm that was built from its module takes itself for one of an old Kubernetes.
const KUBERNETES: &str = "v1.34.0";

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    repository().join("charts/sluicegate")
}

/// Where the sets of values and their renders are.
pub(crate) fn cases() -> Vec<PathBuf> {
    let folder = repository().join("tests/charts");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// The values of a case.
pub(crate) fn values(case: &std::path::Path) -> String {
    fs::read_to_string(case.join("values.yaml")).unwrap()
}

/// What Helm renders of these values, or what it says against them.
pub(crate) fn template(values: &str) -> Result<String, String> {
    release_template(RELEASE, NAMESPACE, values)
}

/// The same for a release of another name, or in another namespace.
pub(crate) fn release_template(release: &str, namespace: &str, values: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).unwrap();
    let (chart, file) = (chart(), file);
    let output = attempt(
        "helm",
        &[
            "template",
            release,
            chart.to_str().unwrap(),
            "--namespace",
            namespace,
            "--kube-version",
            KUBERNETES,
            "--values",
            file.to_str().unwrap(),
        ],
    );
    if output.status.success() { Ok(String::from_utf8(output.stdout).unwrap()) } else { Err(both(&output)) }
}

/// The same, as objects.
pub(crate) fn objects(values: &str) -> Vec<Value> {
    parse(&template(values).unwrap_or_else(|error| panic!("{error}\n{values}")))
}

/// The objects in a stream of YAML documents.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    format!("\n{text}")
        .split("\n---\n")
        .filter(|document| document.lines().any(|line| !line.is_empty() && !line.starts_with('#')))
        .map(|document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}\n{document}")))
        .collect()
}

/// The object of this kind and name.
pub(crate) fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name} is rendered"))
}
