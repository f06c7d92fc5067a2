//! Lines of neighbouring releases, and lines that did not arrive as they were sent.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use sluicegate_table::ObjectKey;
use sluicegate_table::watch::{Report, Unreadable, Version, content_hash};

use super::super::super::Current;
use super::{Received, Taken};

fn target(host: &str) -> String {
    format!(r#"{{"host":"{host}","port":80,"protocol":"HTTP"}}"#)
}

fn added(kind: &str, key: &str, entry: &str) -> String {
    format!(r#"{{"type":"Added","kind":"{kind}","key":"{key}","hash":"{}","entry":{entry}}}"#, content_hash(entry))
}

/// A proxy that takes lines and commits them.
struct Proxy {
    received: Received,
    number: u64,
}

impl Proxy {
    fn new() -> Self {
        Self { received: Received::new(Arc::new(Current::default())), number: 0 }
    }

    fn commit(&mut self, lines: &[String]) -> Report {
        for line in lines {
            assert_eq!(self.received.take(line).unwrap(), Taken::Line, "{line}");
        }
        self.number += 1;
        self.received.commit(Version { epoch: "x".to_owned(), number: self.number });
        self.received.report()
    }

    fn host(&self, name: &str) -> Option<String> {
        let targets = &self.received.in_force().table.targets;
        targets.get(&ObjectKey::new("team", name)).map(|target| target.host.clone())
    }
}

#[test]
fn what_a_newer_controller_adds_is_refused_alone_and_the_old_entry_stays() {
    let mut proxy = Proxy::new();
    let report = proxy.commit(&[added("Target", "team/a", &target("one"))]);
    assert!(report.refused.is_empty() && report.ready);
    let newer = target("two").replace('}', r#","hedging":{"after":"planted"}}"#);
    let report = proxy.commit(&[
        added("Target", "team/a", &newer),
        added("Target", "team/b", &target("three")),
        added("Mirror", "team/m", "{}"),
        r#"{"type":"Renamed","kind":"Target","key":"team/b","to":"team/c"}"#.to_owned(),
    ]);
    assert_eq!((proxy.host("a"), proxy.host("b")), (Some("one".to_owned()), Some("three".to_owned())));
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].id.to_string(), "Target team/a");
    assert_eq!(report.refused[0].reason, "this release of the proxy does not know the field hedging");
    assert_eq!(report.unknown, ["Mirror team/m"]);

    // A new connection that tells everything again clears what no longer holds.
    proxy.received.begin_afresh();
    let report = proxy.commit(&[r#"{"type":"Deleted","kind":"Mirror","key":"team/m"}"#.to_owned()]);
    assert!(report.refused.is_empty() && report.unknown.is_empty());
}

#[test]
fn a_deleted_entry_is_no_longer_refused() {
    let mut proxy = Proxy::new();
    let report = proxy.commit(&[added("Target", "team/a", "{}"), added("Mirror", "team/m", "{}")]);
    assert_eq!((report.refused.len(), report.unknown.len()), (1, 1));
    let gone = |kind: &str, key: &str| format!(r#"{{"type":"Deleted","kind":"{kind}","key":"{key}"}}"#);
    let report = proxy.commit(&[gone("Target", "team/a"), gone("Mirror", "team/m")]);
    assert!(report.refused.is_empty() && report.unknown.is_empty());
}

#[test]
fn an_entry_that_is_not_what_was_sent_is_refused() {
    let mut proxy = Proxy::new();
    let line = added("Target", "team/a", &target("one")).replace("one", "two");
    let report = proxy.commit(&[line]);
    assert!(report.refused[0].reason.contains("hash"), "{:?}", report.refused);
    assert_eq!(proxy.host("a"), None);
    assert!(proxy.received.hashes().is_empty(), "so that it is sent again");
}

#[test]
fn what_has_not_been_committed_is_forgotten_with_its_connection() {
    let mut proxy = Proxy::new();
    proxy.received.take(&added("Target", "team/a", &target("one"))).unwrap();
    proxy.received.abandon();
    proxy.commit(&[added("Target", "team/b", &target("two"))]);
    assert_eq!((proxy.host("a"), proxy.host("b")), (None, Some("two".to_owned())));
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let mut received = Proxy::new().received;
    assert_eq!(received.take("<html>"), Err(Unreadable::Malformed));
    assert_eq!(received.take(r#"{"type":"Heartbeat"}"#), Ok(Taken::Line));
    let commit = received.take(r#"{"type":"Commit","version":"x.3","until":7}"#);
    assert_eq!(commit, Ok(Taken::Commit(Version { epoch: "x".to_owned(), number: 3 })));
}
