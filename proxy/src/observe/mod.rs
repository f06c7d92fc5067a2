//! Observing: what the proxy tells about itself and about each request.
//!
//! The hot path only ever writes to counters and queues that its own worker thread owns; everything that sums, formats or
//! waits runs on the control runtime or on a thread of its own.

pub mod access_log;
pub mod admin;
pub mod metrics;
pub mod timestamp;
