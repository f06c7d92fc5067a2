//! The API server restarts, is away, forgets.

use serde_json::json;
use sluicegate_controller::config::Config as ControllerConfig;
use sluicegate_tests::kubernetes::Cluster;
use sluicegate_tests::until;

use super::{Following, controller_account, rule, upstream_of, watching};

#[test]
fn while_the_api_server_is_away_what_is_known_stays() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    namespace.apply(&rule("api", "web"));
    let following = Following::start(cluster.kubeconfig(), namespace.name(), ControllerConfig::default());
    let batches = following.told().batches;
    cluster.stop("apiserver");
    let why = until("it is noticed", || {
        following.source.troubles().current().remove("watching Rules").map(|trouble| trouble.why)
    });
    assert!(why.contains("cannot be reached"), "{why}");
    assert_eq!(following.told().batches, batches);
    assert!(following.source.proxies().borrow().is_some());
    cluster.start("apiserver");
    namespace.patch("rule/api", &json!({"spec": {"upstream": "other"}}));
    following.until("the edit is there", |objects| upstream_of(objects, &namespace, "api").as_deref() == Some("other"));
    until("nothing is wrong any more", || following.source.troubles().current().is_empty().then_some(()));
}

#[test]
fn what_the_api_server_forgot_is_found_by_listing() {
    let cluster = Cluster::own();
    let namespace = cluster.namespace();
    for name in ["kept", "edited", "deleted"] {
        namespace.apply(&rule(name, "web"));
    }
    let account = controller_account(&namespace);
    let following = Following::start(&account.kubeconfig, namespace.name(), watching(&[&namespace]));
    let lists = || {
        let of_rules =
            |request: &serde_json::Value| request["objectRef"]["resource"] == "rules" && request["verb"] == "list";
        cluster.requests().iter().filter(|request| of_rules(request)).count()
    };
    let (before, changes) =
        (until("the list is on record", || Some(lists()).filter(|lists| *lists > 0)), following.told().changes);
    // What happens elsewhere leaves the watch of Rules where it was.
    drop(cluster.namespace());
    cluster.forget_revisions();
    namespace.patch("rule/edited", &json!({"spec": {"upstream": "other"}}));
    namespace.delete("rule/deleted");
    namespace.apply(&rule("created", "web"));
    following.until("all of it is there", |objects| {
        upstream_of(objects, &namespace, "edited").as_deref() == Some("other")
            && upstream_of(objects, &namespace, "deleted").is_none()
            && upstream_of(objects, &namespace, "created").is_some()
    });
    until("the watch could not be resumed", || (lists() > before).then_some(()));
    assert_eq!(following.told().changes - changes, 3, "what did not change is not told again");
    assert!(upstream_of(&following.told().objects, &namespace, "kept").is_some());
}
