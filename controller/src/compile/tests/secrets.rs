//! Secrets: what is sent, and that it is never shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluicegate_crds::Target;
use sluicegate_crds::target::{Credentials, CredentialsSource, Protocol, SecretKeyRef, TargetSpec, TargetState};
use sluicegate_table::{ObjectKey, SecretText, Table};

use crate::compile::{Compiled, compile};
use crate::objects::{Candidate, Kind, ObjectId, Objects, Reference, SecretData};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn compiled(secret: Option<&[u8]>, prefix: Option<&str>) -> Compiled {
    compile(&objects(secret, prefix), &Table::default())
}

fn objects(secret: Option<&[u8]>, prefix: Option<&str>) -> Objects {
    let spec = TargetSpec {
        host: Some("api.example.com".to_owned()),
        port: Some(443),
        service: None,
        protocol: Protocol::Https,
        path: None,
        state: TargetState::Enabled,
        headers: BTreeMap::new(),
        credentials: Some(Credentials {
            header: "Authorization".to_owned(),
            value_from: CredentialsSource {
                secret_key_ref: SecretKeyRef { name: "openai".to_owned(), key: "key".to_owned() },
                prefix: prefix.map(str::to_owned),
            },
        }),
        tls: None,
        health_checks: None,
        region: None,
        zone: None,
    };
    let mut objects = Objects::default();
    objects.targets.insert(key("t"), Candidate::Valid(Arc::new(Target::new("t", spec))));
    if let Some(secret) = secret {
        let data = SecretData(BTreeMap::from([("key".to_owned(), secret.to_vec())]));
        objects.secrets.insert(key("openai"), Arc::new(data));
    }
    objects
}

fn sent(compiled: &Compiled) -> Option<&str> {
    let credential = compiled.table.targets[&key("t")].credential.as_ref().expect("a target keeps its credential");
    assert_eq!(credential.header, "authorization");
    credential.value.as_ref().map(SecretText::reveal)
}

#[test]
fn the_value_is_the_prefix_and_the_secret_without_its_final_line_break() {
    for (secret, expected) in [
        (&b"sk-1"[..], "Bearer sk-1"),
        (b"sk-1\n", "Bearer sk-1"),
        (b"sk-1\r\n", "Bearer sk-1"),
        (b"two words", "Bearer two words"),
    ] {
        assert_eq!(sent(&compiled(Some(secret), Some("Bearer "))), Some(expected));
    }
    assert_eq!(sent(&compiled(Some(b"sk-1"), None)), Some("sk-1"));
}

#[test]
fn a_value_that_cannot_be_sent_leaves_the_target_without_one_and_is_not_shown() {
    for secret in [&b"hunter2\n\n"[..], b"hunter2\r\nX-Admin: 1", b" hunter2", b"hunter2\0", b"hunter2\xff", b"\n", b""]
    {
        let compiled = compiled(Some(secret), Some("Bearer "));
        assert_eq!(sent(&compiled), None, "{secret:?}");
        let status = &compiled.statuses[&ObjectId { kind: Kind::Target, key: key("t") }];
        let resolved = status.conditions.iter().find(|condition| condition.type_ == "ResolvedRefs").expect("is there");
        assert_eq!((resolved.status.as_str(), resolved.reason.as_str()), ("False", "SecretNotFound"));
        assert!(!format!("{compiled:?}").contains("hunter2"));
    }
}

#[test]
fn a_missing_secret_leaves_the_target_without_a_value() {
    assert_eq!(sent(&compiled(None, None)), None);
}

#[test]
fn no_dump_of_what_was_compiled_shows_a_secret() {
    let compiled = compiled(Some(b"hunter2"), Some("Bearer "));
    assert_eq!(sent(&compiled), Some("Bearer hunter2"));
    assert!(!format!("{compiled:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&compiled.table).expect("a table can be serialised").contains("hunter2"));
}

#[test]
fn a_new_value_changes_the_entry() {
    let first = compiled(Some(b"sk-1"), None);
    let second = compiled(Some(b"sk-2"), None);
    assert_ne!(first.table.targets, second.table.targets);
}

#[test]
fn a_secret_that_may_not_be_read_takes_no_credentials_from_what_is_in_force() {
    let last = compiled(Some(b"sk-1"), None).table;
    let conditions = |compiled: &Compiled| {
        let status = &compiled.statuses[&ObjectId { kind: Kind::Target, key: key("t") }];
        let shown = status.conditions.iter().map(|it| format!("{} {} {}", it.type_, it.status, it.reason));
        shown.collect::<Vec<_>>().join(", ")
    };
    let unreadable = |secret: Option<&[u8]>| {
        let mut objects = objects(secret, None);
        objects.unreadable.insert(Reference::Secret(key("openai")), "forbidden".into());
        objects
    };
    // It was read before.
    let held = compile(&unreadable(Some(b"sk-1")), &last);
    assert_eq!(sent(&held), Some("sk-1"));
    assert_eq!(conditions(&held), "Accepted True Accepted, ResolvedRefs False RefNotPermitted");
    // It was not, by this controller, which has the table of before or none.
    let refused = "Accepted False RefNotPermitted, ResolvedRefs False RefNotPermitted";
    let stale = compile(&unreadable(None), &last);
    assert_eq!((sent(&stale), conditions(&stale).as_str()), (Some("sk-1"), refused));
    let fresh = compile(&unreadable(None), &Table::default());
    assert!(fresh.table.targets.is_empty() && !fresh.keep.is_empty(), "proxies keep what they have");
    assert_eq!(conditions(&fresh), refused);
}
