//! Invariant 3, no field is accepted and ignored: each field that users can write is exercised by a test that
//! `tests/fields.yaml` names.
//!
//! The list is written by hand, because only a reader can tell whether a test would fail if the field did nothing. What a
//! machine can tell is held here: every field of the generated schemas is in the list, everything in the list is a field,
//! and every test that it names is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::layout::{Breach, Tree};

/// Where the list is.
const LIST: &str = "tests/fields.yaml";

/// Every field of every kind's `spec` is exercised by a test.
pub fn every_field_is_exercised(tree: &Tree) -> Vec<Breach> {
    let fields = fields(tree);
    let tests = tests(tree);
    let list: BTreeMap<String, Vec<String>> =
        serde_saphyr::from_str(tree.text(LIST).expect("the list of fields is there")).expect("the list is readable");

    let mut breaches = Vec::new();
    let mut breach = |field: &str, what: String| breaches.push(Breach { place: format!("{LIST}: {field}"), what });
    for field in &fields {
        match list.get(field).map(Vec::as_slice) {
            None => breach(field, "the field is not in the list: add it with the tests that exercise it".to_owned()),
            Some([]) => breach(field, "no test exercises the field".to_owned()),
            Some(_) => {}
        }
    }
    for (field, named) in &list {
        if !fields.contains(field) {
            breach(field, "no schema has this field".to_owned());
        }
        for test in named.iter().filter(|test| !tests.contains(*test)) {
            breach(field, format!("there is no test {test}"));
        }
    }
    breaches
}

/// The leaves of the kinds' `spec`, as `Upstream.spec.targets[].weight`. A map is a leaf, and so are a list of scalars and an
/// object without fields.
fn fields(tree: &Tree) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for (path, text) in tree.files() {
        let Some(name) = path.strip_prefix("crds/").and_then(|name| name.strip_suffix(".yaml")) else { continue };
        let definition: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let spec = &definition["spec"];
        let kind = spec["names"]["kind"].as_str().unwrap_or_else(|| panic!("{name} names no kind"));
        for version in spec["versions"].as_array().into_iter().flatten() {
            let schema = &version["schema"]["openAPIV3Schema"]["properties"]["spec"];
            leaves(format!("{kind}.spec"), schema, &mut fields);
        }
    }
    fields
}

fn leaves(path: String, schema: &Value, found: &mut BTreeSet<String>) {
    let (path, object) = if schema["items"]["properties"].is_object() {
        (format!("{path}[]"), &schema["items"])
    } else {
        (path, schema)
    };
    match object["properties"].as_object() {
        Some(properties) => {
            for (name, property) in properties {
                leaves(format!("{path}.{name}"), property, found);
            }
        }
        None => {
            found.insert(path);
        }
    }
}

/// The tests of the tree, as `FOLDER::module::test` for those beside the code of the crate in FOLDER, and as
/// `BINARY::module::test` for those of a test binary.
fn tests(tree: &Tree) -> BTreeSet<String> {
    tree.sources().filter_map(|(path, text)| module(path).map(|module| tests_of(&module, text))).flatten().collect()
}

/// The module that a file is.
fn module(path: &str) -> Option<String> {
    let (folder, file) = path.strip_suffix(".rs")?.split_once('/')?;
    let path = match file.split_once('/')? {
        ("src", file) => format!("{folder}/{file}"),
        ("tests", file) => file.to_owned(),
        _ => return None,
    };
    let path = ["/lib", "/main", "/mod"].iter().find_map(|end| path.strip_suffix(end)).unwrap_or(&path);
    Some(path.replace('/', "::"))
}

/// The tests of one file. rustfmt's indentation tells which inline module a test is in.
fn tests_of(module: &str, text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut inline: Vec<(usize, &str)> = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        let code = line.trim_start();
        let depth = line.len() - code.len();
        if code == "}" && inline.last().is_some_and(|(opened, _)| *opened == depth) {
            inline.pop();
        }
        if let Some(name) = code.strip_suffix(" {").and_then(|code| code.strip_prefix("mod ")) {
            inline.push((depth, name));
        }
        if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = code.split_once("fn ").filter(|_| is_test && !code.starts_with("//")) {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let modules: String = inline.iter().map(|(_, module)| format!("::{module}")).collect();
            tests.push(format!("{module}{modules}::{name}"));
            is_test = false;
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITION: &str = "
spec:
  names: {kind: Cup}
  versions:
  - schema:
      openAPIV3Schema:
        properties:
          spec:
            properties:
              size: {type: integer}
              saucer: {type: object}
              labels: {type: object, additionalProperties: {type: string}}
              tags: {type: array, items: {type: string}}
              handles: {type: array, items: {type: object, properties: {side: {type: string}}}}
          status:
            properties: {full: {type: boolean}}
";
    const SOURCE: &str = "
fn no_test() {}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(unix)]
    fn has_a_size() {}

    mod deep {
        #[tokio::test(start_paused = true)]
        async fn has_a_saucer() {}
    }
}

mod later {
    #[test]
    // fn not_this_one() {}
    fn has_labels(size in 0..9) {}
}
";

    fn breaches(list: &str) -> Vec<String> {
        let tree = Tree::made_up([
            ("crds/cups.yaml", DEFINITION),
            ("kitchen/src/cup/mod.rs", SOURCE),
            ("kitchen/tests/serving.rs", "#[test]\nfn has_handles() {}\n"),
            (LIST, list),
        ]);
        every_field_is_exercised(&tree).iter().map(ToString::to_string).collect()
    }

    const COMPLETE: &str = "
Cup.spec.size: ['kitchen::cup::tests::has_a_size']
Cup.spec.saucer: ['kitchen::cup::tests::deep::has_a_saucer']
Cup.spec.labels: ['kitchen::cup::later::has_labels']
Cup.spec.tags: ['serving::has_handles']
Cup.spec.handles[].side: ['serving::has_handles', 'kitchen::cup::tests::has_a_size']
";

    #[test]
    fn a_complete_list_passes() {
        assert_eq!(breaches(COMPLETE), [""; 0]);
    }

    #[test]
    fn a_field_that_is_not_in_the_list_is_found() {
        let list = COMPLETE.replace("Cup.spec.saucer: ['kitchen::cup::tests::deep::has_a_saucer']", "");
        let [only] = &breaches(&list)[..] else { panic!("one breach") };
        assert!(only.starts_with("tests/fields.yaml: Cup.spec.saucer: the field is not in the list"), "{only}");
    }

    #[test]
    fn a_field_without_tests_is_found() {
        let list = COMPLETE.replace("'kitchen::cup::later::has_labels'", "");
        assert_eq!(breaches(&list), ["tests/fields.yaml: Cup.spec.labels: no test exercises the field"]);
    }

    #[test]
    fn an_entry_without_a_field_is_found() {
        let list = format!("{COMPLETE}Cup.spec.spoon: ['serving::has_handles']\n");
        assert_eq!(breaches(&list), ["tests/fields.yaml: Cup.spec.spoon: no schema has this field"]);
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        for gone in ["serving::has_spoons", "kitchen::cup::no_test", "kitchen::cup::later::not_this_one"] {
            let list = COMPLETE.replace("tags: ['serving::has_handles']", &format!("tags: ['{gone}']"));
            assert_eq!(breaches(&list), [format!("tests/fields.yaml: Cup.spec.tags: there is no test {gone}")]);
        }
    }
}
