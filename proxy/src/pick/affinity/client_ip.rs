//! Affinity by the client's address.

use std::net::IpAddr;

use xxhash_rust::xxh3::xxh3_64;

use crate::request::RequestView;

/// Recognises clients by their address, as the trusted proxies tell it.
#[derive(Debug)]
pub(crate) struct ClientIpAffinity;

impl ClientIpAffinity {
    /// The hash of the address. An IPv4 address counts as the same when it comes mapped into IPv6, as it does on a
    /// listener for both.
    #[expect(clippy::unused_self, reason = "the affinities are asked alike")]
    pub(crate) fn hash(&self, request: &RequestView<'_>) -> u64 {
        match request.client_ip.to_canonical() {
            IpAddr::V4(address) => xxh3_64(&address.octets()),
            IpAddr::V6(address) => xxh3_64(&address.octets()),
        }
    }
}
