//! The chart's README lists every value as the schema and `values.yaml` have it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::effects::{leaves, schema};
use super::helm::chart;

/// Behind this line the README is generated.
const HEADING: &str = "## Values\n";

/// The values in the order of `values.yaml`.
fn table() -> String {
    let schema = schema();
    let leaves = leaves(&schema);
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let defaults: Value = serde_saphyr::from_str(&text).unwrap();
    let mut table = "\n| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for (path, part) in leaves.iter().filter(|(path, _)| *path != "global") {
        let default = path.split('.').try_fold(&defaults, |value, name| value.get(name));
        let default = default.map_or_else(String::new, |default| match default {
            Value::Array(items) if items.iter().any(|item| item.as_object().is_some_and(|item| item.len() > 1)) => {
                "see `values.yaml`".to_owned()
            }
            Value::Object(fields) if fields.len() > 2 => "see `values.yaml`".to_owned(),
            default => format!("`{default}`"),
        });
        let meaning = part["description"].as_str().unwrap_or_else(|| panic!("{path} has no description"));
        writeln!(table, "| `{path}` | {default} | {} |", meaning.replace('|', "\\|")).unwrap();
    }
    table
}

#[test]
fn the_list_of_values_is_fresh() {
    let file = chart().join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, found) = readme.split_once(HEADING).unwrap();
    let expected = table();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, format!("{before}{HEADING}{expected}")).unwrap();
        return;
    }
    let missing: BTreeSet<&str> = expected.lines().filter(|line| !found.lines().any(|other| other == *line)).collect();
    assert!(found == expected, "UPDATE=1 writes the list of values anew; missing: {missing:#?}");
}
