//! `trafficPercent`: a Rule takes a share of what it matches, always the same users.

use sluicegate_table::{ObjectKey, Share};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::request::RequestView;

/// All of the traffic, in millionths.
pub(crate) const ALL: u32 = 1_000_000;

/// The share of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrafficShare {
    millionths: u32,
    seed: u64,
}

impl TrafficShare {
    /// The share `share` of the route `key`. The key is part of each draw, so that different Rules take different users.
    pub(crate) fn new(key: &ObjectKey, share: Share) -> Self {
        Self { millionths: share.millionths, seed: xxh3_64(key.to_string().as_bytes()) }
    }

    /// The share, in millionths.
    pub(crate) fn millionths(self) -> u32 {
        self.millionths
    }

    /// What the user of this request draws, from 0 to 999,999: the same on every proxy and after every restart. The user
    /// is named by the identity's user header, else by the client's address.
    pub(crate) fn draw(self, request: &RequestView<'_>) -> u32 {
        let hash = match request.headers.get(&request.identity.user) {
            Some(user) => xxh3_64_with_seed(user.as_bytes(), self.seed),
            None => match request.client_ip {
                std::net::IpAddr::V4(address) => xxh3_64_with_seed(&address.octets(), self.seed),
                std::net::IpAddr::V6(address) => xxh3_64_with_seed(&address.octets(), self.seed),
            },
        };
        (hash % u64::from(ALL)) as u32
    }

    /// Whether the route takes the request.
    pub(crate) fn takes(self, request: &RequestView<'_>) -> bool {
        self.draw(request) < self.millionths
    }
}
