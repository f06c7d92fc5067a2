//! The table that outlives a proxy's process.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sluicegate_proxy::receive::channel::ChannelSettings;
use sluicegate_table::Table;

use crate::installation::{Controlled, Following, key, route, until};

fn keeping(controller: &Controlled) -> (ChannelSettings, PathBuf) {
    let file = controller.files.path().join("table.json");
    (ChannelSettings { saved_table: Some(file.clone()), ..controller.settings("a") }, file)
}

/// Waits until the file holds all of this.
async fn holds(file: &Path, parts: &[&str]) -> String {
    until("the table is saved", || {
        std::fs::read_to_string(file).ok().filter(|text| parts.iter().all(|part| text.contains(part)))
    })
    .await
}

async fn saved(controller: &Controlled) -> (ChannelSettings, PathBuf, std::sync::Arc<Table>) {
    let (settings, file) = keeping(controller);
    let proxy = Following::start(settings.clone());
    controller.publish(|published| {
        published.table.routes.insert(key("a"), route("/a"));
        published.table.routes.insert(key("b"), route("/b"));
    });
    let table = proxy.has("the table", |table| table.version == 1).await;
    holds(&file, &["team/a", "team/b"]).await;
    (settings, file, table)
}

#[tokio::test]
async fn a_proxy_that_starts_without_its_controller_serves_the_saved_table() {
    let mut controller = Controlled::start().await;
    let (settings, file, table) = saved(&controller).await;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    controller.stop().await;
    let proxy = Following::start(settings);
    assert_eq!(proxy.current.generation(), 1, "it is ready at once");
    assert_eq!(proxy.table().routes, table.routes);

    // The controller comes back, and sends only what has changed.
    controller.publish(|published| {
        published.table.routes.insert(key("b"), route("/bee"));
        published.table.routes.remove(&key("a"));
    });
    controller.listen(std::time::Duration::from_secs(15)).await;
    controller.reported("a").await;
    assert_eq!(proxy.table().routes, controller.published.borrow().table.routes);
    holds(&file, &["/bee"]).await;
}

#[tokio::test]
async fn a_damaged_file_is_as_good_as_none() {
    let controller = Controlled::start().await;
    let (settings, file, table) = saved(&controller).await;
    let good = std::fs::read_to_string(&file).unwrap();
    let newer = good.replacen("\"format\":1", "\"format\":2", 1);
    for damaged in ["", "{}\n", &good[..good.len() - 9], &good.replacen("/a", "/x", 1), &newer] {
        std::fs::write(&file, damaged).unwrap();
        let (away, _) = keeping(&controller);
        let mut away = ChannelSettings { saved_table: Some(file.clone()), ..away };
        away.controller.token_file = "nowhere".into();
        assert_eq!(Following::start(away).current.generation(), 0, "{damaged}");
    }
    std::fs::write(&file, "nonsense").unwrap();
    let proxy = Following::start(settings);
    let again = proxy.has("the controller's table", |table| table.version == 1).await;
    assert_eq!(again.routes, table.routes);
}

#[tokio::test]
async fn a_file_that_others_could_read_becomes_private() {
    let controller = Controlled::start().await;
    let (settings, file) = keeping(&controller);
    for name in ["table.json", "table.json.new"] {
        let open = file.with_file_name(name);
        std::fs::write(&open, "left behind").unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _proxy = Following::start(settings);
    controller.publish(|published| drop(published.table.routes.insert(key("a"), route("/a"))));
    holds(&file, &["team/a"]).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!file.with_file_name("table.json.new").exists());
}
