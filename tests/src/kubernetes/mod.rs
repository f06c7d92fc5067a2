//! A real Kubernetes for tests.
//!
//! | a test that | takes |
//! | --- | --- |
//! | needs an API server | [`Cluster::shared`]: one for all tests of a binary, with the definitions applied |
//! | stops, restarts or compacts it, counts requests, or runs a controller over all namespaces | [`Cluster::own`] |
//! | runs pods | [`Cluster::with_node`]; a machine has one node at a time |
//!
//! `KUBECONFIG` puts a cluster of the user's choosing in place of the shared one and of the one with a node. The others are
//! brought up by `tests/rig/rig` and end with the test binary, however it ends.
//!
//! [`Installation`] runs controllers and proxies as processes beside an API server.
//!
//! Every test works in a [`Namespace`] of its own:
//!
//! ```no_run
//! use sluicegate_tests::kubernetes::Cluster;
//!
//! let namespace = Cluster::shared().namespace();
//! namespace.apply("{apiVersion: sluicegate.dev/v1alpha1, kind: Rule, metadata: {name: api}, spec: {upstream: web}}");
//! let rule = namespace.wait_for_condition("rule/api", "ResolvedRefs", "False");
//! assert_eq!(rule["status"]["conditions"][0]["observedGeneration"], 1);
//! ```
//!
//! Without a node nothing but the API server runs: no namespace is ever gone, no Service has endpoints, no Deployment makes
//! pods. Tests write the `EndpointSlice`s and pods that they need ([`Namespace::pod`]).

mod cluster;
mod installation;
mod namespace;
mod rig;
mod tokens;

pub use cluster::{Cluster, condition};
pub use installation::{Controller, Installation, Proxy};
pub use namespace::Namespace;
pub use tokens::{Account, Token};
