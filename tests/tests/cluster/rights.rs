//! What the controller asked the API server for, beside what the chart grants it.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use sluicegate_tests::kubernetes::Cluster;

/// The user name of the controller's service account.
const CONTROLLER: &str = "system:serviceaccount:sluicegate:sluicegate-controller";

/// A verb on a resource, such as `patch rules/status.sluicegate.dev`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    resource: String,
}

impl Right {
    fn new(verb: &str, resource: &str, group: &str) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        Self { verb: verb.to_owned(), resource: format!("{resource}{dot}{group}") }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(text)
}

/// What the installation's roles grant. All of them are the controller's: proxies ask the API server for nothing.
fn granted(cluster: &Cluster) -> BTreeSet<Right> {
    let selector = "app.kubernetes.io/instance=sluicegate";
    let roles = cluster.kubectl(&["get", "roles,clusterroles", "-A", "-l", selector, "-o", "json"]);
    let roles: Value = serde_json::from_str(&roles).unwrap();
    let mut rights = BTreeSet::new();
    for rule in roles["items"].as_array().unwrap().iter().flat_map(|role| role["rules"].as_array().unwrap()) {
        for verb in texts(&rule["verbs"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(texts(&rule["apiGroups"]).map(|group| Right::new(verb, resource, group)));
            }
        }
    }
    assert!(rights.len() > 10, "the chart grants {rights:?}");
    rights
}

/// What the controllers asked for until now, and were given; that they were refused nothing is held here.
fn asked(cluster: &Cluster) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for request in cluster.requests() {
        let object = &request["objectRef"];
        if request["user"]["username"] != CONTROLLER || object.is_null() {
            continue;
        }
        assert_ne!(request["responseStatus"]["code"], 403, "the chart does not grant {request}");
        let resource = match text(&object["subresource"]) {
            "" => text(&object["resource"]).to_owned(),
            subresource => format!("{}/{subresource}", text(&object["resource"])),
        };
        rights.insert(Right::new(text(&request["verb"]), &resource, text(&object["apiGroup"])));
    }
    rights
}

/// Rights are enough and no more: nothing was refused, and everything that was granted was asked for, but for what is
/// needed `seldom`.
pub(crate) fn hold(cluster: &Cluster, seldom: &[&str]) {
    let asked = asked(cluster);
    let unused: Vec<String> = granted(cluster).difference(&asked).map(ToString::to_string).collect();
    let needless: Vec<&String> = unused.iter().filter(|right| !seldom.contains(&right.as_str())).collect();
    assert!(needless.is_empty(), "granted and never asked for: {needless:?}; asked for: {asked:?}");
}
