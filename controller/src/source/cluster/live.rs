//! What the cluster holds of our own objects now, for who writes their status.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;

use super::projected::{Metadata, OwnObject};
use crate::objects::ObjectId;

/// An object as the cluster holds it.
#[derive(Clone, Debug)]
pub struct Live {
    /// Tells it from an earlier object of the same name.
    pub uid: Box<str>,
    /// The generation of its spec. What was compiled may be of an earlier one.
    pub generation: i64,
    /// The version that a write must name, so that it undoes nobody else's.
    pub resource_version: Box<str>,
    /// When it was made.
    pub created: Option<Time>,
    status: Option<Box<str>>,
}

impl Live {
    /// Its status, as the type of its kind; `None` where it has none, or one that this release cannot read.
    pub fn status<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.status.as_deref()?).ok()
    }
}

impl From<&OwnObject> for Live {
    fn from(object: &OwnObject) -> Self {
        let Metadata { uid, generation, resource_version, creation_timestamp, .. } = object.metadata.clone();
        let resource_version = resource_version.as_str().into();
        Self { uid, generation, resource_version, created: creation_timestamp, status: object.status.clone() }
    }
}

/// What the cluster holds of our own objects. All clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveObjects(Arc<RwLock<BTreeMap<ObjectId, Arc<Live>>>>);

impl LiveObjects {
    pub(super) fn get(&self, id: &ObjectId) -> Option<Arc<Live>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Takes an object in. Gives what was held before.
    pub(super) fn insert(&self, id: ObjectId, live: Live) -> Option<Arc<Live>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(live))
    }

    /// Takes an object out. Gives whether it was held.
    pub(super) fn remove(&self, id: &ObjectId) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id).is_some()
    }

    /// The ids that a test holds for.
    pub(super) fn ids(&self, test: impl Fn(&ObjectId) -> bool) -> Vec<ObjectId> {
        let objects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        objects.keys().filter(|id| test(id)).cloned().collect()
    }
}
