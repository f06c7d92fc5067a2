//! What is known of one thing that a Target refers to.
//!
//! That something is not known, that it does not exist and that it may not be read are three things: only the second takes
//! anything from a Target.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::behind::Behind;
use super::fetch::Fetch;
use super::projected::{ConfigMapContent, SecretContent, Version};
use super::references::Reference;
use crate::objects::{Change, SecretData, Service};

/// Something that a Target refers to.
#[derive(Default)]
pub(super) struct Wanted {
    /// It is known whether it exists and what it holds.
    pub(super) known: bool,
    pub(super) held: Option<Held>,
    /// The version of what is held; of Services each part has its own.
    pub(super) version: Version,
    pub(super) behind: Behind,
    pub(super) fetch: Option<Fetch>,
    /// Why it may not be read, where the controller has no right to it. What is held is what was read before.
    pub(super) forbidden: Option<Arc<str>>,
}

/// What it holds.
#[derive(Clone, PartialEq)]
pub(super) enum Held {
    Secret(Arc<SecretData>),
    ConfigMap(Arc<BTreeMap<String, String>>),
    Service(Arc<Service>),
}

impl Wanted {
    /// Takes in what is known now. Gives whether that is news.
    pub(super) fn know(&mut self, held: Option<Held>) -> bool {
        let news = !self.known || self.held != held || self.forbidden.is_some();
        self.known = true;
        self.forbidden = None;
        self.held = held;
        news
    }

    /// It is known what it is, or that it may not be read.
    pub(super) fn is_settled(&self) -> bool {
        self.known || self.forbidden.is_some()
    }

    /// The same of a Service, from what is known to be behind it.
    pub(super) fn know_behind(&mut self) -> bool {
        let whole = self.behind.whole();
        self.know(whole.map(|service| Held::Service(Arc::new(service))))
    }
}

/// What was read of a Secret, and in which version.
pub(super) fn secret(found: SecretContent) -> (Version, Held) {
    let data = found.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
    (found.metadata.resource_version, Held::Secret(Arc::new(SecretData(data))))
}

/// What was read of a `ConfigMap`, and in which version.
pub(super) fn config_map(found: ConfigMapContent) -> (Version, Held) {
    (found.metadata.resource_version, Held::ConfigMap(Arc::new(found.data.unwrap_or_default())))
}

/// What is known of something, as a change.
pub(super) fn change(reference: &Reference, held: Option<Held>) -> Change {
    match reference {
        Reference::Secret(key) => Change::Secret(
            key.clone(),
            held.and_then(|held| if let Held::Secret(data) = held { Some(data) } else { None }),
        ),
        Reference::ConfigMap(key) => Change::ConfigMap(
            key.clone(),
            held.and_then(|held| if let Held::ConfigMap(data) = held { Some(data) } else { None }),
        ),
        Reference::Service(key) => Change::Service(
            key.clone(),
            held.and_then(|held| if let Held::Service(service) = held { Some(service) } else { None }),
        ),
    }
}
