//! The whole source before an API server in memory, on a clock that waits for nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod api;
mod faults;
mod following;
mod referring;

use std::time::Duration;

use serde_json::{Value as Json, json};
use sluicegate_table::ObjectKey;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::api::Api;
use super::{Batch, Cluster};
use crate::config::Config;
use crate::objects::{Candidate, Change, Objects};

/// A source and the objects that it has told of.
struct Source {
    cluster: Cluster,
    batches: mpsc::Receiver<Batch>,
    objects: Objects,
}

impl Source {
    async fn start(api: &Api) -> Self {
        Self::start_with(api, &Config::default()).await
    }

    async fn start_with(api: &Api, config: &Config) -> Self {
        let mut source = Self::unlisted(api, config);
        let batch = source.batch().await;
        assert!(matches!(batch, Batch::Initial(_)), "{batch:?}");
        source
    }

    fn unlisted(api: &Api, config: &Config) -> Self {
        let (cluster, batches) = Cluster::start(&api.client(), "system", config);
        Self { cluster, batches, objects: Objects::default() }
    }

    /// The next batch, taken in.
    async fn batch(&mut self) -> Batch {
        let batch = timeout(Duration::from_mins(10), self.batches.recv()).await.expect("a batch").unwrap();
        let (Batch::Initial(changes) | Batch::Changes(changes)) = &batch;
        for change in changes {
            self.objects.apply(change.clone());
        }
        batch
    }

    /// The changes of the next batch.
    async fn changes(&mut self) -> Vec<Change> {
        match self.batch().await {
            Batch::Changes(changes) => changes,
            initial @ Batch::Initial(_) => panic!("{initial:?}"),
        }
    }

    /// Takes batches in until something holds.
    async fn until(&mut self, holds: impl Fn(&Objects) -> bool) {
        while !holds(&self.objects) {
            self.changes().await;
        }
    }

    /// Nothing more comes, however long one waits.
    async fn nothing_more(&mut self) {
        let more = timeout(Duration::from_secs(3), self.batches.recv()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

fn rule(upstream: &str) -> Json {
    json!({"spec": {"upstream": upstream}})
}

/// The Upstream that a Rule names; none where there is no such Rule, or it is refused.
fn upstream_of(objects: &Objects, name: &str) -> Option<String> {
    match objects.rules.get(&key(name))? {
        Candidate::Valid(rule) => rule.spec.upstream.clone(),
        Candidate::Refused(_) => None,
    }
}

fn target(secret: &str) -> Json {
    let from = json!({"secretKeyRef": {"name": secret, "key": "key"}});
    json!({"spec": {"host": "a.example", "port": 443, "credentials": {"header": "authorization", "valueFrom": from}}})
}

/// The Secret that a Target names.
fn secret_of(objects: &Objects, name: &str) -> Option<String> {
    match objects.targets.get(&key(name))? {
        Candidate::Valid(target) => Some(target.spec.credentials.as_ref()?.value_from.secret_key_ref.name.clone()),
        Candidate::Refused(_) => None,
    }
}

fn secret(text: &str) -> Json {
    use k8s_openapi::ByteString;
    json!({"data": {"key": ByteString(text.as_bytes().to_vec())}})
}

fn secret_text(objects: &Objects, name: &str) -> Option<String> {
    let data = objects.secrets.get(&key(name))?;
    Some(String::from_utf8(data.0["key"].clone()).unwrap())
}
