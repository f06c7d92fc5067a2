//! Secrets and `ConfigMap`s: watched by metadata, read whole where a Target refers to them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde::Deserialize;

use super::metadata::{Metadata, Named};

/// An object of which only its metadata was asked for.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::source::cluster) struct MetadataOnly {
    /// Its metadata.
    pub metadata: Metadata,
}

impl Named for MetadataOnly {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

/// A Secret that was read whole. No `Debug`: it is what must not be shown.
#[derive(Deserialize)]
pub(in crate::source::cluster) struct SecretContent {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its values.
    #[serde(default)]
    pub data: Option<BTreeMap<String, ByteString>>,
}

/// A `ConfigMap` that was read whole.
#[derive(Deserialize)]
pub(in crate::source::cluster) struct ConfigMapContent {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its texts.
    #[serde(default)]
    pub data: Option<BTreeMap<String, String>>,
}
