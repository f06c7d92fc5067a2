//! Affinity by AI conversation, so that a provider's prompt cache is of use.

use std::fmt;

use super::header::HeaderAffinity;
use crate::request::RequestView;

/// Recognises conversations by a header where the request has it, else by the first messages of the body.
#[derive(Debug)]
pub(crate) struct ConversationAffinity {
    header: Option<HeaderAffinity>,
}

impl ConversationAffinity {
    /// Affinity by conversation, which `header` may name.
    pub(crate) fn new(header: Option<&str>) -> Self {
        Self { header: header.map(HeaderAffinity::new) }
    }

    /// The hash of the conversation; `None` where neither the header nor the body names one.
    pub(crate) fn hash(&self, request: &RequestView<'_>) -> Option<u64> {
        self.header_hash(request).or_else(|| request.body?.conversation)
    }

    /// Whether only the body can tell, and nobody has looked.
    pub(crate) fn needs_body(&self, request: &RequestView<'_>) -> bool {
        request.body.is_none() && request.content_length != Some(0) && self.header_hash(request).is_none()
    }

    /// Whether a header may name the conversation.
    pub(crate) fn reads_headers(&self) -> bool {
        self.header.is_some()
    }

    fn header_hash(&self, request: &RequestView<'_>) -> Option<u64> {
        self.header.as_ref()?.hash(request)
    }
}

impl fmt::Display for ConversationAffinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.header {
            Some(header) => write!(f, "the conversation ({header}, else the first messages)"),
            None => f.write_str("the conversation (the first messages)"),
        }
    }
}
