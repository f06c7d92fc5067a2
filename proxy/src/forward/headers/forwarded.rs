//! What the target is told about the client: `X-Forwarded-For`, `-Proto`, `-Host`, `Forwarded` and `Via`.
//!
//! A client can write anything into these fields, so what is there counts only when the peer is a trusted proxy. From any
//! other peer all of them are replaced, the `X-Forwarded-…` that Sluicegate does not set and `X-Real-IP` taken off. The
//! values of a connection are built once, so that a request costs a handful of inserts and no formatting.
//!
//! `Forwarded` (RFC 7239) is written where a trusted peer has written it, and everywhere with `forwardedHeader: true`;
//! the `X-Forwarded-…` fields are what targets read. `Via` goes on every request, as it must (RFC 9110, 7.6.3); answers
//! get theirs in `exchange::finish`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{FORWARDED, HeaderName, VIA};
use http::{HeaderMap, HeaderValue, Version};
use ipnet::IpNet;

use super::hop_by_hop::{RequestHead, Seen, speaks_for_the_client};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The networks whose `X-Forwarded-For` counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether `address` is in one of the networks; an IPv4 address mapped to IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What an installation decides about forwarded values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForwardingPolicy {
    /// Whom to believe.
    pub trusted: TrustedProxies,
    /// Write `Forwarded` even where no trusted peer has.
    pub forwarded_header: bool,
}

/// What is known of one client connection, ready to be inserted.
#[derive(Clone, Debug)]
pub struct ForwardedFacts {
    peer: IpAddr,
    peer_value: HeaderValue,
    proto: &'static str,
    /// Set when the peer is a trusted proxy.
    believed: Option<Arc<ForwardingPolicy>>,
    forwarded_header: bool,
}

impl ForwardedFacts {
    /// The facts of a connection from `peer`; `tls` says whether it came by TLS.
    pub fn new(peer: SocketAddr, tls: bool, policy: &Arc<ForwardingPolicy>) -> Self {
        let peer = peer.ip().to_canonical();
        let peer_value = HeaderValue::try_from(peer.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self {
            peer,
            peer_value,
            proto: if tls { "https" } else { "http" },
            believed: policy.trusted.contains(peer).then(|| Arc::clone(policy)),
            forwarded_header: policy.forwarded_header,
        }
    }

    /// The other end of the connection.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// The client's address. Call it before [`ForwardedFacts::apply`].
    ///
    /// That is the peer's, unless the peer is a trusted proxy: then `X-Forwarded-For` is read from the right over
    /// trusted proxies, up to the first address that is none. What is no address ends the walk, because nobody trusted
    /// vouches for what is left of it.
    pub fn client_ip(&self, headers: &HeaderMap) -> IpAddr {
        let Some(policy) = &self.believed else { return self.peer };
        let mut client = self.peer;
        for line in headers.get_all(X_FORWARDED_FOR).into_iter().rev() {
            for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(address) = parse_address(entry.trim_ascii()) else { return client };
                client = address;
                if !policy.trusted.contains(address) {
                    return client;
                }
            }
        }
        client
    }

    /// Writes the forwarded values into a request. `host` is the host that the client asked for, `version` the version
    /// the request came in, `head` what [`super::strip_request`] found in the same header fields.
    pub fn apply(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>, version: Version, head: RequestHead) {
        let seen = head.seen;
        let via = HeaderValue::from_static(match version {
            Version::HTTP_10 => "1.0 sluicegate",
            Version::HTTP_2 => "2 sluicegate",
            _ => "1.1 sluicegate",
        });
        if seen.has(Seen::VIA) {
            headers.append(VIA, via);
        } else {
            headers.insert(VIA, via);
        }
        if self.believed.is_some() {
            self.add_to(headers, host, seen);
        } else {
            self.replace(headers, host, seen);
        }
    }

    fn replace(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>, seen: Seen) {
        if seen.has(Seen::FORWARDED) {
            headers.remove(FORWARDED);
        }
        if seen.has(Seen::OTHER_FORWARDED) {
            remove_other_forwarded(headers);
        }
        headers.insert(X_FORWARDED_FOR, self.peer_value.clone());
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        match host {
            Some(host) => {
                headers.insert(X_FORWARDED_HOST, host.clone());
            }
            None if seen.has(Seen::FORWARDED_HOST) => {
                headers.remove(X_FORWARDED_HOST);
            }
            None => {}
        }
        if self.forwarded_header {
            headers.insert(FORWARDED, self.forwarded_element(host));
        }
    }

    fn add_to(&self, headers: &mut HeaderMap, host: Option<&HeaderValue>, seen: Seen) {
        let chain = if seen.has(Seen::FORWARDED_FOR) {
            // One line, because many targets read only the first or only the last.
            let mut chain = Vec::with_capacity(96);
            for line in headers.get_all(X_FORWARDED_FOR) {
                chain.extend_from_slice(line.as_bytes());
                chain.extend_from_slice(b", ");
            }
            chain.extend_from_slice(self.peer_value.as_bytes());
            HeaderValue::try_from(chain).unwrap_or_else(|_| self.peer_value.clone())
        } else {
            self.peer_value.clone()
        };
        headers.insert(X_FORWARDED_FOR, chain);
        if !seen.has(Seen::FORWARDED_PROTO) {
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(self.proto));
        }
        if let Some(host) = host
            && !seen.has(Seen::FORWARDED_HOST)
        {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
        if seen.has(Seen::FORWARDED) || self.forwarded_header {
            headers.append(FORWARDED, self.forwarded_element(host));
        }
    }

    /// One element of `Forwarded`. There is no `by`: it would tell an inner address to whoever reads the field.
    fn forwarded_element(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut element = match self.peer {
            IpAddr::V4(peer) => format!("for={peer}"),
            IpAddr::V6(peer) => format!("for=\"[{peer}]\""),
        };
        let quotable = |host: &&str| !host.contains(['"', '\\']);
        if let Some(host) = host.and_then(|host| host.to_str().ok()).filter(quotable) {
            // Writing to a String cannot fail.
            let _ = write!(element, ";host=\"{host}\"");
        }
        let _ = write!(element, ";proto={}", self.proto);
        HeaderValue::try_from(element).unwrap_or(HeaderValue::from_static("for=unknown"))
    }
}

fn remove_other_forwarded(headers: &mut HeaderMap) {
    let others = |name: &&HeaderName| speaks_for_the_client(name.as_str());
    let names: Vec<HeaderName> = headers.keys().filter(others).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// An address as proxies write it into `X-Forwarded-For`: bare, in brackets, or with a port.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    bare().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
