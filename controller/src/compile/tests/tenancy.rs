//! Host names that belong to other namespaces.

use std::sync::Arc;

use sluicegate_crds::Rule;
use sluicegate_crds::rule::RuleSpec;
use sluicegate_table::{ObjectKey, Table};

use crate::compile::{Claims, Compiled, Standing, compile, compile_within};
use crate::config::HostnameClaim;
use crate::objects::{Candidate, Kind, ObjectId, Objects};

fn key() -> ObjectKey {
    ObjectKey::new("team-a", "r")
}

/// The Rule `r` of the namespace `team-a`, for these host names.
fn objects(hostnames: &[&str]) -> Objects {
    let spec = serde_json::json!({"hostnames": hostnames, "upstream": "u"});
    let spec: RuleSpec = serde_json::from_value(spec).expect("a valid spec");
    let mut objects = Objects::default();
    objects.rules.insert(key(), Candidate::Valid(Arc::new(Rule::new("r", spec))));
    objects
}

fn claims() -> Claims {
    let claim = |namespaces: &[&str], hostnames: &[&str]| HostnameClaim {
        namespaces: namespaces.iter().map(|&name| name.to_owned()).collect(),
        hostnames: hostnames.iter().map(|&name| name.to_owned()).collect(),
    };
    let configured = [
        claim(&["team-a"], &["*.a.example.com", "a.example.com"]),
        claim(&["team-b", "team-c"], &["*.b.example.com"]),
        claim(&["platform"], &["*"]),
    ];
    Claims::new(&configured).expect("claims")
}

fn accepted(compiled: &Compiled) -> (Standing, String) {
    let status = &compiled.statuses[&ObjectId { kind: Kind::Rule, key: key() }];
    let accepted = status.conditions.iter().find(|condition| condition.type_ == "Accepted").expect("is there");
    (status.standing, format!("{} {}: {}", accepted.status, accepted.reason, accepted.message))
}

#[test]
fn what_a_namespace_may_claim_is_in_force() {
    for hostnames in [&["a.example.com"][..], &["x.a.example.com", "*.a.example.com"], &["*.x.A.example.com"]] {
        let compiled = compile_within(&claims(), &objects(hostnames), &Table::default());
        assert_eq!(accepted(&compiled).0, Standing::InForce, "{hostnames:?}");
        assert!(compiled.table.routes.contains_key(&key()));
    }
}

#[test]
fn what_it_may_not_is_refused_and_says_who_may() {
    for (hostnames, said) in [
        (
            &["a.example.com", "x.b.example.com"][..],
            "spec.hostnames[1]: the namespace team-a may not claim the host name `x.b.example.com`: only the namespaces \
             platform, team-b, team-c may",
        ),
        (&["*.example.com"], "may not claim the host name `*.example.com`: only the namespace platform may"),
        (
            &[],
            "spec.hostnames: the namespace team-a may not have Rules for every host: only the namespace platform may",
        ),
    ] {
        let compiled = compile_within(&claims(), &objects(hostnames), &Table::default());
        let (standing, message) = accepted(&compiled);
        assert_eq!(standing, Standing::NotPermitted);
        assert!(message.starts_with("False HostnameNotPermitted: ") && message.contains(said), "{message}");
        assert!(compiled.table.routes.is_empty() && compiled.keep.is_empty());
    }
}

#[test]
fn a_namespace_that_is_not_named_may_claim_nothing() {
    let claims = Claims::new(&[HostnameClaim {
        namespaces: vec!["team-b".to_owned()],
        hostnames: vec!["b.example.com".to_owned()],
    }])
    .expect("claims");
    let (_, message) = accepted(&compile_within(&claims, &objects(&["a.example.com"]), &Table::default()));
    assert!(message.contains("`a.example.com`: no namespace may"), "{message}");
}

#[test]
fn a_rule_that_asks_for_more_loses_what_it_had() {
    let first = compile_within(&claims(), &objects(&["a.example.com"]), &Table::default());
    let second = compile_within(&claims(), &objects(&["a.example.com", "b.example.com"]), &first.table);
    assert!(second.table.routes.is_empty() && second.keep.is_empty());
    assert_eq!(accepted(&second).0, Standing::NotPermitted);
}

#[test]
fn without_claims_everything_is_anyones() {
    assert_eq!(accepted(&compile(&objects(&[]), &Table::default())).0, Standing::InForce);
}
