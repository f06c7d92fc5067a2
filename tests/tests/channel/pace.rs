//! Many proxies, slow proxies, and what an edit costs.

use crate::installation::{Controlled, key, route};
use crate::raw::{Answer, Raw, connector};

fn fill(controller: &Controlled, count: usize) {
    controller.publish(|published| {
        published.table.routes =
            (0..count).map(|index| (key(&format!("r{index}")), route(&format!("/r{index}")))).collect();
    });
}

fn edit(controller: &Controlled, round: usize) {
    controller
        .publish(|published| drop(published.table.routes.insert(key("r1"), route(&format!("/round/{round:04}")))));
}

#[tokio::test]
async fn a_proxy_that_does_not_read_gets_merged_versions_and_delays_nobody() {
    let controller = Controlled::start().await;
    fill(&controller, 2000);
    let raw = Raw::connect(&controller).await;
    // Its window is full long before the table has come.
    let mut stalled = raw.watch(&controller, "slow", "", None).await;
    let proxy = controller.proxy("quick");
    proxy.has("the table", |table| table.version == 1).await;
    for round in 2..=50 {
        edit(&controller, round);
        proxy.has("each edit", |table| table.version == round as u64).await;
    }
    let first = stalled.batch().await;
    assert_eq!((first.len(), first.last().unwrap().as_str()), (2001, "Commit one.1"));
    assert_eq!(stalled.batch().await, ["Modified Route team/r1", "Commit one.50"]);
}

async fn bytes_of_one_edit(count: usize) -> usize {
    let controller = Controlled::start().await;
    fill(&controller, count);
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "a", "", None).await;
    watch.batch().await;
    let before = watch.bytes;
    edit(&controller, 1);
    assert_eq!(watch.batch().await, ["Modified Route team/r1", "Commit one.2"]);
    watch.bytes - before
}

#[tokio::test]
async fn an_edit_costs_the_same_bytes_whatever_the_total() {
    let few = bytes_of_one_edit(10).await;
    assert_eq!(bytes_of_one_edit(2000).await, few);
    assert!(few < 500, "{few} bytes");
}

#[tokio::test]
async fn a_hundred_proxies_get_each_edit_once() {
    let controller = Controlled::start().await;
    fill(&controller, 100);
    let tls = connector(&controller);
    let mut watches: Vec<(Raw, Answer)> = Vec::new();
    for index in 0..100 {
        let raw = Raw::connect_with(&controller, &tls).await;
        let mut watch = raw.watch(&controller, &format!("p{index}"), "", None).await;
        assert_eq!(watch.batch().await.len(), 101);
        watches.push((raw, watch));
    }
    assert_eq!(controller.fleet.proxies().len(), 100);
    for round in 2..=5 {
        edit(&controller, round);
        for (_, watch) in &mut watches {
            assert_eq!(watch.batch().await, ["Modified Route team/r1".to_owned(), format!("Commit one.{round}")]);
        }
    }
}
