//! Affinity: requests that belong together go to the same target.
//!
//! A cookie names its target; everything else is hashed to a place on a ring. Both work within the level that is in use and
//! among its usable members, and both depend only on the targets' keys and weights, so every proxy decides alike.

mod client_ip;
mod conversation;
mod cookie;
mod header;
mod ring;

use http::HeaderValue;
use sluicegate_table::ObjectKey;
use xxhash_rust::xxh3::xxh3_64;

use self::client_ip::ClientIpAffinity;
use self::conversation::ConversationAffinity;
use self::cookie::{CookieAffinity, Ids};
use self::header::HeaderAffinity;
use self::ring::Ring;
use super::MemberIndex;
use super::candidates::{Candidate, Candidates};
use super::weights::Weights;
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
    Ring(Ring),
}

impl Affinity {
    /// The affinity of a pool whose members, levels in order, have these keys.
    pub(crate) fn new<'a>(affinity: &sluicegate_table::Affinity, keys: impl Iterator<Item = &'a ObjectKey>) -> Self {
        match affinity {
            sluicegate_table::Affinity::Cookie { name, ttl } => Self::Cookie(CookieAffinity::new(name, *ttl, keys)),
            sluicegate_table::Affinity::Header { name } => Self::Header(HeaderAffinity::new(name)),
            sluicegate_table::Affinity::ClientIp => Self::ClientIp(ClientIpAffinity),
            sluicegate_table::Affinity::Conversation { header } => {
                Self::Conversation(ConversationAffinity::new(header.as_deref()))
            }
        }
    }

    /// What finds the `candidates` of a level again; `keys` and `weights` are those of all its members, of which
    /// `first_member` is the first.
    pub(crate) fn anchors(
        &self,
        keys: &[&ObjectKey],
        weights: &Weights,
        first_member: u32,
        candidates: &[Candidate],
    ) -> Anchors {
        let members = candidates.iter().enumerate().filter_map(|(position, candidate)| {
            let key = keys.get((candidate.member.0 - first_member) as usize)?;
            Some((member_id(key), candidate.weight, position as u32))
        });
        match self {
            Self::Cookie(_) => Anchors::Ids(Ids::new(members.map(|(id, _, position)| (id, position)))),
            Self::Header(_) | Self::ClientIp(_) | Self::Conversation(_) => {
                Anchors::Ring(Ring::new(members, weights.max()))
            }
        }
    }

    /// The position of the free candidate that the request belongs to; `None`: the algorithm decides.
    pub(crate) fn find(&self, anchors: &Anchors, request: &RequestView<'_>, among: &Candidates<'_>) -> Option<usize> {
        match (self, anchors) {
            (Self::Cookie(cookie), Anchors::Ids(ids)) => cookie.find(ids, request, among),
            (_, Anchors::Ring(ring)) => ring.find(self.hash(request)?, among),
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

/// What stands for a target, on the ring and in cookies: the same on every proxy and after every restart.
fn member_id(key: &ObjectKey) -> u64 {
    xxh3_64(key.to_string().as_bytes())
}

#[cfg(test)]
mod tests;
