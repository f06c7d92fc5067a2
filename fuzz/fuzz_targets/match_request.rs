//! The matcher never panics, agrees with the one that has no index, and normal forms are normal.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use arbitrary::Arbitrary;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use sluicegate_proxy::matching::{Found, Matcher, normalise, reference};
use sluicegate_proxy::request::{BodyFacts, IdentityHeaders, RequestView};
use sluicegate_table::{Backend, Hostname, LengthRange, Match, ObjectKey, PathMatch, Route, ValueMatch, ValueTest};

/// Rules and requests in terms of few words, so that they meet.
#[derive(Arbitrary, Debug)]
struct Input {
    rules: Vec<Rule>,
    requests: Vec<Request>,
}

#[derive(Arbitrary, Debug)]
struct Rule {
    host: Option<Word>,
    wildcard: bool,
    kind: Kind,
    path: Vec<Piece>,
    methods: Vec<bool>,
    header: Option<(Word, Test)>,
    query: Option<(Word, Test)>,
    length: Option<(u8, u8)>,
    models: Vec<Word>,
    buffer: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Exact,
    Prefix,
    Glob,
    RegularExpression,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Word {
    A,
    B,
    Ab,
    C,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Piece {
    Word(Word),
    Slash,
    Star,
    Dot,
    Escape(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Test {
    Exact(Word),
    Present,
    AnyOf(Word, Word),
}

#[derive(Arbitrary, Debug)]
struct Request {
    host: Word,
    subdomain: bool,
    path: Vec<Piece>,
    post: bool,
    headers: Vec<(Word, Word)>,
    query: Option<(Word, Word)>,
    length: Option<u8>,
    model: Option<Option<Word>>,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Ab => "ab",
            Self::C => "c",
        }
    }
}

impl Test {
    fn made(self) -> ValueTest {
        match self {
            Self::Exact(word) => ValueTest::Exact(word.text().into()),
            Self::Present => ValueTest::Present,
            Self::AnyOf(one, other) => ValueTest::RegularExpression(format!("{}|{}", one.text(), other.text())),
        }
    }
}

fn text(pieces: &[Piece], kind: Option<Kind>) -> String {
    let mut text = String::from("/");
    for piece in pieces.iter().take(12) {
        match (piece, kind) {
            (Piece::Word(word), _) => text.push_str(word.text()),
            (Piece::Slash, _) => text.push('/'),
            (Piece::Star, Some(Kind::Glob)) => text.push('*'),
            (Piece::Star, Some(Kind::RegularExpression)) => text.push_str(".*"),
            (Piece::Star, _) => text.push('x'),
            (Piece::Dot, None) => text.push('.'),
            (Piece::Dot, Some(_)) => text.push_str("%2E"),
            (Piece::Escape(byte), _) => text.push_str(&format!("%{byte:02x}")),
        }
    }
    text
}

fn route(rule: &Rule) -> Route {
    let path = text(&rule.path, Some(rule.kind));
    let path = match rule.kind {
        Kind::Exact => PathMatch::Exact(path),
        Kind::Prefix => PathMatch::Prefix(if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }),
        Kind::Glob => PathMatch::Glob(path),
        Kind::RegularExpression => PathMatch::RegularExpression(path),
    };
    let condition = |(name, test): &(Word, Test)| ValueMatch { name: name.text().into(), test: test.made() };
    let wanted = Match {
        path: if matches!(&path, PathMatch::Prefix(prefix) if prefix.is_empty()) {
            PathMatch::Prefix("/".into())
        } else {
            path
        },
        methods: rule.methods.iter().take(2).map(|post| if *post { "POST" } else { "GET" }.to_owned()).collect(),
        headers: rule.header.iter().map(condition).collect(),
        query: rule.query.iter().map(condition).collect(),
        content_length: rule
            .length
            .map(|(one, other)| LengthRange { min: one.min(other).into(), max: one.max(other).into() }),
        models: rule.models.iter().take(2).map(|word| word.text().to_owned()).collect(),
        user_tiers: Vec::new(),
        user_segments: Vec::new(),
    };
    let host = rule.host.map(|word| format!("{}.example", word.text()));
    Route {
        hostnames: host
            .map(|host| if rule.wildcard { Hostname::Wildcard(host) } else { Hostname::Exact(host) })
            .into_iter()
            .collect(),
        buffer_size: rule.buffer.into(),
        ..Route::new(vec![wanted], Backend::Pool(ObjectKey::new("n", "pool")))
    }
}

fuzz_target!(|input: Input| {
    let routes: Vec<(ObjectKey, Route)> = input
        .rules
        .iter()
        .take(12)
        .enumerate()
        .map(|(at, rule)| (ObjectKey::new("n", format!("r{at:02}")), route(rule)))
        .collect();
    let Ok(matcher) = Matcher::new(routes.iter().map(|(key, route)| (key, route))) else { return };
    let identity = IdentityHeaders::default();
    for asked in input.requests.iter().take(8) {
        let sent = text(&asked.path, None);
        let Ok(path) = normalise::path(&sent) else { continue };
        assert_eq!(normalise::path(&path).as_deref(), Ok(&*path), "normal forms are normal");
        let host = format!("{}{}.example", if asked.subdomain { "sub." } else { "" }, asked.host.text());
        let mut headers = HeaderMap::new();
        for (name, value) in asked.headers.iter().take(4) {
            headers.append(HeaderName::from_static(name.text()), HeaderValue::from_static(value.text()));
        }
        let query = asked.query.map(|(name, value)| format!("{}={}", name.text(), value.text()));
        let body =
            asked.model.map(|model| BodyFacts { model: model.map(|word| word.text().to_owned()), conversation: None });
        let view = RequestView {
            method: if asked.post { &Method::POST } else { &Method::GET },
            host: &host,
            path: &path,
            query: query.as_deref(),
            headers: &headers,
            content_length: asked.length.map(Into::into),
            client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            tls: false,
            received: Instant::now(),
            identity: &identity,
            body: body.as_ref(),
        };
        match (matcher.find(&view), reference::find(&routes, &view)) {
            // Among many routes with the same exact conditions it may be a bound.
            (Found::NeedsBody { at_most: found }, Found::NeedsBody { at_most: least }) => assert!(found >= least),
            (found, expected) => assert_eq!(found, expected),
        }
    }
});
