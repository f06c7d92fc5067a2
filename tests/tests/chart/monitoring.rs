//! Alerts speak of metrics that there are.

use std::fs;

use sluicegate_tests::console::repository;

use super::helm::{find, objects};

fn document(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

/// The words of an expression that could be metrics' names.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("sluicegate_") || word.starts_with("gateway_"))
}

#[test]
fn alerts_use_documented_metrics_and_reasons() {
    let objects = objects("metrics: {prometheusRule: {enabled: true}}");
    let rules = find(&objects, "PrometheusRule", "edge-proxy")["spec"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 4);
    let (observing, reasons) = (document("observing.md"), document("reasons.md"));
    for rule in rules {
        let expression = rule["expr"].as_str().unwrap();
        assert!(metrics(expression).count() > 0, "{expression}");
        for metric in metrics(expression) {
            assert!(observing.contains(&format!("| `{metric}` |")), "{metric} is not in docs/observing.md");
        }
        let Some((_, matched)) = expression.split_once("reason=") else { continue };
        for reason in matched.split('"').nth(1).unwrap().split('|') {
            let known = format!("| `{}", reason.strip_suffix(".+").unwrap_or(reason));
            assert!(reasons.contains(&known), "{reason} is not in docs/reasons.md");
        }
    }
}

#[test]
fn every_pod_is_scraped_once_by_either_kind_of_monitor() {
    for (monitor, endpoints) in [("podMonitor", "podMetricsEndpoints"), ("serviceMonitor", "endpoints")] {
        let objects = objects(&format!("metrics: {{{monitor}: {{enabled: true}}}}"));
        let kind = monitor[..1].to_uppercase() + &monitor[1..];
        for component in ["controller", "proxy"] {
            let spec = &find(&objects, &kind, &format!("edge-{component}"))["spec"];
            let wanted = spec["selector"]["matchLabels"].as_object().unwrap();
            let selected: Vec<_> = objects
                .iter()
                .filter(|object| match &*kind {
                    "PodMonitor" => object["kind"] == "Deployment",
                    _ => object["kind"] == "Service",
                })
                .filter(|object| {
                    let pods = &object["spec"]["template"]["metadata"]["labels"];
                    let labels = if pods.is_object() { pods } else { &object["metadata"]["labels"] };
                    wanted.iter().all(|(name, value)| &labels[name] == value)
                })
                .collect();
            assert_eq!(selected.len(), 1, "{kind} {component} selects {selected:?}");
            assert_eq!(spec[endpoints][0]["port"], "observe");
            let ports = match &*kind {
                "PodMonitor" => &selected[0]["spec"]["template"]["spec"]["containers"][0]["ports"],
                _ => &selected[0]["spec"]["ports"],
            };
            assert!(ports.as_array().unwrap().iter().any(|port| port["name"] == "observe"), "{kind} {component}");
        }
    }
}
