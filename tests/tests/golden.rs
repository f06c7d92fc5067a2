//! Golden pairs: a folder of manifests on one side; the table, the conditions and what `check` says on the other.
//!
//! Each folder of `tests/golden` is a case: `input.yaml` and `output.yaml`, or `input-1.yaml`, `input-2.yaml`… for edits of
//! one file, each compiled with the table before it. `UPDATE_GOLDEN=1 cargo test -p sluicegate-tests --test golden` writes
//! the outputs anew; read the difference before committing it.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use serde_json::Value;
use sluicegate_controller::compile::{Compiled, ObjectStatus, compile};
use sluicegate_controller::objects::Kind;
use sluicegate_controller::source::folder::{Folder, Reader};
use sluicegate_crds::status::Reason;
use sluicegate_proxy::receive::Snapshot;
use sluicegate_table::{Entries, ObjectKey, Table};

/// Asks for the outputs to be written.
const UPDATE: &str = "UPDATE_GOLDEN";
/// The one environment variable that manifests find.
const VARIABLE: (&str, &str) = ("OPENAI_KEY", "sk-from-the-environment");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The cases in the order of their names.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// The inputs of a case, in order, each with the file that holds what is expected of it.
fn steps(case: &Path) -> Vec<(String, PathBuf)> {
    let mut inputs: Vec<String> = fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("input"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} has no input", case.display());
    inputs
        .into_iter()
        .map(|name| (fs::read_to_string(case.join(&name)).unwrap(), case.join(name.replacen("input", "output", 1))))
        .collect()
}

/// A file of manifests that is edited again and again, and the table that was made of it last.
struct Gate {
    folder: tempfile::TempDir,
    reader: Reader,
    table: Table,
}

impl Gate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let environment = |name: &str| (name == VARIABLE.0).then(|| VARIABLE.1.to_owned());
        let reader = Reader::with_environment([folder.path()], environment);
        Self { folder, reader, table: Table::default() }
    }

    fn edit(&mut self, text: &str) -> (Folder, Compiled, Table) {
        fs::write(self.folder.path().join("input.yaml"), text).unwrap();
        let folder = self.reader.read().unwrap();
        let compiled = compile(&folder.objects, &self.table);
        let before = std::mem::replace(&mut self.table, compiled.table.clone());
        (folder, compiled, before)
    }
}

/// What is expected of a step.
#[derive(Serialize)]
struct Output<'a> {
    table: &'a Table,
    /// The entries that are not shared with the table before, and those that are gone.
    changed: Vec<String>,
    objects: BTreeMap<String, Said>,
    /// What `check` says, with places.
    check: Vec<String>,
}

#[derive(Serialize)]
struct Said {
    /// Each as `Type=Status Reason: message`.
    conditions: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

impl Said {
    fn of(status: &ObjectStatus, place: &str) -> Self {
        let conditions = status.conditions.iter().map(|condition| {
            let Condition { type_, status, reason, message, .. } = condition;
            format!("{type_}={status} {reason}: {}", message.replace(place, ""))
        });
        Self { conditions: conditions.collect(), stale: status.stale }
    }
}

fn changed(before: &Table, after: &Table) -> Vec<String> {
    fn of<E>(kind: Kind, before: &Entries<E>, after: &Entries<E>) -> Vec<String> {
        let shared = |key: &ObjectKey| match (before.get(key), after.get(key)) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            _ => false,
        };
        let keys: BTreeSet<&ObjectKey> = before.keys().chain(after.keys()).collect();
        keys.into_iter().filter(|key| !shared(key)).map(|key| format!("{kind} {key}")).collect()
    }
    [
        of(Kind::Rule, &before.routes, &after.routes),
        of(Kind::Upstream, &before.pools, &after.pools),
        of(Kind::Target, &before.targets, &after.targets),
    ]
    .concat()
}

fn output(folder: &Folder, compiled: &Compiled, before: &Table, place: &Path) -> String {
    let problems =
        compiled.statuses.iter().flat_map(|(id, status)| status.problems.iter().map(move |problem| (id, problem)));
    let place = format!("{}/", place.display());
    let check = folder
        .report(problems)
        .iter()
        .map(|finding| format!("{:?} {}", finding.severity, finding.to_string().replace(&place, "")))
        .collect();
    let output = Output {
        table: &compiled.table,
        changed: changed(before, &compiled.table),
        objects: compiled.statuses.iter().map(|(id, status)| (id.to_string(), Said::of(status, &place))).collect(),
        check,
    };
    serde_saphyr::to_string(&output).unwrap()
}

/// The first line in which the two texts differ, with the lines before it.
fn difference(expected: &str, found: &str) -> String {
    const BEFORE: usize = 4;
    let same = expected.lines().zip(found.lines()).take_while(|(expected, found)| expected == found).count();
    let mut text = String::new();
    for line in expected.lines().take(same).skip(same.saturating_sub(BEFORE)) {
        writeln!(text, "  {line}").unwrap();
    }
    for (sign, side) in [("-", expected), ("+", found)] {
        writeln!(text, "{sign} {}", side.lines().nth(same).unwrap_or("(the end)")).unwrap();
    }
    text
}

/// One step of a case: what went in, what came out, and the file that holds what is expected.
struct Step {
    input: String,
    output: String,
    expected: PathBuf,
}

fn all_steps() -> Vec<Step> {
    let mut all = Vec::new();
    for case in cases() {
        let mut gate = Gate::new();
        for (input, expected) in steps(&case) {
            let (folder, compiled, before) = gate.edit(&input);
            let output = output(&folder, &compiled, &before, gate.folder.path());
            all.push(Step { input, output, expected });
        }
    }
    all
}

#[test]
fn inputs_compile_to_their_outputs() {
    let update = std::env::var_os(UPDATE).is_some();
    let mut wrong = String::new();
    for Step { output, expected: path, .. } in all_steps() {
        if update {
            fs::write(&path, &output).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != output {
            writeln!(wrong, "{}:\n{}", path.display(), difference(&expected, &output)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}\n{UPDATE}=1 writes the outputs anew");
}

#[test]
fn the_same_manifests_again_change_nothing() {
    for case in cases() {
        let mut gate = Gate::new();
        for (input, _) in steps(&case) {
            let (_, first, _) = gate.edit(&input);
            let (_, again, before) = gate.edit(&input);
            assert_eq!(again.table.version, first.table.version, "{}", case.display());
            assert_eq!(changed(&before, &again.table), [""; 0], "{}", case.display());
        }
    }
}

#[test]
fn a_proxy_takes_every_table() {
    for case in cases() {
        let mut gate = Gate::new();
        let mut snapshot = Snapshot::default();
        for (input, _) in steps(&case) {
            let (_, compiled, _) = gate.edit(&input);
            let (next, refused) = Snapshot::build(Arc::new(compiled.table), &snapshot);
            assert_eq!(refused, [], "{}", case.display());
            snapshot = next;
            for route in snapshot.routes() {
                assert!(route.rewrite.is_ok(), "{}: {:?}", case.display(), route.rewrite);
            }
            for member in snapshot.pools().flat_map(|pool| pool.members()) {
                let Some(reach) = &member.reach else { continue };
                let credential = reach.endpoint.target.credential.as_ref();
                let without_value = credential.is_some_and(|credential| credential.value.is_none());
                assert_eq!(reach.rewrite.is_err(), without_value, "{}: {:?}", case.display(), reach.rewrite);
            }
        }
    }
}

#[test]
fn the_order_of_documents_makes_no_difference() {
    for case in cases() {
        // Only what was there before tells what a broken document holds, so that later steps depend on the earlier ones.
        let (input, _) = steps(&case).remove(0);
        let mut documents: Vec<&str> = input.split("\n---\n").collect();
        documents.reverse();
        let (_, forwards, _) = Gate::new().edit(&input);
        let (_, backwards, _) = Gate::new().edit(&documents.join("\n---\n"));
        assert_eq!(forwards.table, backwards.table, "{}", case.display());
        let conditions = |compiled: &Compiled| -> Vec<String> {
            let statuses = compiled.statuses.iter();
            statuses.map(|(id, status)| format!("{id}: {:?} {}", status.conditions, status.stale)).collect()
        };
        assert_eq!(conditions(&forwards), conditions(&backwards), "{}", case.display());
    }
}

/// The keys of all mappings below `properties` of a schema.
fn fields(schema: &Value, into: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        into.insert(name.clone());
        fields(field, into);
    }
    if schema["items"].is_object() {
        fields(&schema["items"], into);
    }
}

#[test]
fn every_field_and_every_reason_is_in_a_pair() {
    let (inputs, outputs): (String, String) = all_steps().into_iter().map(|step| (step.input, step.output)).unzip();
    for reason in Reason::ALL.iter().filter(|reason| !Reason::IN_CLUSTER.contains(reason)) {
        assert!(outputs.contains(&format!(" {reason}: ")), "no pair has the reason {reason}");
    }
    for kind in ["rules", "upstreams", "targets"] {
        let path = root().join(format!("../../crds/{kind}.sluicegate.dev.yaml"));
        let definition: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut names = BTreeSet::new();
        fields(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"], &mut names);
        assert!(!names.is_empty());
        for name in names {
            assert!(inputs.contains(&format!("{name}:")), "no pair has the field {name} of {kind}");
        }
    }
}

#[test]
fn no_output_shows_a_secret() {
    for step in all_steps() {
        assert!(!step.output.contains("sk-"), "{} shows a secret", step.expected.display());
    }
}
