//! What the program shows of an installation from a user's own machine, through the API server's port forwarding.

use serde_json::Value;
use sluicegate_tests::kubernetes::{Cluster, Namespace};
use sluicegate_tests::tools::both;
use sluicegate_tests::until;
use tempfile::TempDir;

use crate::install::{commands, shell};

/// What the program prints; it must end with this status.
fn printed(cluster: &Cluster, arguments: &[&str], status: i32) -> String {
    let output = cluster.program(cluster.kubeconfig()).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "sluicegate {arguments:?}: {}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// `status` says who leads, what each proxy has and what is not as it should be; `explain --live` says what becomes of a
/// request, as a proxy has it now.
pub(crate) fn shows_the_installation(cluster: &Cluster, shop: &Namespace<'_>, host: &str) {
    let installation = Namespace::existing(cluster, "sluicegate");
    // It may still be telling of the pods that came and went.
    let picture: Value = until("all is well", || {
        let output = cluster.program(cluster.kubeconfig()).args(["status", "-o", "json"]).output().unwrap();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    });
    let leader = picture["leader"].as_str().expect("one leads");
    assert!(leader.starts_with("sluicegate-controller-"), "{leader}");
    assert_eq!(picture["objects"], Value::Array(Vec::new()), "all is well");
    let proxies = picture["fleet"]["proxies"].as_object().unwrap();
    let pods = installation.list("pods");
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    let running = pods.iter().map(name).filter(|name| name.starts_with("sluicegate-proxy-"));
    assert_eq!(proxies.keys().cloned().collect::<Vec<_>>(), running.collect::<Vec<_>>());
    assert!(printed(cluster, &["status"], 0).contains(leader));

    let url = format!("http://{host}/");
    let explained = printed(cluster, &["explain", "--live", "GET", &url], 0);
    for expected in [&format!("{}/shop", shop.name()), &format!("{}/echo", shop.name())] {
        assert!(explained.contains(expected.as_str()), "{explained}");
    }
    assert!(!explained.contains("planted"), "{explained}");

    // What is wrong shows, with its reason.
    shop.apply("{apiVersion: sluicegate.dev/v1alpha1, kind: Rule, metadata: {name: lost}, spec: {hostnames: [lost.test], upstream: nowhere}}");
    shop.wait_for_condition("rule/lost", "ResolvedRefs", "False");
    let told = printed(cluster, &["status"], 1);
    assert!(told.contains("lost") && told.contains("BackendNotFound"), "{told}");
    shop.delete("rule/lost");
}

/// The document's commands print the table, line by line.
pub(crate) fn shows_the_watch_channel(cluster: &Cluster) {
    let [block] = &commands("docs/watch-channel.md")[..] else { panic!("one way to look at it") };
    let (curl, before) = block.split_last().unwrap();
    let folder = TempDir::new().unwrap();
    // Curl ends after a while where a user would interrupt it, and comes again until the port is forwarded.
    let script = format!(
        "cd {}\n{}\nforwarding=$!\ntrap 'kill $forwarding' EXIT\n\
         until {curl} --silent --max-time 3 >table; grep -q Commit table; do kill -0 $forwarding; sleep 0.1; done\ncat table",
        folder.path().display(),
        before.join("\n").replace(" 8443 &", " 8443 >forwarded 2>&1 &"),
    );
    let lines: Vec<Value> =
        shell(cluster, &script).lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    let has = |kind: &str, key: &str| lines.iter().any(|line| line["kind"] == kind && line["key"] == key);
    assert!(has("Route", "default/everything"), "{lines:#?}");
    assert!(lines.iter().any(|line| line["type"] == "Commit"));
}
