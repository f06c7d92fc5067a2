//! Retries: which requests may be tried again, after what, when, and how many at a time.
//!
//! What is decided here is decided from settings and facts alone; the exchange does what comes of it.

mod backoff;
mod budget;
mod conditions;
mod retry_after;

pub(crate) use backoff::{longest_rest, wait};
pub use budget::{Budget, Permit};
pub use conditions::RetryRuntime;
pub(crate) use conditions::{Failure, is_idempotent};
pub(crate) use retry_after::retry_after;
