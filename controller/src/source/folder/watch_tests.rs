#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;

use sluicegate_crds::Target;
use tempfile::TempDir;

use super::*;
use crate::objects::Candidate;

/// Far beyond what any step takes; a step that needs it fails.
const LIMIT: Duration = Duration::from_secs(20);
/// A rescan that never comes within a test: what is seen was reported.
const NEVER: Duration = Duration::from_hours(1);

fn target(name: &str, host: &str) -> String {
    format!(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: Target\nmetadata: {{name: {name}}}\nspec: {{host: {host}, port: 80}}\n---\n"
    )
}

/// `name host` of the valid Targets, `name!` of the refused.
fn targets(folder: &Folder) -> Vec<String> {
    let shown = |(key, candidate): (&sluicegate_table::ObjectKey, &Candidate<Target>)| match candidate {
        Candidate::Valid(target) => format!("{} {}", key.name, target.spec.host.as_deref().unwrap_or_default()),
        Candidate::Refused(_) => format!("{}!", key.name),
    };
    folder.objects.targets.iter().map(shown).collect()
}

/// Waits for the state in which the Targets are these.
async fn until(watch: &mut Watch, expected: &[&str]) -> Arc<Folder> {
    let reached = async {
        loop {
            let folder = watch.changed().await.unwrap();
            if targets(&folder) == expected {
                return folder;
            }
        }
    };
    let reached = tokio::time::timeout(LIMIT, reached).await.ok();
    reached.unwrap_or_else(|| panic!("{expected:?} never came, there is {:?}", targets(&watch.current())))
}

#[tokio::test]
async fn edits_arrive_however_they_are_made() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.yaml"), target("a", "one")).unwrap();
    let mut watch = start(folder.path(), NEVER).unwrap();
    assert_eq!(targets(&watch.current()), ["a one"]);

    fs::write(path("a.yaml"), target("a", "two")).unwrap();
    until(&mut watch, &["a two"]).await;
    // As editors do: beside it, then renamed over it; or the old one moved away first.
    fs::write(path(".a.yaml.swp"), target("a", "three")).unwrap();
    fs::rename(path(".a.yaml.swp"), path("a.yaml")).unwrap();
    until(&mut watch, &["a three"]).await;
    fs::rename(path("a.yaml"), path("a.yaml~")).unwrap();
    fs::write(path("a.yaml"), target("a", "four")).unwrap();
    until(&mut watch, &["a four"]).await;
    fs::write(path("b.yaml"), target("b", "one")).unwrap();
    until(&mut watch, &["a four", "b one"]).await;
    fs::remove_file(path("a.yaml")).unwrap();
    until(&mut watch, &["b one"]).await;
}

#[tokio::test]
async fn a_mounted_config_map_arrives_whole() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let version = |name: &str, host: &str| {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("a.yaml"), target("a", host)).unwrap();
        fs::write(path(name).join("b.yaml"), target("b", host)).unwrap();
    };
    version("..2026_1", "one");
    symlink("..2026_1", path("..data")).unwrap();
    symlink("..data/a.yaml", path("a.yaml")).unwrap();
    symlink("..data/b.yaml", path("b.yaml")).unwrap();
    let mut watch = start(folder.path(), NEVER).unwrap();
    assert_eq!(targets(&watch.current()), ["a one", "b one"]);

    version("..2026_2", "two");
    symlink("..2026_2", path("..data_tmp")).unwrap();
    fs::rename(path("..data_tmp"), path("..data")).unwrap();
    fs::remove_dir_all(path("..2026_1")).unwrap();
    let next = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap().unwrap();
    assert_eq!(targets(&next), ["a two", "b two"]);
}

#[tokio::test]
async fn a_folder_that_is_replaced_is_followed() {
    let root = TempDir::new().unwrap();
    let path = |name: &str| root.path().join(name);
    for (folder, host) in [("live", "one"), ("next", "two")] {
        fs::create_dir(path(folder)).unwrap();
        fs::write(path(folder).join("a.yaml"), target("a", host)).unwrap();
    }
    let mut watch = start(&path("live"), NEVER).unwrap();
    fs::rename(path("live"), path("old")).unwrap();
    fs::rename(path("next"), path("live")).unwrap();
    until(&mut watch, &["a two"]).await;
    fs::write(path("live").join("a.yaml"), target("a", "three")).unwrap();
    until(&mut watch, &["a three"]).await;

    // The same where the folder is a link.
    symlink("live", path("link")).unwrap();
    let mut watch = start(&path("link"), NEVER).unwrap();
    symlink("old", path("link.tmp")).unwrap();
    fs::rename(path("link.tmp"), path("link")).unwrap();
    until(&mut watch, &["a one"]).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_keeps_its_objects_and_says_so_once() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("live");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.yaml"), target("a", "one")).unwrap();
    let mut watch = start(&path, NEVER).unwrap();

    fs::rename(&path, root.path().join("away")).unwrap();
    let folder = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap().unwrap();
    assert_eq!(targets(&folder), ["a one"]);
    assert_eq!(folder.findings.len(), 1);
    assert!(folder.findings[0].message.starts_with("there is no file or folder"), "{}", folder.findings[0].message);

    // Events that change nothing about it say nothing more; the next state is the one in which it is back.
    fs::write(root.path().join("live.tmp"), "").unwrap();
    fs::rename(root.path().join("away"), &path).unwrap();
    let folder = until(&mut watch, &["a one"]).await;
    assert!(folder.findings.is_empty());
}

#[tokio::test]
async fn a_half_written_file_is_given_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.yaml");
    let whole = target("a", "one") + &target("b", "one");
    fs::write(&path, &whole).unwrap();
    let mut watch = start(folder.path(), NEVER).unwrap();
    // Cut off within the second document, then nothing at all, then whole: no state in between is seen.
    let after = whole.replace("one", "two");
    let begun = Instant::now();
    fs::write(&path, &after[..after.len() - 30]).unwrap();
    fs::write(&path, "").unwrap();
    fs::write(&path, &after).unwrap();
    let in_time = begun.elapsed() < DOUBT;
    let next = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap().unwrap();
    let expected = ["a two", "b two"];
    if targets(&next) != expected {
        assert!(!in_time, "{:?}", targets(&next));
        until(&mut watch, &expected).await;
    }
    // One that stays broken is reported, and holds what it held.
    fs::write(&path, &after[..after.len() - 30]).unwrap();
    let folder = until(&mut watch, &["a two", "b!"]).await;
    assert_eq!(folder.findings.len(), 1);
}

#[tokio::test]
async fn a_change_that_nobody_reported_is_found_by_the_rescan() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = elsewhere.path().join("a.yaml");
    fs::write(&file, target("a", "one")).unwrap();
    symlink(&file, folder.path().join("a.yaml")).unwrap();
    let mut watch = start(folder.path(), Duration::from_millis(20)).unwrap();
    fs::write(&file, target("a", "two")).unwrap();
    until(&mut watch, &["a two"]).await;
}

#[tokio::test]
async fn the_same_content_is_no_news() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, target("a", "one")).unwrap();
    let mut watch = start(folder.path(), Duration::from_millis(10)).unwrap();
    let write = |host: &str| {
        fs::write(folder.path().join(".a.yaml.new"), target("a", host)).unwrap();
        fs::rename(folder.path().join(".a.yaml.new"), &path).unwrap();
    };
    write("one");
    fs::write(folder.path().join("note.txt"), "").unwrap();
    write("two");
    // Were the same content news, the first state to come would still be `one`.
    let next = tokio::time::timeout(LIMIT, watch.changed()).await.unwrap().unwrap();
    assert_eq!(targets(&next), ["a two"]);
}

#[test]
fn what_cannot_be_watched_is_an_error() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, target("a", "one")).unwrap();
    assert!(matches!(watch(&file), Err(FolderError::NotAFolder { .. })));
    assert!(matches!(watch(&folder.path().join("none")), Err(FolderError::NotFound { .. })));
}

#[test]
fn dropping_the_watch_ends_its_thread() {
    let folder = TempDir::new().unwrap();
    let watch = start(folder.path(), NEVER).unwrap();
    let states = watch.states.clone();
    drop(watch);
    let begin = Instant::now();
    while states.has_changed().is_ok() {
        assert!(begin.elapsed() < LIMIT);
        thread::yield_now();
    }
}
