//! What is used of an object's metadata.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sluicegate_table::ObjectKey;

/// An object with metadata that a watch can be resumed from.
pub(in crate::source::cluster) trait Named:
    Clone + DeserializeOwned + Send + 'static
{
    /// Its metadata.
    fn metadata(&self) -> &Metadata;

    /// Its namespace and name.
    fn key(&self) -> ObjectKey {
        ObjectKey::new(&*self.metadata().namespace, &*self.metadata().name)
    }
}

/// What is used of metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::source::cluster) struct Metadata {
    /// The object's name.
    pub name: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Tells it from an earlier object of the same name.
    pub uid: Box<str>,
    /// Grows with each change of its spec.
    pub generation: i64,
    /// Changes with each write.
    pub resource_version: Version,
    /// When it was made.
    pub creation_timestamp: Option<Time>,
}

/// A resource version. Kubernetes promises since 1.35 what has always held: those of one resource are numbers that grow
/// with each write, so that the older of two views of an object can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(in crate::source::cluster) struct Version(Box<str>);

impl Version {
    /// A version as the API server wrote it.
    pub(in crate::source::cluster) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// As the API server wrote it.
    pub(in crate::source::cluster) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is known to be an earlier version than `other`: not, where either is no number.
    pub(in crate::source::cluster) fn is_before(&self, other: &Self) -> bool {
        match (self.0.parse::<u64>(), other.0.parse::<u64>()) {
            (Ok(one), Ok(other)) => one < other,
            _ => false,
        }
    }
}
