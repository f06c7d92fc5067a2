//! What became of an attempt, as health judges it.

use std::time::Duration;

use http::StatusCode;

/// What became of an attempt to have an endpoint answer a request. Not for attempts that ended because of the client,
/// which say nothing about the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer's head came.
    Answered {
        /// Its status.
        status: StatusCode,
        /// What its `Retry-After`, or a provider's word for the same, asks for.
        retry_after: Option<Duration>,
    },
    /// No connection came about, or the endpoint refused the request unprocessed: it did nothing for it.
    NotConnected,
    /// The connection broke, or what came was no HTTP, before or after the answer's head.
    Reset,
    /// No answer's head came in the time that the route allows.
    TimedOut,
    /// No answer's head has come within the circuit breaker's `timeout`; the attempt goes on, and what becomes of it later
    /// counts for passive checks only.
    Slow,
}
