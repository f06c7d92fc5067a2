//! Forwarding: client connections, the exchange of one request, connections to targets.
//!
//! Everything here runs on one worker's thread and shares nothing with other workers but atomics: a worker accepts its
//! own connections and keeps its own connections to targets. HTTP/1.1 is ours on both sides, HTTP/2 hyper's; what is added
//! per request is one match, one pick, a few headers and a guard.
//!
//! ```text
//! client/    accepts, serves HTTP/1.1 and HTTP/2, closes what stands still
//! exchange/  one request: admit, match, pick, send, answer
//! upstream/  links to targets: limits, connecting, connections kept for use again
//! retry/     which requests are tried again, after what, when, how many at a time
//! late_writes/ sends what a turn of the worker wants to send together
//! last_good/ answers for when circuit breakers are open
//! headers/   what an intermediary changes in a message's head
//! http1/     heads and bodies of HTTP/1.1, read and written, on either side
//! ```

pub(crate) mod client;
pub(crate) mod clock;
mod deadline;
pub mod error;
pub(crate) mod exchange;
pub(crate) mod grpc_status;
pub mod headers;
pub(crate) mod http1;
pub(crate) mod last_good;
pub(crate) mod late_writes;
pub mod retry;
pub mod upstream;
