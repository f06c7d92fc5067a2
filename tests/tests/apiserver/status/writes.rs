//! What statuses cost the API server, as its audit log has it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use sluicegate_tests::kubernetes::{Cluster, condition};
use sluicegate_tests::until;

use super::{Stage, object};

/// Enough that a second write of some would show.
const RULES: usize = 300;

#[test]
fn a_new_rule_costs_one_write_and_a_quiet_cluster_a_restart_and_more_proxies_none() {
    let cluster = Cluster::own();
    let stage = Stage::new(&cluster);
    stage.ready(&["proxy-a", "proxy-b"]);
    stage.follows("proxy-a", |_| {});
    stage.follows("proxy-b", |_| {});
    let controller = stage.controller();
    stage.namespace.apply(&object("Target", "one", "host: one.test, port: 80"));
    stage.namespace.apply(&object("Upstream", "web", "targets: [{name: one}]"));
    let rules: String = (0..RULES)
        .map(|number| object("Rule", &format!("rule-{number}"), &format!("upstream: web, hostnames: [r{number}.test]")))
        .collect();
    stage.namespace.apply(&rules);
    all_are_programmed(&stage);
    let writes = settled(&stage);
    assert_eq!(writes.len(), RULES + 2, "every object has a status");
    // Where a machine is so busy that a proxy speaks later than is waited for, an object costs another; that none does
    // otherwise is held on a paused clock.
    let more: Vec<_> = writes.iter().filter(|(_, count)| **count > 1).collect();
    assert!(more.len() <= RULES / 100 && more.iter().all(|(_, count)| **count == 2), "written again: {more:?}");

    // A proxy that joins and one that leaves.
    stage.follows("proxy-c", |_| {});
    stage.ready(&["proxy-a", "proxy-b", "proxy-c"]);
    assert_eq!(settled(&stage), writes);
    stage.ready(&["proxy-b", "proxy-c"]);
    assert_eq!(settled(&stage), writes);

    // Another controller, to which one proxy speaks late.
    drop(controller);
    stage.is_cut_off("proxy-c");
    let _controller = stage.controller();
    assert_eq!(settled(&stage), writes);
    stage.follows("proxy-c", |_| {});
    assert_eq!(settled(&stage), writes);
    let events = stage.namespace.list("events.events.k8s.io").len();
    assert!((1..=RULES + 10).contains(&events), "{events} events");
}

fn all_are_programmed(stage: &Stage<'_>) {
    until("all are in use", || {
        let rules = stage.namespace.list("rules");
        let programmed = |rule: &&Value| condition(rule, "Programmed")["status"] == "True";
        (rules.iter().filter(programmed).count() == RULES).then_some(())
    });
}

/// The writes by object, once a controller would have made any more that it wants to: that nothing comes can only be seen
/// by waiting.
fn settled(stage: &Stage<'_>) -> BTreeMap<String, usize> {
    std::thread::sleep(Duration::from_secs(4));
    stage.writes()
}
