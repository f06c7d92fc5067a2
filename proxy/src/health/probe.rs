//! A request's place in a round of a half-open circuit breaker.

/// Lets one request through a half-open circuit breaker. Dropped without a judgement (the client went away), the place is
/// given to another request.
#[derive(Debug, PartialEq, Eq)]
pub struct Probe {}
