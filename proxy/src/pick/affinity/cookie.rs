//! Affinity by a cookie that Sluicegate sets.
//!
//! The cookie holds a hash of the target's key, and of its address where that is one of several: no names or addresses,
//! and any proxy can read what another one set.

use std::fmt;
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::super::MemberIndex;
use super::super::candidates::Candidates;
use crate::request::RequestView;

/// Recognises clients by a cookie that names their target.
#[derive(Debug)]
pub(crate) struct CookieAffinity {
    name: Box<str>,
    /// For each member of the pool, levels in order. Made ahead, since a clone of a `HeaderValue` allocates nothing.
    values: Box<[SetCookie]>,
}

/// The `Set-Cookie` values of a member; `None` where the cookie's name makes them invalid.
#[derive(Debug)]
struct SetCookie {
    plain: Option<HeaderValue>,
    tls: Option<HeaderValue>,
}

/// The positions of a level's candidates by what stands for them in cookies.
#[derive(Debug)]
pub(crate) struct Ids(Box<[(u64, u32)]>);

impl Ids {
    /// An index of pairs of id and position.
    pub(crate) fn new(candidates: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut ids: Vec<(u64, u32)> = candidates.collect();
        ids.sort_unstable();
        Self(ids.into())
    }

    fn position(&self, id: u64) -> Option<usize> {
        let at = self.0.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.0.get(at).map(|(_, position)| *position as usize)
    }
}

impl CookieAffinity {
    /// Affinity by the cookie `name`, kept by clients for `ttl` (for their session where that is `None`).
    pub(crate) fn new(name: &str, ttl: Option<Duration>, ids: impl Iterator<Item = u64>) -> Self {
        let max_age = ttl.map(|ttl| format!("; Max-Age={}", ttl.as_secs())).unwrap_or_default();
        let values = ids.map(|id| {
            let plain = format!("{name}={id:016x}; Path=/{max_age}; HttpOnly; SameSite=Lax");
            let tls = HeaderValue::try_from(format!("{plain}; Secure")).ok();
            SetCookie { plain: HeaderValue::try_from(plain).ok(), tls }
        });
        Self { name: name.into(), values: values.collect() }
    }

    /// The position of the free candidate that the request's cookie names.
    pub(crate) fn find(&self, ids: &Ids, request: &RequestView<'_>, among: &Candidates<'_>) -> Option<usize> {
        values(request.headers, &self.name)
            .filter_map(|value| ids.position(parse_id(value)?))
            .find(|position| among.free(*position))
    }

    /// The `Set-Cookie` that sends the client back to `member`. `Secure` only over TLS: elsewhere the client would not
    /// send the cookie back.
    pub(crate) fn set_cookie(&self, member: MemberIndex, tls: bool) -> Option<HeaderValue> {
        let values = self.values.get(member.0 as usize)?;
        if tls { values.tls.clone() } else { values.plain.clone() }
    }
}

impl fmt::Display for CookieAffinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cookie {}", self.name)
    }
}

/// The values of all cookies of this name, in order: a client sends several when they were set for several paths, and
/// HTTP/2 may send each cookie in a header of its own. What is no cookie is passed over.
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(COOKIE).into_iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';')).filter_map(
        move |pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
        },
    )
}

/// Reads 16 hexadecimal digits.
fn parse_id(value: &[u8]) -> Option<u64> {
    if value.len() != 16 {
        return None;
    }
    value.iter().try_fold(0, |id, byte| Some(id << 4 | u64::from(char::from(*byte).to_digit(16)?)))
}

#[cfg(test)]
mod tests;
