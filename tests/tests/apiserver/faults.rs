//! Parts that are gone, frozen or cut off: nothing that is served is lost, and what changed meanwhile arrives.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sluicegate_tests::kubernetes::{Cluster, Controller, Installation, Proxy};
use sluicegate_tests::load::{Load, Plan};
use sluicegate_tests::relay::Relay;
use sluicegate_tests::{Origin, until};

/// A short lease, so that a test need not wait long for the next leader; long enough to be kept on a busy machine.
const SHORT_LEASE: &str = "lease: {duration: 8s, renewDeadline: 6s, retryPeriod: 500ms}\n";

fn rule(name: &str, origin: &Origin) -> String {
    format!(
        "{{apiVersion: sluicegate.dev/v1alpha1, kind: Rule, metadata: {{name: {name}}}, \
         spec: {{hostnames: [{name}.test], targets: [{{url: \"http://{}\"}}]}}}}",
        origin.address()
    )
}

/// Asks these proxies without end for one Rule.
fn traffic(proxies: &[&Proxy<'_, '_>], host: &str) -> Load {
    let addresses: Vec<SocketAddr> = proxies.iter().map(|proxy| proxy.listen).collect();
    Load::start(&Plan::of(&addresses, host))
}

/// A controller, a proxy that serves `first.test`, and what it serves.
fn serving<'i, 'a>(installation: &'i Installation<'a>, origin: &Origin) -> (Controller, Proxy<'i, 'a>) {
    let controller = installation.controller("controller-1");
    controller.wait_until_it_leads();
    installation.namespace.apply(&rule("first", origin));
    let proxy = installation.proxy("proxy-1", controller.channel);
    proxy.until_status("first.test", "/", 200);
    installation.namespace.wait_for_condition("rule/first", "Programmed", "True");
    (controller, proxy)
}

#[test]
fn an_api_server_that_is_away_costs_no_request_and_what_changed_arrives() {
    let cluster = Cluster::own();
    let installation = Installation::new(&cluster);
    let origin = Origin::text("ok");
    let (controller, proxy) = serving(&installation, &origin);
    let traffic = traffic(&[&proxy], "first.test");
    cluster.stop("apiserver");
    let away = Instant::now();
    until("the controller has given up leading", || (controller.status()["leads"] == false).then_some(()));
    // Long enough that every watch, lease and token review has found out.
    while away.elapsed() < Duration::from_secs(30) {
        traffic.more(50);
    }
    cluster.start("apiserver");
    installation.namespace.apply(&rule("second", &origin));
    proxy.until_status("second.test", "/", 200);
    installation.namespace.wait_for_condition("rule/second", "Programmed", "True");
    traffic.end_without_failure("the fault");
}

#[test]
fn a_watch_from_a_forgotten_revision_begins_anew() {
    let cluster = Cluster::own();
    let installation = Installation::new(&cluster);
    let origin = Origin::text("ok");
    let (controller, proxy) = serving(&installation, &origin);
    let traffic = traffic(&[&proxy], "first.test");
    // What changes while the controller cannot look, and is then forgotten, it can only find by listing.
    controller.program.signal("STOP");
    installation.namespace.apply(&rule("second", &origin));
    installation.namespace.apply(&rule("gone", &origin));
    installation.namespace.delete("rule/gone");
    installation.namespace.delete("rule/first");
    cluster.forget_revisions();
    traffic.more(20);
    traffic.end_without_failure("the fault");
    controller.program.signal("CONT");
    proxy.until_status("second.test", "/", 200);
    proxy.until_status("first.test", "/", 404);
    installation.namespace.wait_for_condition("rule/second", "Programmed", "True");
}

#[test]
fn a_controller_that_is_killed_costs_no_request_and_no_status() {
    let cluster = Cluster::own();
    let installation = Installation::new(&cluster);
    let origin = Origin::text("ok");
    let (mut controller, proxy) = serving(&installation, &origin);
    let traffic = traffic(&[&proxy], "first.test");
    let before = installation.namespace.get("rule/first");
    controller.program.kill();
    traffic.more(50);
    controller.start_again();
    controller.wait_until_it_leads();
    installation.namespace.apply(&rule("second", &origin));
    proxy.until_status("second.test", "/", 200);
    installation.namespace.wait_for_condition("rule/second", "Programmed", "True");
    traffic.end_without_failure("the fault");
    assert_eq!(installation.namespace.get("rule/first"), before, "a restart writes nothing");
}

#[test]
fn a_frozen_leader_is_replaced_and_does_nothing_when_it_wakes() {
    let cluster = Cluster::own();
    let mut installation = Installation::new(&cluster);
    installation.configuration.push_str(SHORT_LEASE);
    let origin = Origin::text("ok");
    let (first, proxy) = serving(&installation, &origin);
    let second = installation.controller("controller-2");
    assert_eq!(second.status()["leads"], false);
    let leader = format!("127.0.0.1:{}", first.channel.port());
    until("the second one knows who leads", || (second.status()["leader"] == leader).then_some(()));
    // The proxies' Service leads to any controller: here to the second, which points to the leader.
    let other = installation.proxy("proxy-2", second.channel);
    let traffic = traffic(&[&proxy, &other], "first.test");

    first.program.signal("STOP");
    second.wait_until_it_leads();
    installation.namespace.apply(&rule("second", &origin));
    other.until_status("second.test", "/", 200);
    first.program.signal("CONT");
    until("the first one knows that it does not lead", || (first.status()["leads"] == false).then_some(()));
    assert_eq!(second.status()["leads"], true);
    // The first proxy's watch was the frozen leader's; it is sent on to the one that leads now.
    proxy.until_status("second.test", "/", 200);
    installation.namespace.wait_for_condition("rule/second", "Programmed", "True");
    traffic.end_without_failure("the fault");
    assert!(!first.program.output().contains("panicked"), "{}", first.program.output());
}

#[test]
fn a_clean_stop_hands_the_lease_on_at_once() {
    let cluster = Cluster::own();
    let installation = Installation::new(&cluster);
    let origin = Origin::text("ok");
    let (mut first, proxy) = serving(&installation, &origin);
    let second = installation.controller("controller-2");
    let traffic = traffic(&[&proxy], "first.test");
    first.program.terminate();
    let stopped = Instant::now();
    assert!(first.program.ended().success());
    second.wait_until_it_leads();
    // The lease's own duration is 15 seconds, of which at most two had passed.
    assert!(stopped.elapsed() < Duration::from_secs(12), "{:?}", stopped.elapsed());
    traffic.end_without_failure("the fault");
}

#[test]
fn a_proxy_that_starts_without_a_controller_serves_what_it_kept() {
    let cluster = Cluster::own();
    let installation = Installation::new(&cluster);
    let origin = Origin::text("ok");
    let (mut controller, mut proxy) = serving(&installation, &origin);
    until("the table is kept", || {
        std::fs::read_to_string(&proxy.saved_table).ok().filter(|text| text.contains("first.test")).map(drop)
    });
    controller.program.kill();
    proxy.start_again();
    proxy.program.wait_until_ready(proxy.admin);
    assert_eq!(proxy.get("first.test", "/").status(), 200);
    controller.start_again();
    installation.namespace.apply(&rule("second", &origin));
    proxy.until_status("second.test", "/", 200);

    // A pod that is new has kept nothing: it is not ready, and listens to nobody.
    controller.program.kill();
    let mut new = installation.unready_proxy("proxy-2", controller.channel);
    until("its endpoints are there", || TcpStream::connect(new.admin).ok());
    assert!(!sluicegate_tests::program::is_ready(new.admin));
    assert!(TcpStream::connect(new.listen).is_err());
    controller.start_again();
    new.program.wait_until_ready(new.admin);
    assert_eq!(new.get("first.test", "/").status(), 200);
}

#[test]
fn a_network_that_is_cut_costs_no_request_and_status_says_so() {
    let cluster = Cluster::own();
    let installation = Installation::new(&cluster);
    let origin = Origin::text("ok");
    let controller = installation.controller("controller-1");
    controller.wait_until_it_leads();
    let network = Relay::to(controller.channel);
    installation.namespace.apply(&rule("first", &origin));
    let near = installation.proxy("proxy-near", controller.channel);
    let far = installation.proxy("proxy-far", network.address);
    installation.namespace.wait_for_condition("rule/first", "Programmed", "True");
    let traffic = traffic(&[&near, &far], "first.test");

    network.cut();
    installation.namespace.apply(&rule("second", &origin));
    near.until_status("second.test", "/", 200);
    let told = installation.namespace.wait_for_condition("rule/second", "Programmed", "False");
    let message = sluicegate_tests::kubernetes::condition(&told, "Programmed")["message"].to_string();
    assert!(message.contains("1/2 proxies"), "{message}");
    assert_eq!(far.get("second.test", "/").status(), 404);
    traffic.more(20);

    network.mend();
    far.until_status("second.test", "/", 200);
    installation.namespace.wait_for_condition("rule/second", "Programmed", "True");
    traffic.end_without_failure("the fault");
}
