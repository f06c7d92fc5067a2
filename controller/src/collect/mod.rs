//! Collecting: what the proxies say of themselves, in one place that status and `sluicegate status` read.

mod fleet;

pub use fleet::{Fleet, Proxy, ProxyId};
