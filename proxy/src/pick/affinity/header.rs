//! Affinity by a request header.

use std::fmt;

use http::HeaderName;
use xxhash_rust::xxh3::xxh3_64;

use crate::request::RequestView;

/// Recognises requests by the value of a header.
#[derive(Debug)]
pub(crate) struct HeaderAffinity {
    /// `None`: not a name that a request can have.
    name: Option<HeaderName>,
}

impl HeaderAffinity {
    /// Affinity by the header `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: HeaderName::from_bytes(name.as_bytes()).ok() }
    }

    /// The hash of the header's first value; `None` where it is missing or empty, which tells nobody from anybody.
    pub(crate) fn hash(&self, request: &RequestView<'_>) -> Option<u64> {
        let value = request.headers.get(self.name.as_ref()?)?;
        (!value.is_empty()).then(|| xxh3_64(value.as_bytes()))
    }
}

impl fmt::Display for HeaderAffinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the header {}", self.name.as_ref().map_or("", HeaderName::as_str))
    }
}
