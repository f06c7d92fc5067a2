//! Where objects are: read from what the cluster's watches hold, written through the status subresource.
//!
//! A write replaces the whole status and names the version that it was computed from, so that it undoes nobody else's.

use std::future::Future;

use super::object::{Known, Status};
use crate::objects::ObjectId;

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object has another version by now.
    #[error("the object has changed meanwhile")]
    Conflict,
    /// The object is no more.
    #[error("the object is gone")]
    Gone,
    /// The API server did not take it.
    #[error("the API server does not take the status: {0}")]
    Failed(#[from] Box<kube::Error>),
}

/// The objects of a cluster.
pub trait Store: Send + Sync + 'static {
    /// An object as it was last seen, without asking the API server; `None`: there is none.
    fn known(&self, id: &ObjectId) -> Option<Known>;

    /// An object as it is. `None`: there is none.
    fn read(&self, id: &ObjectId) -> impl Future<Output = Result<Option<Known>, WriteError>> + Send;

    /// Replaces the status of the version that `known` names. Gives the object as it then is.
    fn write(
        &self,
        id: &ObjectId,
        known: &Known,
        status: &Status,
    ) -> impl Future<Output = Result<Known, WriteError>> + Send;
}
