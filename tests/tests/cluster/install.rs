//! An installation as a user makes it: the README's commands, pods behind a Target, scaling, upgrading, leaving.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use sluicegate_tests::kubernetes::{Cluster, Namespace};
use sluicegate_tests::load::{Asked, Load, Plan, shares};
use sluicegate_tests::tools::both;
use sluicegate_tests::until;

use crate::console;
use crate::failing;
use crate::image_in_pods::ECHO;
use crate::rights;

const HOST: &str = "shop.example.com";

pub(crate) const OBJECTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {token: planted-in-a-secret}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {name: echo}
spec:
  service: {name: echo, port: 80}
  credentials: {header: Authorization, valueFrom: {secretKeyRef: {name: key, key: token}}}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {name: echo}
spec: {targets: [{name: echo}]}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Rule
metadata: {name: shop}
spec: {hostnames: [shop.example.com], upstream: echo}
";

/// Rights that the controller needs for what does not happen here: Targets' authorities, conflicts over a status, what
/// somebody has deleted, and the certificate's renewal.
const SELDOM: [&str; 9] = [
    "create configmaps",
    "create leases.coordination.k8s.io",
    "create secrets",
    "get configmaps",
    "get rules.sluicegate.dev",
    "get targets.sluicegate.dev",
    "get upstreams.sluicegate.dev",
    "update configmaps",
    "update secrets",
];

/// The commands that a document gives for a cluster, block by block.
pub(crate) fn commands(document: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(format!("{}/../{document}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let blocks = text.split("```console cluster\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let commands = |block: &str| block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect();
    blocks.map(commands).collect()
}

/// Runs a command in the repository as a user does.
pub(crate) fn shell(cluster: &Cluster, command: &str) -> String {
    let top = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = cluster.command("bash").args(["-ec", command]).current_dir(top).output().unwrap();
    assert!(output.status.success(), "{command}: {}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn names(pods: &Namespace<'_>) -> BTreeSet<String> {
    let live = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    pods.list("pods").iter().filter(live).map(name).collect()
}

/// Enough clients that some request is under way at every moment, and not so busy that they take the node's processors
/// from what is tested.
fn clients(proxies: SocketAddr) -> Load {
    Load::start(&Plan { clients: 4, pause: Duration::from_millis(5), ..Plan::of(&[proxies], HOST) })
}

/// Who answers how many of so many requests, all of which have to be answered.
fn answered(proxies: SocketAddr, requests: usize) -> BTreeMap<String, usize> {
    let asked = Plan::of(&[proxies], HOST).ask(requests);
    assert!(asked.iter().all(Asked::is_ok), "{:?}", asked.iter().find(|asked| !asked.is_ok()));
    shares(&asked)
}

/// Waits until exactly the pods that there are now answer, and every request is answered. That none fails on the way
/// there is for a [`Load`] to show where it has to be so: what has just been installed may not be reachable yet.
fn until_exactly_the_pods_answer(proxies: SocketAddr, shop: &Namespace<'_>) {
    until("exactly the present pods answer", || {
        let asked = Plan::of(&[proxies], HOST).ask(40);
        let answering: BTreeSet<String> = shares(&asked).into_keys().collect();
        (asked.iter().all(Asked::is_ok) && answering == names(shop)).then_some(())
    });
}

#[test]
fn installed_used_scaled_upgraded_and_left() {
    let cluster = Cluster::with_node();
    cluster.load_image();
    let [readme] = &commands("README.md")[..] else { panic!("the README says how to install on a cluster") };
    let [installing, templating, upgrading, removing] = &commands("docs/kubernetes.md")[..] else {
        panic!("docs/kubernetes.md says how to install, with and without releases, how to upgrade and how to remove")
    };
    for command in readme {
        shell(cluster, command);
    }
    let [crds, chart, test] = &installing[..] else { panic!("two charts and a test: {installing:?}") };
    assert_eq!([crds, chart], [&readme[0], &readme[1]], "both documents install alike");
    let default = Namespace::existing(cluster, "default");
    for rule in default.list("rules") {
        let name = rule["metadata"]["name"].as_str().unwrap();
        default.wait_for_condition(&format!("rule/{name}"), "Programmed", "True");
    }
    let installation = Namespace::existing(cluster, "sluicegate");
    let proxies = installation.service_address("sluicegate-proxy", 80);

    // Pods behind a Target get equal shares.
    let shop = cluster.namespace();
    shop.apply(&ECHO.replace("replicas: 2", "replicas: 3"));
    shop.apply(OBJECTS);
    shop.kubectl(&["rollout", "status", "deployment/echo", "--timeout=300s"]);
    for object in ["target/echo", "upstream/echo", "rule/shop"] {
        shop.wait_for_condition(object, "Programmed", "True");
    }
    until_exactly_the_pods_answer(proxies, &shop);
    let shares = answered(proxies, 120);
    assert_eq!(shares.keys().cloned().collect::<BTreeSet<_>>(), names(&shop));
    assert!(shares.values().all(|share| (25..=55).contains(share)), "{shares:?}");

    // They come and go without a failed request.
    let load = clients(proxies);
    for change in [
        &["scale", "deployment/echo", "--replicas=5"][..],
        &["scale", "deployment/echo", "--replicas=2"],
        &["rollout", "restart", "deployment/echo"],
    ] {
        shop.kubectl(change);
        shop.kubectl(&["rollout", "status", "deployment/echo", "--timeout=300s"]);
        until_exactly_the_pods_answer(proxies, &shop);
    }
    load.end_without_failure("scaling and restarting the pods");

    shell(cluster, test);
    console::shows_the_installation(cluster, &shop, HOST);
    console::shows_the_watch_channel(cluster);
    failing::costs_no_request(&shop, || clients(proxies));

    // An upgrade replaces controllers and proxies, and nobody notices.
    let load = clients(proxies);
    let [crds, chart] = &upgrading[..] else { panic!("two charts: {upgrading:?}") };
    shell(cluster, crds);
    shell(cluster, &format!("{chart} --timeout 10m --set proxy.replicas=3,proxy.log=debug,controller.log=debug"));
    load.end_without_failure("upgrading");
    shop.wait_for_condition("rule/shop", "Programmed", "True");
    installation.wait("deployment/sluicegate-proxy", "three are ready", |it| it["status"]["readyReplicas"] == 3);

    // The first controllers have gone, so all that they asked for is on record.
    if cluster.is_ours() {
        rights::hold(cluster, &SELDOM);
    }

    // What users wrote stays when the rest goes, and so do its kinds.
    for command in removing {
        shell(cluster, &format!("{command} --wait"));
    }
    assert_eq!(shop.get("rule/shop")["spec"]["upstream"], "echo");
    assert!(installation.list("deployments").is_empty());
    assert!(!default.list("upstreams").is_empty());

    // Without releases it is the same, and finds what users wrote.
    for command in templating {
        shell(cluster, command);
    }
    for deployment in ["deployment/sluicegate-controller", "deployment/sluicegate-proxy"] {
        installation.kubectl(&["rollout", "status", deployment, "--timeout=300s"]);
    }
    until_exactly_the_pods_answer(installation.service_address("sluicegate-proxy", 80), &shop);
    let (rendered, _) = templating[1].split_once(" | ").unwrap();
    shell(cluster, &format!("{rendered} | kubectl delete --wait -f -"));
}
