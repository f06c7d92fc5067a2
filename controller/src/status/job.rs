//! A write of a status: what is to be written, what came of it, and what has changed with it.

use super::object::{Known, Status};
use crate::objects::ObjectId;

/// A status to be written.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: ObjectId,
    /// What it was computed from.
    pub(super) known: Known,
    pub(super) status: Status,
    /// What was there before it, and before earlier tries to write it.
    pub(super) before: Status,
}

/// A status that was written.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) id: ObjectId,
    pub(super) uid: String,
    pub(super) before: Status,
    pub(super) after: Status,
}

/// What came of a write.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The object is now so.
    Written(Known),
    /// Nothing was written: the object is so.
    Outdated(Known),
    /// The object is no more.
    Gone,
    /// There was no answer, or a bad one, and it may go better later. The object was so before, and may be as the status says
    /// all the same.
    Failed(Known),
}
