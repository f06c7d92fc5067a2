//! What a proxy has after what the controller published.

use crate::installation::{Controlled, key, route};

#[tokio::test]
async fn a_table_and_an_edit_arrive_and_a_report_goes_back() {
    let controller = Controlled::start().await;
    let proxy = controller.proxy("a");
    controller.publish(|published| drop(published.table.routes.insert(key("one"), route("/one"))));
    proxy.has("the table", |table| table.routes.contains_key(&key("one"))).await;
    let known = controller.reported("a").await;
    assert!(known.report.ready && known.report.refused.is_empty());
    assert_eq!(known.pod, "a");

    controller.publish(|published| {
        published.table.routes.insert(key("one"), route("/uno"));
        published.table.routes.insert(key("two"), route("/two"));
    });
    let table = proxy.has("the edit", |table| table.version == 2).await;
    assert_eq!(table.routes, controller.published.borrow().table.routes);
    controller.publish(|published| drop(published.table.routes.remove(&key("one"))));
    let table = proxy.has("the deletion", |table| table.version == 3).await;
    assert_eq!(table.routes, controller.published.borrow().table.routes);
    controller.reported("a").await;
}
