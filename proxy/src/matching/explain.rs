//! Why a request goes where it goes: a verdict on every route, from the same conditions that matching checks.
//!
//! The order is that in which routes are asked: the most specific host name first, then by the match that a route goes by
//! (the one that matches, else its best); last those whose host names do not include the request's. Work is bounded by the number of matches; regular
//! expressions over paths are built anew, so this is not for the hot path.

mod because;

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;
use sluicegate_table::{Hostname, ObjectKey, Route};

pub use self::because::Because;
use super::conditions::{Conditions, Except, Failing};
use super::precedence::Precedence;
use super::{Found, Matcher, RouteIndex, hosts, paths};
use crate::request::RequestView;

/// What matching says of one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The Rule.
    pub route: ObjectKey,
    /// What it says.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Whether a route takes a request, or why not. Matches are counted from 0 in the order of the Rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// It takes the request.
    Takes {
        /// By this of its matches.
        by_match: u32,
        /// What `stripPath` takes off the path; whether it does is the route's setting.
        prefix: String,
    },
    /// It takes the request if the model that the body names is one of its own, and no route before it takes it.
    DependsOnBody {
        /// By this of its matches.
        by_match: u32,
    },
    /// It takes the request if no route before it does because of its body.
    TakesUnlessBody {
        /// By this of its matches.
        by_match: u32,
    },
    /// It matches, but a route before it takes the request.
    Behind {
        /// By this of its matches.
        by_match: u32,
    },
    /// It does not match.
    No {
        /// For each of its matches the first condition that does not hold; the host names stand for all of them.
        because: Vec<Because>,
    },
}

impl Matcher {
    /// What matching says of each route. `routes` are those that the matcher has, with their numbers.
    pub fn explain<'a>(
        &self,
        routes: impl IntoIterator<Item = (RouteIndex, &'a ObjectKey, &'a Route)>,
        request: &RequestView<'_>,
    ) -> Vec<Verdict> {
        let routes: Vec<(&ObjectKey, &Route, Vec<&Conditions>)> = routes
            .into_iter()
            .map(|(index, key, route)| {
                let indexed = self.routes.get(index.0);
                let matches = indexed.iter().flat_map(|indexed| &indexed.matches).map(AsRef::as_ref);
                let mut matches: Vec<&Conditions> = matches.collect();
                matches.sort_unstable_by_key(|match_| &match_.precedence);
                (key, route, matches)
            })
            .collect();
        let body_may_tell = matches!(self.find(request), Found::NeedsBody { .. });
        let firm = self.best(request).and_then(|(_, firm)| {
            let hostnames = &self.routes.get(firm.route.0)?.hostnames;
            Some(Order::of(host_specificity(hostnames, request.host), Some(firm)))
        });
        let question = Question { request, firm, body_may_tell };
        let mut verdicts: Vec<(Order<'_>, Verdict)> = routes
            .iter()
            .map(|(key, route, matches)| {
                let (order, outcome) = question.verdict(route, matches);
                (order, Verdict { route: (*key).clone(), outcome })
            })
            .collect();
        verdicts.sort_by_key(|(order, _)| *order);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }
}

/// When a match is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order<'a> {
    /// How specific the host name is; `None` where none includes the request's.
    host: Reverse<Option<usize>>,
    no_match: bool,
    precedence: Option<&'a Precedence>,
}

impl<'a> Order<'a> {
    fn of(host: Option<usize>, match_: Option<&'a Conditions>) -> Self {
        let precedence = match_.map(|match_| &match_.precedence);
        Self { host: Reverse(host), no_match: precedence.is_none(), precedence }
    }
}

/// What is asked of each route.
struct Question<'a> {
    request: &'a RequestView<'a>,
    /// The match that takes the request if the body says nothing.
    firm: Option<Order<'a>>,
    /// The body has not been read, and what it says may give the request to another.
    body_may_tell: bool,
}

impl Question<'_> {
    /// The verdict on a route with these matches, the best first, and the order of the match that it goes by.
    fn verdict<'m>(&self, route: &Route, matches: &[&'m Conditions]) -> (Order<'m>, Outcome) {
        let host = host_specificity(&route.hostnames, self.request.host);
        let best = Order::of(host, matches.first().copied());
        if host.is_none() {
            return (best, Outcome::No { because: vec![Because::host(&route.hostnames, self.request)] });
        }
        let mut because = Vec::with_capacity(matches.len());
        for match_ in matches.iter().copied() {
            let order = Order::of(host, Some(match_));
            let by_match = match_.position;
            let before_firm = self.firm.is_none_or(|firm| order < firm);
            let outcome = match failing(match_, self.request) {
                None if self.firm != Some(order) => Outcome::Behind { by_match },
                None if self.body_may_tell => Outcome::TakesUnlessBody { by_match },
                None => {
                    let prefix = self.request.path.get(..match_.strip).unwrap_or_default().to_owned();
                    Outcome::Takes { by_match, prefix }
                }
                Some(Miss::Condition(Failing::Model))
                    if self.body_may_tell && before_firm && match_.hold(self.request, Except::Model) =>
                {
                    Outcome::DependsOnBody { by_match }
                }
                Some(miss) => {
                    because.push((by_match, Because::new(route, match_, &miss, self.request)));
                    continue;
                }
            };
            return (order, outcome);
        }
        because.sort_by_key(|(position, _)| *position);
        (best, Outcome::No { because: because.into_iter().map(|(_, because)| because).collect() })
    }
}

/// The first condition of a match that does not hold.
pub(super) enum Miss {
    Path,
    Condition(Failing),
}

fn failing(match_: &Conditions, request: &RequestView<'_>) -> Option<Miss> {
    // The expression was built when the matcher was.
    if !paths::holds(&match_.path, request.path).unwrap_or(false) {
        return Some(Miss::Path);
    }
    match_.failing(request, Except::Nothing).map(Miss::Condition)
}

/// How specific the best of these names is that includes `host`; `None` when none does.
fn host_specificity(hostnames: &[Hostname], host: &str) -> Option<usize> {
    if hostnames.is_empty() {
        return Some(0);
    }
    let specificity = |name: &Hostname| match name {
        Hostname::Exact(name) => (name == host).then_some(usize::MAX),
        Hostname::Wildcard(name) => hosts::parents(host).any(|parent| parent == name).then_some(name.len()),
    };
    hostnames.iter().filter_map(specificity).max()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.route, self.outcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Takes { by_match, .. } => write!(f, "takes the request by matches[{by_match}]"),
            Self::DependsOnBody { by_match } => {
                write!(f, "takes the request by matches[{by_match}] if the body names one of its models")
            }
            Self::TakesUnlessBody { by_match } => {
                write!(f, "takes the request by matches[{by_match}] unless the body gives it to a rule before it")
            }
            Self::Behind { by_match } => {
                write!(f, "matches by matches[{by_match}], but a rule before it takes the request")
            }
            Self::No { because } => {
                for (at, because) in because.iter().enumerate() {
                    write!(f, "{}{because}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
