//! What can go wrong on an HTTP/1.1 connection to a target.

use std::io;

use thiserror::Error;

use crate::forward::error::Malformed;

/// Why an exchange over an HTTP/1.1 connection failed.
#[derive(Debug, Error)]
pub enum Http1Error {
    /// Reading or writing failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The target closed the connection before its answer's head was complete.
    #[error("the connection was closed before the answer's head was complete")]
    NoHead,
    /// The target closed the connection before its answer's end.
    #[error("the connection was closed before the answer's end")]
    BrokenOff,
    /// The answer is not one.
    #[error("a malformed answer: {0}")]
    Malformed(#[from] Malformed),
    /// The client's body failed, so that the request cannot be sent to its end.
    #[error("the client's body failed")]
    ClientBody,
}

impl Http1Error {
    /// Whether the target said something that is not HTTP/1.1.
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed(_))
    }
}
