//! An endpoints entry: the addresses behind a Target that names a Service.
//!
//! They are an entry of their own, so that a pod that comes or goes sends neither the Target, with its credentials, nor
//! the pools that it is in again.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The addresses that requests to one Target can be sent to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// In the order of their addresses, without duplicates; empty: nothing is ready.
    pub addresses: Vec<EndpointAddress>,
}

/// One address of a Target: usually a pod's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointAddress {
    /// The IP address and TCP port.
    pub address: SocketAddr,
    /// The zone that it is in, where the cluster says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}
