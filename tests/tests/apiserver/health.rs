//! What becomes of a target that fails, as `kubectl get`, conditions and Events tell it: from the proxies' own findings to
//! the objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sluicegate_tests::kubernetes::{Cluster, Controller, Installation, Namespace, Proxy, condition};
use sluicegate_tests::origin::{answer, ok};
use sluicegate_tests::{Origin, until};

/// A target whose checks fail while it is ill, and whose requests fail while it is bad.
struct Patient {
    origin: Origin,
    ill: Arc<AtomicBool>,
    bad: Arc<AtomicBool>,
}

impl Patient {
    fn new() -> Self {
        let (ill, bad) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_ill, is_bad) = (Arc::clone(&ill), Arc::clone(&bad));
        let origin = Origin::start(move |request| {
            let failing = if request.target() == "/health" { &is_ill } else { &is_bad };
            if failing.load(Ordering::SeqCst) { answer("500 Internal Server Error", "") } else { ok("patient") }
        });
        Self { origin, ill, bad }
    }
}

fn objects(patient: &Origin, other: &Origin) -> String {
    let target = |name: &str, origin: &Origin| {
        format!(
            "{{apiVersion: sluicegate.dev/v1alpha1, kind: Target, metadata: {{name: {name}}}, \
             spec: {{host: 127.0.0.1, port: {}}}}}\n---\n",
            origin.port()
        )
    };
    format!(
        "{}{}apiVersion: sluicegate.dev/v1alpha1
kind: Upstream
metadata: {{name: pool}}
spec:
  targets: [{{name: patient, priority: 1}}, {{name: other, priority: 2}}]
  slowStart: 1ms
  healthChecks:
    active: {{path: /health, interval: 200ms, healthyThreshold: 1, unhealthyThreshold: 2}}
  circuitBreaker: {{failureThreshold: 2, openDuration: 5s, halfOpen: {{probes: 1, successes: 1}}, successThreshold: 1}}
---
apiVersion: sluicegate.dev/v1alpha1
kind: Rule
metadata: {{name: pool}}
spec: {{hostnames: [pool.test], upstream: pool}}
",
        target("patient", patient),
        target("other", other)
    )
}

/// Two proxies that serve these objects.
fn serving<'i, 'c>(installation: &'i Installation<'c>, controller: &Controller, objects: &str) -> [Proxy<'i, 'c>; 2] {
    controller.wait_until_it_leads();
    installation.namespace.apply(objects);
    let proxies = ["proxy-1", "proxy-2"].map(|name| installation.proxy(name, controller.channel));
    for proxy in &proxies {
        proxy.until_status("pool.test", "/", 200);
    }
    proxies
}

/// An Upstream's Target as its status lists it.
fn member(upstream: &Value, name: &str) -> Value {
    let members = upstream["status"]["targets"].as_array().cloned().unwrap_or_default();
    members.into_iter().find(|member| member["name"] == name).unwrap_or_default()
}

/// Waits until the Target and the Upstream's list say this of it, and its condition begins so.
fn until_told(namespace: &Namespace<'_>, state: &str, reason: &str, message: &str) {
    namespace.wait("target/patient", &format!("{state} {message}"), |target| {
        let found = condition(target, "Healthy");
        target["status"]["state"] == state && found["message"].as_str().is_some_and(|text| text.starts_with(message))
    });
    namespace.wait("upstream/pool", &format!("{state} {reason}"), |upstream| {
        let member = member(upstream, "patient");
        member["state"] == state && member["reason"].as_str().unwrap_or_default() == reason
    });
}

#[test]
fn an_upstream_whose_circuit_is_open_says_so_and_in_how_many_proxies() {
    let installation = Installation::new(Cluster::shared());
    let namespace = &installation.namespace;
    let (patient, other) = (Patient::new(), Origin::text("other"));
    // All requests go to the Target that fails; the other is kept from them by the one breaker as well.
    let objects = objects(&patient.origin, &other)
        .replace("openDuration: 5s", "scope: Upstream, openDuration: 1h")
        .replace("priority: 2", "priority: 1, weight: 0")
        .replace("name: patient, priority: 1", "name: patient, priority: 1, weight: 100");
    let controller = installation.controller("controller-1");
    let proxies = serving(&installation, &controller, &objects);
    let until_told = |message: &str| {
        namespace.wait("upstream/pool", message, |upstream| {
            condition(upstream, "Healthy")["message"].as_str().is_some_and(|text| text.ends_with(message))
        })
    };
    until_told("2/2 Targets are healthy");
    patient.bad.store(true, Ordering::SeqCst);
    for (proxy, message) in proxies.iter().zip(["open in 1/2 proxies", "the circuit breaker of the Upstream is open"]) {
        for _ in 0..2 {
            assert_eq!(proxy.get("pool.test", "/").status(), 500);
        }
        assert_eq!(proxy.get("pool.test", "/").reason().as_deref(), Some("circuit-open"));
        let upstream = until_told(message);
        assert_eq!(member(&upstream, "patient")["breaker"], "Open");
    }
    assert_eq!(condition(&namespace.get("upstream/pool"), "Healthy")["status"], "False");
    until("Events tell of some proxies, and then of all", || {
        let events = namespace.events("upstream/pool");
        let told = |end: &&str| events.iter().any(|(reason, note)| reason == "CircuitOpen" && note.ends_with(end));
        ["open in 1/2 proxies", "the circuit breaker of the Upstream is open"].iter().all(told).then_some(())
    });
}

#[test]
fn the_story_of_a_target_that_fails_is_told_as_it_happens() {
    let installation = Installation::new(Cluster::shared());
    let namespace = &installation.namespace;
    let (patient, other) = (Patient::new(), Origin::text("other"));
    let controller = installation.controller("controller-1");
    let proxies = serving(&installation, &controller, &objects(&patient.origin, &other));
    until_told(namespace, "Healthy", "", "it gets requests");
    let upstream = namespace.wait_for_condition("upstream/pool", "Programmed", "True");
    assert_eq!(member(&upstream, "patient")["breaker"], "Closed");

    // Its checks fail: both proxies find it.
    patient.ill.store(true, Ordering::SeqCst);
    until_told(namespace, "Unhealthy", "FailedChecks", "it gets no requests: its health checks fail");
    let table = namespace.kubectl(&["get", "upstreams,targets"]);
    assert!(table.contains("1/2") && table.contains("Unhealthy") && table.contains("FailedChecks"), "{table}");
    patient.ill.store(false, Ordering::SeqCst);
    until_told(namespace, "Healthy", "", "it gets requests");

    // Real requests fail, at one proxy alone.
    patient.bad.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert_eq!(proxies[0].get("pool.test", "/").status(), 500);
    }
    assert_eq!(proxies[0].get("pool.test", "/").text(), "other", "its breaker is open");
    until_told(namespace, "Healthy", "CircuitOpen", "1/2 proxies send it requests, for the others its circuit breaker");
    let upstream = namespace.get("upstream/pool");
    assert_eq!(member(&upstream, "patient")["proxies"], "1/2");
    assert_ne!(member(&upstream, "patient")["breaker"], "Closed");
    // It closes by the answers to probes.
    patient.bad.store(false, Ordering::SeqCst);
    proxies[0].until_status("pool.test", "/", 200);
    until("a probe goes through", || (proxies[0].get("pool.test", "/").text() == "patient").then_some(()));
    until_told(namespace, "Healthy", "", "it gets requests");

    let reasons = || namespace.events("target/patient").into_iter().map(|(reason, _)| reason).collect::<Vec<_>>();
    until("Events name it", || {
        let reasons = reasons();
        let named = |word: &&str| reasons.iter().any(|reason| reason == word);
        ["FailedChecks", "CircuitOpen", "Healthy"].iter().all(named).then_some(())
    });
}
