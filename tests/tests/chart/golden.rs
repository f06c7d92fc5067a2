//! Each folder of `tests/charts` holds a set of values and what the chart makes of it.

use std::fmt::Write as _;
use std::fs;

use sluicegate_tests::tools::{attempt, both};

use super::helm::{RELEASE, cases, chart, objects, template, values};

#[test]
fn values_render_to_their_outputs() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut stale = String::new();
    for case in cases() {
        let file = case.join("output.yaml");
        let rendered = template(&values(&case)).unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        if update {
            fs::write(&file, rendered).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        let same =
            expected.lines().zip(rendered.lines()).take_while(|(expected, rendered)| expected == rendered).count();
        if expected != rendered {
            let at = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
            let line = same + 1;
            writeln!(stale, "{}:{line}:\n- {}\n+ {}", file.display(), at(&expected), at(&rendered)).unwrap();
        }
    }
    assert!(stale.is_empty(), "\n{stale}\nUPDATE=1 writes the outputs anew");
}

#[test]
fn lint_finds_nothing() {
    for chart in [chart(), chart().with_file_name("sluicegate-crds")] {
        for case in cases() {
            let file = case.join("values.yaml");
            let arguments = ["lint", "--strict", chart.to_str().unwrap(), "--kube-version", "v1.34.0"];
            let ours = chart.ends_with("sluicegate");
            let with_values = ["--values", file.to_str().unwrap()];
            let output = attempt("helm", &[&arguments[..], if ours { &with_values } else { &[] }].concat());
            assert!(output.status.success(), "{}", both(&output));
        }
    }
}

/// What a second installation of another name would share with the first, they would fight over.
#[test]
fn every_name_comes_from_the_release() {
    for case in cases() {
        for object in objects(&values(&case)) {
            let name = object["metadata"]["name"].as_str().unwrap();
            let own = name.strip_prefix("gate:").unwrap_or(name);
            assert!(own.starts_with(&format!("{RELEASE}-")), "{} {name}", object["kind"]);
        }
    }
}

/// `helm template | kubectl apply` puts every object where it says and knows no hooks.
#[test]
fn objects_name_their_namespace_and_only_the_test_is_a_hook() {
    for case in cases() {
        for object in objects(&values(&case)) {
            let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
            let cluster_wide = kind.starts_with("ClusterRole");
            assert_eq!(metadata["namespace"].is_null(), cluster_wide, "{kind} {}", metadata["name"]);
            let hook = &metadata["annotations"]["helm.sh/hook"];
            assert!(hook.is_null() || (kind, hook.as_str()) == ("Pod", Some("test")), "{kind} is a hook");
        }
    }
}
