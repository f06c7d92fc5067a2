//! Forwarding: from a picked target to the last byte of its answer.

pub mod headers;
