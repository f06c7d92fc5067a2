//! The data plane: receive → match → admit → pick → forward → observe.
//!
//! It obeys a [`sluicegate_table::Table`] and knows nothing of Kubernetes or of what users write. The folders are the
//! stages that a request passes, in that order; data flows one way.

pub mod answer;
pub mod config;
pub mod endpoint;
pub mod explain;
pub mod forward;
pub mod health;
pub mod matching;
pub mod observe;
mod pace;
pub mod pick;
pub mod receive;
pub mod request;
pub mod resolve;
pub mod serve;
mod slots;
pub mod tls;
mod worker;
