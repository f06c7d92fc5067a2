//! What a request asks for, as far as answers to it are kept.

use std::fmt::Write as _;

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderName, RANGE};
use http::{HeaderMap, Method};

use super::rules::directives;
use crate::receive::RouteRuntime;
use crate::request::RequestView;

/// What clients of AI providers have their key in, where it is not `Authorization`.
const API_KEYS: [HeaderName; 2] = [HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];

/// What a request asks for. Owned, because the request itself goes on to a target.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(super) key: Box<str>,
    pub(super) headers: HeaderMap,
    /// It says who the client is.
    pub(super) personal: bool,
    /// An answer to it may be kept.
    pub(super) keeps: bool,
}

impl Asked {
    /// What the request asks for; `None`: answers to such requests are not kept.
    pub(crate) fn of(route: &RouteRuntime, request: &RequestView<'_>) -> Option<Self> {
        let get = *request.method == Method::GET;
        if !get && *request.method != Method::HEAD || request.content_length != Some(0) {
            return None;
        }
        let mut key = String::with_capacity(128);
        // Writing to a String does not fail. What a space divides holds none.
        let _ = write!(key, "{} {} {} {}", route.key, request.tls, request.host, request.path);
        if let Some(query) = request.query {
            let _ = write!(key, "?{query}");
        }
        let headers = request.headers.clone();
        let says_who = [&AUTHORIZATION, &COOKIE, &request.identity.user];
        let personal = says_who.into_iter().chain(&API_KEYS).any(|name| headers.contains_key(name));
        let no_store = directives(&headers, &CACHE_CONTROL).any(|(name, _)| name.eq_ignore_ascii_case("no-store"));
        let keeps = get && !no_store && !headers.contains_key(RANGE);
        Some(Self { key: key.into(), headers, personal, keeps })
    }
}
