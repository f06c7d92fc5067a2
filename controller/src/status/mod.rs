//! Status: what the proxies do with each object, written back to the object.
//!
//! One task owns what is known ([`Writer`]): what compile said of each object, which version each ready proxy has in use,
//! and what a write changed last. What a status should be is a pure function of that (`desired`), computed when a write
//! begins, so that of several changes only the latest is written. It is compared with the object as the cluster holds it,
//! and written only where it differs.
//!
//! Nothing of it may depend on what a controller knows that has just started and another does not: then a restart would
//! write.

mod book;
mod circuit;
mod cluster;
mod desired;
mod events;
mod flapping;
mod health;
mod held;
mod job;
mod merge;
mod object;
mod pace;
mod programmed;
mod recorder;
mod store;
mod witnesses;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::cluster::ClusterStore;
pub use self::events::{EventSink, Transition};
pub use self::object::{Known, Status};
pub use self::recorder::Recorder;
pub use self::store::{Store, WriteError};
pub use self::writer::{Inputs, Writer};
use crate::compile::ObjectStatus;
use crate::objects::ObjectId;
use crate::publish::Published;

/// What compile said, with the version in which it was published.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// What is in force from here on.
    pub published: Published,
    /// The objects of which something else is said than before. `None`: the object is no more.
    pub statuses: BTreeMap<ObjectId, Option<ObjectStatus>>,
}
