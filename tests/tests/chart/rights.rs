//! What the controller may do is what `docs/kubernetes.md` says, each right with its reason, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use sluicegate_tests::console::repository;

use super::helm::{NAMESPACE, objects};

/// One verb on one kind of resource: where, API group, resource, name (empty: any) and verb.
type Right = (String, String, String, String, String);

/// The rights in the table of the document. `scope` says where those hold that the document has for the watched
/// namespaces; of two rows that differ by who makes the certificate, `managed` picks one.
fn documented(scopes: &[&str], managed: bool) -> BTreeSet<Right> {
    let document = fs::read_to_string(repository().join("docs/kubernetes.md")).unwrap();
    let (_, section) = document.split_once("\n## Rights\n").expect("a section about rights");
    let section = section.split("\n## ").next().unwrap();
    let mut rights = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [place, group, resources, names, verbs, reason] = cells[..] else { panic!("six cells: {row}") };
        assert!(!reason.is_empty(), "a right needs a reason: {row}");
        let places: Vec<&str> = match place {
            "cluster" => vec!["cluster"],
            "its own namespace" => vec![NAMESPACE],
            "its own namespace, managed certificate" => {
                if managed {
                    vec![NAMESPACE]
                } else {
                    Vec::new()
                }
            }
            "its own namespace, `channel.existingSecret`" => {
                if managed {
                    Vec::new()
                } else {
                    vec![NAMESPACE]
                }
            }
            "watched namespaces" => scopes.to_vec(),
            other => panic!("no such place: {other}"),
        };
        let name = names.trim_matches('`').replace("RELEASE", "edge").replace("any", "").replace("the Secret", "mine");
        for place in places {
            for resource in resources.split(", ") {
                for verb in verbs.split(", ") {
                    let word = |text: &str| text.trim_matches('`').to_owned();
                    let group = word(group).replace("core", "");
                    assert!(
                        rights.insert((place.to_owned(), group, word(resource), name.clone(), word(verb))),
                        "twice: {row}"
                    );
                }
            }
        }
    }
    rights
}

/// The rights that the chart's Roles and `ClusterRoles` give.
fn rendered(objects: &[Value]) -> BTreeSet<Right> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for role in objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole") {
        let place = role["metadata"]["namespace"].as_str().unwrap_or("cluster");
        for rule in role["rules"].as_array().unwrap() {
            let mut names = list(&rule["resourceNames"]);
            if names.is_empty() {
                names.push(String::new());
            }
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    for name in &names {
                        for verb in list(&rule["verbs"]) {
                            rights.insert((place.to_owned(), group.clone(), resource.clone(), name.clone(), verb));
                        }
                    }
                }
            }
        }
    }
    rights
}

#[test]
fn rights_are_those_of_the_document() {
    for (values, scopes, managed) in [
        ("{}", &["cluster"][..], true),
        ("{watchNamespaces: [team-a, team-b]}", &["team-a", "team-b"], true),
        ("{channel: {existingSecret: mine}}", &["cluster"], false),
    ] {
        let (rendered, documented) = (rendered(&objects(values)), documented(scopes, managed));
        let excess: Vec<&Right> = rendered.difference(&documented).collect();
        let missing: Vec<&Right> = documented.difference(&rendered).collect();
        assert!(excess.is_empty() && missing.is_empty(), "{values}: granted {excess:#?}, only documented {missing:#?}");
    }
}

/// With named namespaces, asking whose a token is remains the one right beyond them.
#[test]
fn nothing_cluster_wide_but_token_reviews_when_namespaces_are_named() {
    let rights = rendered(&objects("{watchNamespaces: [team-a]}"));
    let cluster_wide: Vec<&Right> = rights.iter().filter(|right| right.0 == "cluster").collect();
    let review = ["cluster", "authentication.k8s.io", "tokenreviews", "", "create"].map(str::to_owned);
    assert_eq!(cluster_wide, [&review.into()]);
    for (place, _, resource, name, verb) in rights.iter().filter(|right| right.2 == "secrets") {
        assert!(place == "team-a" || verb == "create" || !name.is_empty(), "{verb} of {resource} in {place}");
    }
}

/// All rights are the controller's, and each binding leads from its account to a role that there is.
#[test]
fn only_the_controller_is_bound_to_roles() {
    for values in ["{}", "{watchNamespaces: [team-a, team-b]}"] {
        let objects = objects(values);
        let bindings: Vec<&Value> =
            objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("RoleBinding")).collect();
        for binding in &bindings {
            let account =
                serde_json::json!([{"kind": "ServiceAccount", "name": "edge-controller", "namespace": NAMESPACE}]);
            assert_eq!(binding["subjects"], account);
            let role = objects.iter().find(|object| {
                object["kind"] == binding["roleRef"]["kind"]
                    && object["metadata"]["name"] == binding["roleRef"]["name"]
                    && object["metadata"]["namespace"] == binding["metadata"]["namespace"]
            });
            assert!(role.is_some(), "{} leads nowhere", binding["metadata"]["name"]);
        }
        let roles = objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Role")).count();
        assert_eq!(bindings.len(), roles);
    }
}
