//! The conditions that do not hold, in words.

use std::fmt;

use http::HeaderName;
use serde::Serialize;
use sluicegate_table::{Hostname, PathMatch, Route, ValueTest};

use super::super::conditions::{Conditions, Failing, model, segments, tiers};
use super::super::query;
use super::super::traffic_share::{ALL, TrafficShare};
use super::Miss;
use crate::request::RequestView;

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "condition", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Because {
    /// `hostnames`
    Hostnames {
        /// The request's host.
        host: String,
        /// What the Rule wants.
        wanted: Vec<String>,
    },
    /// `path`
    Path {
        /// The request's path, normalised.
        path: String,
        /// What the Rule wants.
        wanted: PathMatch,
    },
    /// `methods`
    Methods {
        /// The request's method.
        method: String,
        /// What the Rule wants.
        wanted: Vec<String>,
    },
    /// `headers`
    Header {
        /// The header.
        name: String,
        /// The request's values.
        values: Vec<String>,
        /// What the Rule wants.
        wanted: ValueTest,
    },
    /// `query`
    Query {
        /// The parameter.
        name: String,
        /// The request's values, decoded.
        values: Vec<String>,
        /// What the Rule wants.
        wanted: ValueTest,
    },
    /// `contentLength`
    ContentLength {
        /// What the request declares.
        length: Option<u64>,
        /// The least that the Rule wants.
        min: u64,
        /// The most that the Rule wants.
        max: u64,
    },
    /// `userTier`
    UserTier {
        /// The header that says it.
        header: String,
        /// The request's values.
        values: Vec<String>,
        /// What the Rule wants.
        wanted: Vec<String>,
    },
    /// `userSegment`
    UserSegment {
        /// The header that says it.
        header: String,
        /// The request's values.
        values: Vec<String>,
        /// What the Rule wants.
        wanted: Vec<String>,
    },
    /// `model`
    Model {
        /// What the body names.
        model: Option<String>,
        /// What the Rule wants.
        wanted: Vec<String>,
    },
    /// `trafficPercent`
    TrafficPercent {
        /// The Rule's share.
        percent: f64,
        /// What this user draws: the Rule takes draws below its share.
        draw: f64,
    },
}

/// Headers whose values stay hidden.
const HIDDEN: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-amz-security-token"];
/// How much of a value is shown.
const SHOWN: usize = 200;

impl Because {
    pub(super) fn host(hostnames: &[Hostname], request: &RequestView<'_>) -> Self {
        let name = |name: &Hostname| match name {
            Hostname::Exact(name) => name.clone(),
            Hostname::Wildcard(parent) => format!("*.{parent}"),
        };
        Self::Hostnames { host: request.host.to_owned(), wanted: hostnames.iter().map(name).collect() }
    }

    pub(super) fn new(route: &Route, match_: &Conditions, miss: &Miss, request: &RequestView<'_>) -> Self {
        let texts = |texts: &[Box<str>]| texts.iter().map(ToString::to_string).collect();
        let wanted = route.matches.get(match_.position as usize);
        match miss {
            Miss::Path => Self::Path { path: shown(request.path.as_bytes()), wanted: match_.path.clone() },
            Miss::Condition(Failing::Method) => {
                Self::Methods { method: shown(request.method.as_str().as_bytes()), wanted: texts(&match_.methods) }
            }
            Miss::Condition(Failing::Header(at)) => {
                let header = wanted.and_then(|wanted| wanted.headers.get(*at));
                let name = match_.headers.get(*at).map(|header| &header.name);
                Self::Header {
                    name: name.map(ToString::to_string).unwrap_or_default(),
                    values: name.map(|name| header_values(name, request)).unwrap_or_default(),
                    wanted: header.map_or(ValueTest::Present, |header| header.test.clone()),
                }
            }
            Miss::Condition(Failing::Query(at)) => {
                let parameter = wanted.and_then(|wanted| wanted.query.get(*at));
                let name = parameter.map(|parameter| parameter.name.clone()).unwrap_or_default();
                let values = query::parameters(request.query.unwrap_or_default())
                    .filter(|(sent, _)| query::means(sent, name.as_bytes()))
                    .map(|(_, value)| shown(&query::decoded(value)))
                    .collect();
                let wanted = parameter.map_or(ValueTest::Present, |parameter| parameter.test.clone());
                Self::Query { name, values, wanted }
            }
            Miss::Condition(Failing::ContentLength) => Self::ContentLength {
                length: request.content_length,
                min: match_.content_length.map_or(0, |range| range.min),
                max: match_.content_length.map_or(u64::MAX, |range| range.max),
            },
            Miss::Condition(Failing::UserTier) => Self::UserTier {
                header: request.identity.tier.to_string(),
                values: tiers(request).map(shown).collect(),
                wanted: texts(&match_.user_tiers),
            },
            Miss::Condition(Failing::UserSegment) => Self::UserSegment {
                header: request.identity.segment.to_string(),
                values: segments(request).map(shown).collect(),
                wanted: texts(&match_.user_segments),
            },
            Miss::Condition(Failing::Model) => Self::Model {
                model: model(request).map(|model| shown(model.as_bytes())),
                wanted: wanted.map(|wanted| wanted.models.clone()).unwrap_or_default(),
            },
            Miss::Condition(Failing::Share) => Self::TrafficPercent {
                percent: percent(match_.share.map_or(ALL, TrafficShare::millionths)),
                draw: percent(match_.share.map_or(ALL, |share| share.draw(request))),
            },
        }
    }
}

fn percent(millionths: u32) -> f64 {
    f64::from(millionths) * 100.0 / f64::from(ALL)
}

fn header_values(name: &HeaderName, request: &RequestView<'_>) -> Vec<String> {
    let show = |value: &http::HeaderValue| {
        if value.is_sensitive() || HIDDEN.contains(&name.as_str()) {
            "(hidden)".into()
        } else {
            shown(value.as_bytes())
        }
    };
    request.headers.get_all(name).iter().map(show).collect()
}

/// A value as text, cut where it is long.
fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into_owned(),
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hostnames { host, wanted } if host.is_empty() => {
                write!(f, "the request names no host, and hostnames are [{}]", wanted.join(", "))
            }
            Self::Hostnames { host, wanted } => {
                write!(f, "hostnames [{}] do not include {host}", wanted.join(", "))
            }
            Self::Path { path, wanted } => match wanted {
                PathMatch::Exact(text) => write!(f, "path {path} is not {text}"),
                PathMatch::Prefix(text) => write!(f, "path {path} is not under {text}"),
                PathMatch::Glob(text) => write!(f, "path {path} does not fit {text}"),
                PathMatch::RegularExpression(text) => write!(f, "path {path} does not match `{text}`"),
            },
            Self::Methods { method, wanted } => write!(f, "method {method} is not among {}", wanted.join(", ")),
            Self::Header { name, values, wanted } => value(f, &format!("header {name}"), values, wanted),
            Self::Query { name, values, wanted } => value(f, &format!("query parameter {name}"), values, wanted),
            Self::ContentLength { length: None, .. } => f.write_str("the request declares no content length"),
            Self::ContentLength { length: Some(length), min, .. } if length < min => {
                write!(f, "content length {length} is less than {min}")
            }
            Self::ContentLength { length: Some(length), max, .. } => {
                write!(f, "content length {length} is more than {max}")
            }
            Self::UserTier { header, values, wanted } => {
                one_of(f, &format!("userTier (header {header})"), values, wanted)
            }
            Self::UserSegment { header, values, wanted } => {
                one_of(f, &format!("userSegment (header {header})"), values, wanted)
            }
            Self::Model { model: None, wanted } => {
                write!(f, "the body names no model, and model is one of {}", wanted.join(", "))
            }
            Self::Model { model: Some(model), wanted } => {
                write!(f, "model `{model}` is not among {}", wanted.join(", "))
            }
            Self::TrafficPercent { percent, draw } => {
                write!(f, "trafficPercent {percent}: this user's draw is {draw}")
            }
        }
    }
}

fn value(f: &mut fmt::Formatter<'_>, what: &str, values: &[String], wanted: &ValueTest) -> fmt::Result {
    if values.is_empty() {
        return write!(f, "{what} is missing");
    }
    write!(f, "{what} is {}", quoted(values))?;
    match wanted {
        ValueTest::Exact(text) => write!(f, ", not `{text}`"),
        ValueTest::RegularExpression(text) => write!(f, ", which does not match `{text}`"),
        ValueTest::Present => Ok(()),
    }
}

fn one_of(f: &mut fmt::Formatter<'_>, what: &str, values: &[String], wanted: &[String]) -> fmt::Result {
    if values.is_empty() {
        write!(f, "{what} is missing, and one of {} is wanted", wanted.join(", "))
    } else {
        write!(f, "{what} is {}, not one of {}", quoted(values), wanted.join(", "))
    }
}

fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}
