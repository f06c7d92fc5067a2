#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub(super) mod against_reference;
mod edits;
mod precedence;
mod requests;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sluicegate_table::{
    Backend, Hostname, LengthRange, Match, ObjectKey, PathMatch, Route, Share, ValueMatch, ValueTest,
};

use super::{Found, Matcher};
use crate::request::{BodyFacts, IdentityHeaders, RequestView};

static IDENTITY: LazyLock<IdentityHeaders> = LazyLock::new(IdentityHeaders::default);
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A request that owns its parts.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    content_length: Option<u64>,
    client_ip: IpAddr,
    body: Option<BodyFacts>,
}

impl Request {
    pub(super) fn get(path: &str) -> Self {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        Self {
            method: Method::GET,
            host: "example.com".into(),
            path: path.into(),
            query: query.map(String::from),
            headers: HeaderMap::new(),
            content_length: Some(0),
            client_ip: Ipv4Addr::LOCALHOST.into(),
            body: None,
        }
    }

    pub(super) fn post(path: &str) -> Self {
        Self { method: Method::POST, content_length: None, ..Self::get(path) }
    }

    pub(super) fn host(self, host: &str) -> Self {
        Self { host: host.into(), ..self }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        self
    }

    pub(super) fn length(self, length: u64) -> Self {
        Self { content_length: Some(length), ..self }
    }

    pub(super) fn body(self, model: Option<&str>) -> Self {
        Self { body: Some(BodyFacts { model: model.map(String::from), conversation: None }), ..self }
    }

    pub(super) fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            content_length: self.content_length,
            client_ip: self.client_ip,
            tls: false,
            received: *NOW,
            identity: &IDENTITY,
            body: self.body.as_ref(),
        }
    }
}

/// A route without conditions but for its matches.
pub(super) fn route(matches: Vec<Match>) -> Route {
    Route { buffer_size: 1024, ..Route::new(matches, Backend::Pool(ObjectKey::new("default", "pool"))) }
}

/// `=/exact`, `~regular expression`, or a prefix or glob.
pub(super) fn on(path: &str) -> Match {
    let path = match path.split_at(1) {
        ("=", path) => PathMatch::Exact(path.into()),
        ("~", text) => PathMatch::RegularExpression(text.into()),
        _ if path.contains('*') => PathMatch::Glob(path.into()),
        _ => PathMatch::Prefix(path.into()),
    };
    Match::new(path)
}

pub(super) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().copied().map(String::from).collect()
}

pub(super) fn exact(name: &str, value: &str) -> ValueMatch {
    ValueMatch { name: name.into(), test: ValueTest::Exact(value.into()) }
}

pub(super) fn methods(list: &[&str], match_: Match) -> Match {
    Match { methods: texts(list), ..match_ }
}

pub(super) fn header(name: &str, value: &str, mut match_: Match) -> Match {
    match_.headers.push(exact(name, value));
    match_
}

pub(super) fn query(name: &str, value: &str, mut match_: Match) -> Match {
    match_.query.push(exact(name, value));
    match_
}

pub(super) fn models(list: &[&str], match_: Match) -> Match {
    Match { models: texts(list), ..match_ }
}

pub(super) fn tiers(list: &[&str], match_: Match) -> Match {
    Match { user_tiers: texts(list), ..match_ }
}

pub(super) fn segments(list: &[&str], match_: Match) -> Match {
    Match { user_segments: texts(list), ..match_ }
}

pub(super) fn length(min: u64, max: u64, match_: Match) -> Match {
    Match { content_length: Some(LengthRange { min, max }), ..match_ }
}

pub(super) fn hosts(list: &[&str], route: Route) -> Route {
    let name = |text: &&str| match text.strip_prefix("*.") {
        Some(parent) => Hostname::Wildcard(parent.into()),
        None => Hostname::Exact((*text).into()),
    };
    Route { hostnames: list.iter().map(name).collect(), ..route }
}

pub(super) fn share(millionths: u32, route: Route) -> Route {
    Route { traffic: Some(Share { millionths }), ..route }
}

/// Named routes and their matcher.
pub(super) struct Table {
    pub(super) routes: Vec<(ObjectKey, Route)>,
    pub(super) matcher: Matcher,
}

impl Table {
    pub(super) fn new<const N: usize>(routes: [(&str, Route); N]) -> Self {
        let routes: Vec<_> = routes.into_iter().map(|(name, route)| (ObjectKey::new("default", name), route)).collect();
        let matcher = Matcher::new(routes.iter().map(|(key, route)| (key, route))).unwrap();
        Self { routes, matcher }
    }

    /// The name of the route found; `-` for none, `?` when the body is needed, else the methods allowed.
    pub(super) fn find(&self, request: &Request) -> String {
        let found = self.matcher.find(&request.view());
        assert_eq!(found, super::reference::find(&self.routes, &request.view()), "the reference disagrees");
        match found {
            Found::Route { route, .. } => self.routes[route.0 as usize].0.name.clone(),
            Found::NeedsBody { at_most } => format!("?{at_most}"),
            Found::MethodNotAllowed(methods) => methods.join(" "),
            Found::NoRoute => "-".into(),
        }
    }
}
