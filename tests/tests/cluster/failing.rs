//! Pods that are killed, and Targets that fail their checks, with requests under way: nobody notices but those who look.

use sluicegate_tests::kubernetes::Namespace;
use sluicegate_tests::load::Load;
use sluicegate_tests::until;

const CHECKED: &str = "
apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {name: echo}
spec:
  targets: [{name: echo}, {name: ill}]
  healthChecks: {active: {interval: 1s}, passive: {}}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Rule
metadata: {name: shop}
spec: {hostnames: [shop.example.com], upstream: echo, retry: {}}
";

/// A Target beside the pods that is as well as the status that it is checked with.
fn ill(shop: &Namespace<'_>, status: u16) -> String {
    format!(
        "
apiVersion: sluicegate.dev/v1alpha1
kind: Target
metadata: {{name: ill}}
spec:
  host: echo.{}.svc.cluster.local
  port: 80
  healthChecks: {{active: {{path: /status/{status}, interval: 1s}}}}
",
        shop.name()
    )
}

/// Kills a pod under load, and has a Target fail its checks and pass them again.
pub(crate) fn costs_no_request(shop: &Namespace<'_>, start: impl Fn() -> Load) {
    shop.apply(&ill(shop, 200));
    shop.apply(CHECKED);
    for object in ["target/ill", "upstream/echo", "rule/shop"] {
        shop.wait_for_condition(object, "Programmed", "True");
    }
    shop.wait_for_condition("target/ill", "Healthy", "True");
    let load = start();
    let pods = shop.list("pods");
    let name = pods[0]["metadata"]["name"].as_str().unwrap();
    shop.kubectl(&["delete", "pod", name, "--force", "--grace-period=0"]);
    load.more(200);
    shop.kubectl(&["rollout", "status", "deployment/echo", "--timeout=300s"]);

    shop.apply(&ill(shop, 503));
    let target = until("its checks fail", || {
        let target = shop.get("target/ill");
        let conditions = target["status"]["conditions"].as_array()?;
        let failed = |condition: &serde_json::Value| condition["reason"] == "FailedChecks";
        conditions.iter().any(failed).then(|| target.clone())
    });
    assert_eq!(target["status"]["state"], "Unhealthy");
    until("kubectl shows it at a glance", || {
        let table = shop.kubectl(&["get", "upstreams,targets"]);
        let row = |kind: &str| table.lines().find(|line| line.starts_with(kind)).unwrap_or_default().to_owned();
        let (upstream, ill) = (row("upstream.sluicegate.dev/echo"), row("target.sluicegate.dev/ill"));
        (upstream.contains("1/2") && ill.contains("Unhealthy") && ill.contains("FailedChecks")).then_some(())
    });
    until("an Event names it", || {
        let events = shop.kubectl(&["get", "events", "--field-selector=involvedObject.name=ill"]);
        events.contains("FailedChecks").then_some(())
    });
    load.more(200);

    shop.apply(&ill(shop, 200));
    shop.wait_for_condition("target/ill", "Healthy", "True");
    load.end_without_failure("killing a pod and failing checks");
    // As it was.
    shop.apply(crate::install::OBJECTS);
    shop.delete("target/ill");
    shop.wait_for_condition("upstream/echo", "Programmed", "True");
}
