#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use tempfile::TempDir;

use std::fs;

use super::*;
use crate::objects::{Candidate, Kind, ObjectId};

fn target(name: &str, host: &str) -> String {
    format!(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: Target\nmetadata: {{name: {name}}}\nspec: {{host: {host}, port: 80}}\n---\n"
    )
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// `name host` of the valid Targets, `name!` of the refused.
fn targets(folder: &Folder) -> Vec<String> {
    let shown = |(key, candidate): (&ObjectKey, &Candidate<sluicegate_crds::Target>)| match candidate {
        Candidate::Valid(target) => format!("{} {}", key.name, target.spec.host.as_deref().unwrap_or_default()),
        Candidate::Refused(_) => format!("{}!", key.name),
    };
    folder.objects.targets.iter().map(shown).collect()
}

fn messages(folder: &Folder) -> Vec<String> {
    folder.findings.iter().map(|finding| finding.message.clone()).collect()
}

fn id(name: &str) -> ObjectId {
    ObjectId { kind: Kind::Target, key: ObjectKey::new("default", name) }
}

#[test]
fn takes_the_manifests_of_the_folder_and_nothing_else() {
    let folder = folder(&[
        ("a.yaml", &target("a", "x")),
        ("b.yml", &target("b", "x")),
        ("c.json", r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "v"}}"#),
        ("d.txt", &target("d", "x")),
        (".e.yaml", &target("e", "x")),
        ("sluicegate.yaml", "listeners: []"),
        ("README.md", "# no manifest"),
    ]);
    fs::create_dir(folder.path().join("below.yaml")).unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below/f.yaml"), target("f", "x")).unwrap();
    let read = read(folder.path()).unwrap();
    assert_eq!(targets(&read), ["a x", "b x"]);
    assert_eq!(read.objects.config_maps.len(), 1);
    assert_eq!(messages(&read), Vec::<String>::new());
}

#[test]
fn a_file_can_be_read_by_itself() {
    let folder = folder(&[("a.yaml", &target("a", "x")), ("b.yaml", &target("b", "x"))]);
    assert_eq!(targets(&read(&folder.path().join("b.yaml")).unwrap()), ["b x"]);
    let mut both = Reader::new([folder.path().to_owned(), folder.path().join("b.yaml")]);
    assert_eq!(messages(&both.read().unwrap()), Vec::<String>::new());
}

#[test]
fn one_broken_file_leaves_the_others() {
    let folder = folder(&[("a.yaml", &target("a", "x")), ("b.yaml", "kind: [\n"), ("c.yaml", &target("c", "x"))]);
    fs::write(folder.path().join("d.yaml"), [0xff, 0xfe, 0]).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("e.yaml")).unwrap();
    let read = read(folder.path()).unwrap();
    assert_eq!(targets(&read), ["a x", "c x"]);
    let places: Vec<_> = read.findings.iter().map(|finding| finding.place.as_ref().unwrap().file.name()).collect();
    assert!(
        places[0].ends_with("b.yaml") && places[1].ends_with("d.yaml") && places[2].ends_with("e.yaml"),
        "{places:?}"
    );
    assert_eq!(messages(&read)[1..], ["is not UTF-8 text", "is a link to nothing"]);
}

#[test]
fn the_first_of_a_name_stays() {
    let folder = folder(&[("a.yaml", &target("a", "first")), ("b.yaml", &(target("b", "x") + &target("a", "second")))]);
    let read = read(folder.path()).unwrap();
    assert_eq!(targets(&read), ["a first", "b x"]);
    assert_eq!(read.findings.len(), 1);
    let (message, place) = (&read.findings[0].message, read.findings[0].place.as_ref().unwrap());
    assert!(message.contains("a.yaml:3:18") && place.to_string().ends_with("b.yaml:8:18"), "{message} {place}");
}

#[test]
fn what_a_broken_file_held_is_refused_and_what_is_deleted_is_gone() {
    let folder = folder(&[("a.yaml", &(target("a", "x") + &target("b", "x"))), ("c.yaml", &target("c", "x"))]);
    let path = folder.path().join("a.yaml");
    let mut reader = Reader::new([folder.path()]);
    assert_eq!(targets(&reader.read().unwrap()), ["a x", "b x", "c x"]);

    fs::write(&path, target("a", "later") + "kind: [\n").unwrap();
    let read = reader.read().unwrap();
    assert_eq!(targets(&read), ["a later", "b!", "c x"]);
    let Candidate::Refused(refused) = &read.objects.targets[&id("b").key] else { panic!() };
    assert!(refused.problems[0].message.contains("a.yaml:6:7"), "{}", refused.problems[0].message);
    let finding = read.finding(&id("b"), &refused.problems[0]);
    assert_eq!(finding.place.map(|place| place.start().line), Some(6), "where it was is not there any more");

    // It breaks still more, then is whole again without `b`, then gone.
    fs::write(&path, "[").unwrap();
    assert_eq!(targets(&reader.read().unwrap()), ["a!", "b!", "c x"]);
    fs::write(&path, target("a", "z")).unwrap();
    assert_eq!(targets(&reader.read().unwrap()), ["a z", "c x"]);
    fs::write(&path, target("a", "5")).unwrap();
    assert_eq!(targets(&reader.read().unwrap()), ["a!", "c x"]);
    fs::write(&path, target("A5", "z").replace("kind: Target", "kind: Tarket")).unwrap();
    assert_eq!(targets(&reader.read().unwrap()), ["a!", "c x"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(targets(&reader.read().unwrap()), ["c x"]);
}

#[test]
fn an_object_that_moved_out_of_a_broken_file_is_not_refused() {
    let folder = folder(&[("a.yaml", &target("a", "x"))]);
    let mut reader = Reader::new([folder.path()]);
    reader.read().unwrap();
    fs::write(folder.path().join("a.yaml"), "[").unwrap();
    fs::write(folder.path().join("b.yaml"), target("a", "later")).unwrap();
    assert_eq!(targets(&reader.read().unwrap()), ["a later"]);
}

#[test]
fn a_secret_that_turns_invalid_stays_what_it_was() {
    let secret =
        |value: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{k: {value}}}\n");
    let folder = folder(&[("s.yaml", &secret("one"))]);
    let mut reader = Reader::with_environment([folder.path()], |_| None);
    let key = ObjectKey::new("default", "s");
    for (text, expected) in [
        (secret("one"), Some("one")),
        (secret("'${env:NONE}'"), Some("one")),
        ("[".to_owned(), Some("one")),
        (secret("two"), Some("two")),
        (String::new(), None),
    ] {
        fs::write(folder.path().join("s.yaml"), &text).unwrap();
        let read = reader.read().unwrap();
        let value = read.objects.secrets.get(&key).map(|data| String::from_utf8(data.0["k"].clone()).unwrap());
        assert_eq!(value.as_deref(), expected, "{text}");
    }
}

#[test]
fn only_a_change_is_news() {
    let folder = folder(&[("a.yaml", &target("a", "x"))]);
    let mut reader = Reader::new([folder.path()]);
    assert!(reader.refresh().unwrap().is_some());
    assert!(reader.refresh().unwrap().is_none());
    fs::write(folder.path().join("a.yaml"), target("a", "x")).unwrap();
    fs::write(folder.path().join("note.txt"), "").unwrap();
    assert!(reader.refresh().unwrap().is_none());
    fs::write(folder.path().join("a.yaml"), target("a", "later")).unwrap();
    assert!(reader.refresh().unwrap().is_some() && !reader.doubtful());
    fs::write(folder.path().join("a.yaml"), "").unwrap();
    assert!(reader.refresh().unwrap().is_some() && reader.doubtful());
    fs::remove_file(folder.path().join("a.yaml")).unwrap();
    assert!(reader.refresh().unwrap().is_some() && !reader.doubtful());
}

#[test]
fn problems_found_later_find_their_place() {
    let folder = folder(&[("a.yaml", &(target("z", "x") + &target("a", "x")))]);
    let read = read(folder.path()).unwrap();
    let place = read.locate(&id("a"), &FieldPath::spec().key("host")).unwrap();
    assert_eq!((place.start().line, place.start().column), (9, 14));
    let problem = invalid(FieldPath::spec().key("path"), "is odd".to_owned(), None);
    let report = read.report([(&id("a"), &problem), (&id("a"), &problem), (&id("nothing"), &problem)]);
    let shown: Vec<_> = report.iter().map(|finding| finding.place.as_ref().map(|place| place.start().line)).collect();
    assert_eq!(shown, [None, Some(9)]);
    assert!(read.locate(&id("nothing"), &FieldPath::spec()).is_none());
}

#[test]
fn a_report_says_nothing_twice() {
    let folder = folder(&[("a.yaml", &target("a", "5"))]);
    let read = read(folder.path()).unwrap();
    let Candidate::Refused(refused) = &read.objects.targets[&id("a").key] else { panic!() };
    let id = id("a");
    assert_eq!(read.report(refused.problems.iter().map(|problem| (&id, problem))).len(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_in_one_sentence() {
    let folder = TempDir::new().unwrap();
    let error = read(&folder.path().join("none")).unwrap_err();
    assert!(matches!(&error, FolderError::NotFound { .. }));
    assert!(error.to_string().starts_with("there is no file or folder "));
}
