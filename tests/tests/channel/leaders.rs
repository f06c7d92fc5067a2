//! The leader alone sends the table.

use std::time::Duration;

use sluicegate_controller::lead::Standing;
use tokio::time::Instant;

use crate::installation::{Controlled, key, route, until};
use crate::raw::Raw;

#[tokio::test]
async fn a_follower_names_the_leader_and_a_proxy_goes_there() {
    let leader = Controlled::start().await;
    let follower = Controlled::with(&leader.certificates, Duration::from_secs(15)).await;
    let address = leader.address().to_string();
    follower.standing.send_replace(Standing::Follows { leader: Some(address.clone()) });
    let raw = Raw::connect(&follower).await;
    let answer = raw.watch(&follower, "a", "", None).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["x-sluicegate-leader"], address.as_str());
    let problem = answer.problem().await;
    assert_eq!((&problem["title"], &problem["leader"]), (&"not the leader".into(), &address.into()));

    leader.token_file("a");
    leader.publish(|published| drop(published.table.routes.insert(key("a"), route("/a"))));
    let proxy = follower.proxy("a");
    leader.reported("a").await;
    assert!(proxy.table().routes.contains_key(&key("a")));

    // They change places: the one that led says so, and the proxy comes back to the other.
    follower.publish(|published| {
        "two".clone_into(&mut published.epoch);
        published.table.routes.insert(key("b"), route("/b"));
    });
    leader.standing.send_replace(Standing::Follows { leader: Some(follower.address().to_string()) });
    let an_hour = Instant::now() + Duration::from_hours(1);
    follower.standing.send_replace(Standing::Leads { term: 1, until: an_hour });
    follower.reported("a").await;
    assert_eq!(proxy.table().routes, follower.published.borrow().table.routes);
    until("the other forgets it", || leader.known("a").is_none().then_some(())).await;
}

#[tokio::test]
async fn losing_the_lease_ends_every_watch_at_once() {
    for standing in [
        Standing::Follows { leader: None },
        // Another one may have led between two terms of this one.
        Standing::Leads { term: 2, until: Instant::now() + Duration::from_hours(1) },
        // A deadline that passes without a word, as after a freeze.
        Standing::Leads { term: 1, until: Instant::now() + Duration::from_millis(200) },
    ] {
        let controller = Controlled::start().await;
        controller.publish(|_| {});
        let raw = Raw::connect(&controller).await;
        let mut watch = raw.watch(&controller, "a", "", None).await;
        assert_eq!(watch.batch().await, ["Commit one.1"]);
        controller.standing.send_replace(standing.clone());
        assert_eq!(watch.line().await, None, "{standing:?}");
    }
}

#[tokio::test]
async fn renewing_the_lease_changes_nothing() {
    let controller = Controlled::start().await;
    controller.publish(|_| {});
    let raw = Raw::connect(&controller).await;
    let mut watch = raw.watch(&controller, "a", "", None).await;
    assert_eq!(watch.batch().await, ["Commit one.1"]);
    for hours in 2..10 {
        let until = Instant::now() + Duration::from_hours(hours);
        controller.standing.send_replace(Standing::Leads { term: 1, until });
    }
    controller.publish(|_| {});
    assert_eq!(watch.batch().await, ["Commit one.2"]);
}
