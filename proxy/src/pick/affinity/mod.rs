//! Affinity: requests that belong together go to the same target.
//!
//! A cookie names its target; everything else is hashed to a place on a ring. Both work within the level that is in use and
//! among its usable members, and both depend only on the targets' keys, addresses and weights, so every proxy decides
//! alike.

mod client_ip;
mod conversation;
mod cookie;
mod header;
mod places;
mod ring;

use std::net::SocketAddr;

use http::HeaderValue;
use sluicegate_table::ObjectKey;
use xxhash_rust::xxh3::xxh3_64;

use self::client_ip::ClientIpAffinity;
use self::conversation::ConversationAffinity;
use self::cookie::{CookieAffinity, Ids};
use self::header::HeaderAffinity;
use self::places::Places;
use super::MemberIndex;
use super::candidates::{Candidates, Lot};
use super::shares::Share;
use super::weights::Weights;
use crate::endpoint::Endpoint;
use crate::request::RequestView;

/// What a pool recognises requests by that belong together.
#[derive(Debug)]
pub(crate) enum Affinity {
    Cookie(CookieAffinity),
    Header(HeaderAffinity),
    ClientIp(ClientIpAffinity),
    Conversation(ConversationAffinity),
}

/// How the candidates of one level are found.
#[derive(Debug)]
pub(crate) enum Anchors {
    Ids(Ids),
    Places(Places),
}

impl Affinity {
    /// The affinity of a pool whose members, levels in order, have these [ids](endpoint_id).
    pub(crate) fn new(affinity: &sluicegate_table::Affinity, ids: impl Iterator<Item = u64>) -> Self {
        match affinity {
            sluicegate_table::Affinity::Cookie { name, ttl } => Self::Cookie(CookieAffinity::new(name, *ttl, ids)),
            sluicegate_table::Affinity::Header { name } => Self::Header(HeaderAffinity::new(name)),
            sluicegate_table::Affinity::ClientIp => Self::ClientIp(ClientIpAffinity),
            sluicegate_table::Affinity::Conversation { header } => {
                Self::Conversation(ConversationAffinity::new(header.as_deref()))
            }
        }
    }

    /// What finds the candidates of a level again, who lead to these `endpoints`; `weights` are those of all its members,
    /// `shares` those of the usable ones.
    pub(crate) fn anchors(&self, endpoints: &[&Endpoint], weights: &Weights, shares: &[Share]) -> Anchors {
        match self {
            Self::Cookie(_) => {
                let ids = endpoints.iter().map(|endpoint| endpoint_id(&endpoint.key, endpoint.address));
                Anchors::Ids(Ids::new(ids.zip(0..)))
            }
            Self::Header(_) | Self::ClientIp(_) | Self::Conversation(_) => {
                Anchors::Places(Places::new(endpoints, weights, shares))
            }
        }
    }

    /// The position of the free candidate that the request belongs to; `None`: the algorithm decides.
    pub(crate) fn find(&self, anchors: &Anchors, request: &RequestView<'_>, among: &Candidates<'_>) -> Option<usize> {
        match (self, anchors) {
            // Only what was picked for the client before is named in its cookie.
            (Self::Cookie(cookie), Anchors::Ids(ids)) => cookie.find(ids, request, &among.with_lot(Lot::Always)),
            (_, Anchors::Places(places)) => {
                let hash = self.hash(request)?;
                places.find(hash, &among.with_lot(Lot::Hash(hash)))
            }
            (_, Anchors::Ids(_)) => None,
        }
    }

    /// The hash of what the request is recognised by; `None`: it has nothing of the kind.
    fn hash(&self, request: &RequestView<'_>) -> Option<u64> {
        match self {
            Self::Cookie(_) => None,
            Self::Header(header) => header.hash(request),
            Self::ClientIp(client_ip) => Some(client_ip.hash(request)),
            Self::Conversation(conversation) => conversation.hash(request),
        }
    }

    /// The `Set-Cookie` that sends the client back to `member`.
    pub(crate) fn set_cookie(&self, member: MemberIndex, tls: bool) -> Option<HeaderValue> {
        match self {
            Self::Cookie(cookie) => cookie.set_cookie(member, tls),
            Self::Header(_) | Self::ClientIp(_) | Self::Conversation(_) => None,
        }
    }

    /// Whether [`Affinity::find`] depends on what the body says and nobody has looked.
    pub(crate) fn needs_body(&self, request: &RequestView<'_>) -> bool {
        match self {
            Self::Conversation(conversation) => conversation.needs_body(request),
            Self::Cookie(_) | Self::Header(_) | Self::ClientIp(_) => false,
        }
    }

    /// Whether [`Affinity::find`] looks at header fields.
    pub(crate) fn reads_headers(&self) -> bool {
        match self {
            Self::Cookie(_) | Self::Header(_) => true,
            Self::Conversation(conversation) => conversation.reads_headers(),
            Self::ClientIp(_) => false,
        }
    }

    /// Whether clients are told their target, even if there is only one.
    pub(crate) fn tells_clients(&self) -> bool {
        matches!(self, Self::Cookie(_))
    }
}

impl std::fmt::Display for Affinity {
    /// What requests are recognised by, as the subject of a sentence.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cookie(cookie) => cookie.fmt(f),
            Self::Header(header) => header.fmt(f),
            Self::ClientIp(_) => f.write_str("the client's address"),
            Self::Conversation(conversation) => conversation.fmt(f),
        }
    }
}

/// What stands for an endpoint, on rings and in cookies: the same on every proxy and after every restart.
pub(super) fn endpoint_id(key: &ObjectKey, address: Option<SocketAddr>) -> u64 {
    match address {
        None => xxh3_64(key.to_string().as_bytes()),
        Some(address) => xxh3_64(format!("{key} {address}").as_bytes()),
    }
}

#[cfg(test)]
mod tests;
