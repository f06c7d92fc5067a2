//! The matcher as one would write it without an index: goes through all routes, straight by the rules of precedence. Tests
//! and the fuzz target compare the real one with it; it shares no code with it but path normalisation and the draw.

pub mod body;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use regex::bytes::Regex;
use sluicegate_table::{Hostname, Match, ObjectKey, PathMatch, Route, ValueMatch, ValueTest, whole_value};

use super::traffic_share::TrafficShare;
use super::{Found, RouteIndex, normalise};
use crate::request::RequestView;

/// What the matcher of these routes must find.
pub fn find(routes: &[(ObjectKey, Route)], request: &RequestView<'_>) -> Found {
    let mut all = Vec::new();
    for (index, (key, route)) in routes.iter().enumerate() {
        let Some(host) = host_precedence(&route.hostnames, request.host) else { continue };
        for (position, wanted) in route.matches.iter().enumerate() {
            let wanted = normalise::path_condition(wanted).into_owned();
            let order = (
                host,
                path_precedence(&wanted.path),
                wanted.methods.is_empty(),
                Reverse(
                    wanted.headers.len()
                        + usize::from(wanted.content_length.is_some())
                        + [&wanted.models, &wanted.user_tiers, &wanted.user_segments]
                            .iter()
                            .filter(|names| !names.is_empty())
                            .count(),
                ),
                Reverse(wanted.query.len()),
                route.created,
                key.clone(),
                position,
            );
            all.push((order, index, wanted));
        }
    }
    all.sort_by(|(a, ..), (b, ..)| a.cmp(b));

    let body_may_tell = request.body.is_none() && request.content_length != Some(0);
    let mut at_most: Option<u64> = None;
    let mut methods = BTreeSet::new();
    for (_, index, wanted) in &all {
        let Some((key, route)) = routes.get(*index) else { continue };
        let method = wanted.methods.is_empty() || wanted.methods.iter().any(|method| method == request.method.as_str());
        let model = wanted.models.is_empty()
            || request.body.and_then(|body| body.model.as_deref()).is_some_and(|model| model_in(&wanted.models, model));
        let others = path_holds(&wanted.path, request.path)
            && other_conditions_hold(wanted, request)
            && route.traffic.is_none_or(|share| TrafficShare::new(key, share).takes(request));
        match (others, method, model) {
            (true, true, true) => {
                return match at_most {
                    Some(at_most) => Found::NeedsBody { at_most },
                    None => Found::Route { route: RouteIndex(*index as u32), prefix: strip(&wanted.path) },
                };
            }
            (true, true, false) if body_may_tell => at_most = at_most.max(Some(route.buffer_size)),
            (true, false, true) => methods.extend(wanted.methods.iter().cloned()),
            _ => {}
        }
    }
    match at_most {
        Some(at_most) => Found::NeedsBody { at_most },
        None if methods.is_empty() => Found::NoRoute,
        None => Found::MethodNotAllowed(methods.into_iter().collect()),
    }
}

/// 0 for an exact name, then longer wildcards before shorter ones, then routes without a host name.
fn host_precedence(hostnames: &[Hostname], host: &str) -> Option<usize> {
    if hostnames.is_empty() {
        return Some(usize::MAX);
    }
    let of = |name: &Hostname| match name {
        Hostname::Exact(name) => (name == host).then_some(0),
        Hostname::Wildcard(parent) => {
            let label = host.strip_suffix(parent.as_str())?.strip_suffix('.')?;
            (!label.is_empty()).then_some(usize::MAX / 2 - parent.len())
        }
    };
    hostnames.iter().filter_map(of).min()
}

/// Smaller is better: the kind, then lengths.
fn path_precedence(path: &PathMatch) -> (u8, Reverse<usize>, Reverse<usize>) {
    match path {
        PathMatch::Exact(_) => (0, Reverse(0), Reverse(0)),
        PathMatch::RegularExpression(text) => (1, Reverse(text.len()), Reverse(0)),
        PathMatch::Prefix(text) => (2, Reverse(text.len()), Reverse(text.len())),
        PathMatch::Glob(text) => {
            let literal = text.find('*').unwrap_or(text.len());
            (2, Reverse(literal), Reverse(text.replace('*', "").len()))
        }
    }
}

fn path_holds(wanted: &PathMatch, path: &str) -> bool {
    match wanted {
        PathMatch::Exact(text) => path == text,
        PathMatch::Prefix(text) => {
            text == "/" || path == text || path.strip_prefix(text.as_str()).is_some_and(|rest| rest.starts_with('/'))
        }
        PathMatch::Glob(text) => glob_holds(text.as_bytes(), path.as_bytes()),
        PathMatch::RegularExpression(text) => expression_holds(text, path.as_bytes()),
    }
}

/// Tries every length for every star, remembering which ends of the path each part of the pattern can reach.
fn glob_holds(pattern: &[u8], path: &[u8]) -> bool {
    let mut reached = BTreeSet::from([0_usize]);
    for (at, wanted) in pattern.iter().enumerate() {
        let mut next = BTreeSet::new();
        for from in reached {
            if *wanted == b'*' {
                let spans = at + 1 == pattern.len();
                next.insert(from);
                let rest = path.get(from..).unwrap_or_default().iter();
                next.extend(rest.take_while(|byte| spans || **byte != b'/').enumerate().map(|(n, _)| from + n + 1));
            } else if path.get(from) == Some(wanted) {
                next.insert(from + 1);
            }
        }
        reached = next;
    }
    reached.contains(&path.len())
}

fn expression_holds(text: &str, value: &[u8]) -> bool {
    Regex::new(&whole_value(text)).is_ok_and(|expression| expression.is_match(value))
}

fn strip(path: &PathMatch) -> usize {
    match path {
        PathMatch::Prefix(text) if text != "/" => text.len(),
        PathMatch::Glob(text) => text.find('*').unwrap_or(0),
        _ => 0,
    }
}

fn model_in(models: &[String], model: &str) -> bool {
    models.iter().any(|name| match name.split_once('*') {
        Some((start, "")) => model.starts_with(start),
        _ => name == model,
    })
}

/// All but path, method, model and share.
fn other_conditions_hold(wanted: &Match, request: &RequestView<'_>) -> bool {
    let header_values = |name: &str| -> Vec<Vec<u8>> {
        request.headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
    };
    let headers = wanted.headers.iter().all(|header| value_holds(header, &header_values(&header.name)));
    let query = wanted.query.iter().all(|parameter| {
        let mut values = Vec::new();
        for part in request.query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if form_decoded(name) == parameter.name.as_bytes() {
                values.push(form_decoded(value));
            }
        }
        value_holds(parameter, &values)
    });
    let length = wanted
        .content_length
        .is_none_or(|range| request.content_length.is_some_and(|length| (range.min..=range.max).contains(&length)));
    let tiers = header_values(request.identity.tier.as_str());
    let tier =
        wanted.user_tiers.is_empty() || wanted.user_tiers.iter().any(|tier| tiers.contains(&tier.as_bytes().to_vec()));
    let segments: Vec<String> = header_values(request.identity.segment.as_str())
        .iter()
        .flat_map(|value| {
            let text: String = value.iter().map(|byte| char::from(*byte)).collect();
            text.split(',').map(|segment| segment.trim_matches([' ', '\t']).to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let segment = wanted.user_segments.is_empty() || wanted.user_segments.iter().any(|name| segments.contains(name));
    headers && query && length && tier && segment
}

fn value_holds(wanted: &ValueMatch, values: &[Vec<u8>]) -> bool {
    values.iter().any(|value| match &wanted.test {
        ValueTest::Exact(text) => value == text.as_bytes(),
        ValueTest::RegularExpression(text) => expression_holds(text, value),
        ValueTest::Present => true,
    })
}

fn form_decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => {
                out.push(b' ');
                rest = after;
            }
            (other, _) => {
                out.push(*other);
                rest = after;
            }
        }
    }
    out
}
