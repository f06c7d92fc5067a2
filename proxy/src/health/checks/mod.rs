//! Active checks: questions that the proxy asks endpoints by itself.
//!
//! Each endpoint is asked by a task of its own, over a connection of its own that stays open between two checks, so that a
//! check costs a write and a read, and takes nothing from the connections that requests use. The task drives that
//! connection itself: an answer wakes one task, not two. All run on one thread that does nothing else.
//!
//! What goes out is the check's own: neither the Target's headers nor its credential are sent. A health page that is open
//! to whoever asks is what servers have; one that is not may get what it needs under `headers` of the check.

mod connection;
mod dial;
mod failure;
mod grpc_check;
mod grpc_messages;
mod http_check;
mod repeat;
mod subject;
mod thread;

pub(crate) use dial::Dialer;
pub(crate) use failure::CheckResult;
pub(crate) use repeat::keep_checking;
pub(crate) use subject::Subject;
pub(crate) use thread::CheckThread;

#[cfg(test)]
mod tests;
