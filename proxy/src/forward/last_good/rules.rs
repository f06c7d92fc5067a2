//! Which answers may be kept, for whom, and for how long (RFC 9111, 3 and 4.2.4, as a shared cache).

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, HeaderName, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Asked;

/// How an answer may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    /// The fields that `Vary` names, as the request had them.
    vary: Vec<(HeaderName, Vec<HeaderValue>)>,
    /// It may be given to anybody, those who say who they are included.
    public: bool,
    /// Its age when it came.
    pub(super) age: Duration,
    /// Its origin forbids that it is used for longer.
    pub(super) only_for: Option<Duration>,
}

impl Keep {
    /// Whether the answer is one to this request, too.
    pub(super) fn answers(&self, asked: &Asked) -> bool {
        (self.public || !asked.personal)
            && self.vary.iter().all(|(name, values)| asked.headers.get_all(name).iter().eq(values))
    }

    /// Whether two answers are for the same requests.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.vary == other.vary && self.public == other.public
    }
}

/// How the answer to a request may be used; `None`: not at all.
pub(super) fn keep(asked: &Asked, status: StatusCode, headers: &HeaderMap) -> Option<Keep> {
    if !asked.keeps || status != StatusCode::OK || headers.contains_key(SET_COOKIE) {
        return None;
    }
    let (mut public, mut fresh_only) = (false, false);
    let (mut max_age, mut s_maxage) = (None, None);
    for (name, value) in directives(headers, &CACHE_CONTROL) {
        let seconds = || value.and_then(|value| value.trim_matches('"').parse().ok()).map(Duration::from_secs);
        match name.to_ascii_lowercase().as_str() {
            "no-store" | "private" | "no-cache" => return None,
            "public" => public = true,
            "must-revalidate" | "proxy-revalidate" => fresh_only = true,
            "max-age" => max_age = seconds(),
            "s-maxage" => (s_maxage, fresh_only) = (seconds(), true),
            _ => {}
        }
    }
    if asked.personal && !public {
        return None;
    }
    let mut vary = Vec::new();
    for name in values(headers, &VARY) {
        // `*` is no name: it varies with what nobody can see.
        let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| name.as_str() != "*")?;
        let fields = asked.headers.get_all(&name).iter().cloned().collect();
        vary.push((name, fields));
    }
    let age =
        headers.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let only_for = fresh_only.then(|| s_maxage.or(max_age).unwrap_or_default());
    Some(Keep { vary, public, age, only_for })
}

/// The directives of a field: names, and what follows `=`.
pub(super) fn directives<'a>(
    headers: &'a HeaderMap,
    field: &HeaderName,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    values(headers, field).map(|directive| match directive.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (directive, None),
    })
}

/// The parts between commas of all fields of a name.
fn values<'a>(headers: &'a HeaderMap, field: &HeaderName) -> impl Iterator<Item = &'a str> {
    let texts = headers.get_all(field).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty())
}
