//! Our own kinds.

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::metadata::{Metadata, Named};

/// An Upstream, Target or Rule. Its spec is read into its type only where it changed, and there a mistake refuses this
/// one object.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::source::cluster) struct OwnObject {
    /// Its metadata.
    pub metadata: Metadata,
    /// The spec as it is.
    #[serde(default)]
    pub spec: Json,
    /// The status, as compact JSON: it is looked at rarely and held for every object.
    #[serde(default, deserialize_with = "compact")]
    pub status: Option<Box<str>>,
}

impl Named for OwnObject {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

fn compact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let status = Option::<Json>::deserialize(deserializer)?;
    Ok(status.map(|status| status.to_string().into_boxed_str()))
}
