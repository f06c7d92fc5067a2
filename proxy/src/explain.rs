//! Explaining: what would become of a request, and why.
//!
//! The same functions decide as for real requests, in the same order: normalise, match, read ahead in the body where that
//! is asked for, pick. Nothing is sent and no turn is used up. The program's `explain` and the admin endpoint give the
//! same [`Explanation`].

mod described;
mod fallback;
mod text;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Version};
use serde::Serialize;
use sluicegate_table::{ObjectKey, Protocol};

pub use described::{DescribeError, DescribedRequest};
pub use fallback::ExplainedFallback;

use self::fallback::End;
use crate::answer::Reason;
use crate::forward::exchange::target_text;
use crate::forward::headers::strip_request;
use crate::matching::explain::Verdict;
use crate::matching::{Found, body_scan, normalise};
use crate::pick;
use crate::receive::{PoolRuntime, RouteRuntime, Snapshot};
use crate::request::{BodyFacts, IdentityHeaders, RequestView};

/// What would become of a request, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The version of the table in force.
    pub table_version: u64,
    /// The request as it is matched.
    pub request: SeenRequest,
    /// What Sluicegate would answer itself; absent where a target gets the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<ExplainedAnswer>,
    /// The Rule that takes the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<ObjectKey>,
    /// Each Rule in the order in which they are asked: whether it takes the request, and why not.
    pub rules: Vec<Verdict>,
    /// The Upstream; for targets written in place, the Rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<ObjectKey>,
    /// Which targets are candidates and which is picked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<pick::explain::Explanation>,
    /// What stands in while circuit breakers leave no target, each for the one before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<ExplainedFallback>,
    /// What the picked target gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
}

/// A request as it is matched: in normal form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// The host without its port.
    pub host: String,
    /// The path.
    pub path: String,
    /// The query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The client's address.
    #[serde(rename = "clientIP")]
    pub client_ip: IpAddr,
    /// The model that the body names, where that was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// An answer of Sluicegate's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedAnswer {
    /// The status.
    pub status: u16,
    /// The word in `x-sluicegate-reason`.
    pub reason: &'static str,
    /// The methods in `Allow`, with 405.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
}

/// What a target gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forwarded {
    /// The Target.
    pub target: ObjectKey,
    /// The URL with the target's host and port.
    pub url: String,
    /// Where it is sent, where the Target's place is discovered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}

/// Explains what would become of `request` under `snapshot`.
pub fn explain(snapshot: &Snapshot, request: &DescribedRequest, identity: &IdentityHeaders) -> Explanation {
    let seen = |host: &str, path: &str| Explanation {
        table_version: snapshot.table.version,
        request: SeenRequest {
            method: request.method.to_string(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: request.url.query().map(str::to_owned),
            client_ip: request.client_ip,
            model: None,
        },
        answer: None,
        rule: None,
        rules: Vec::new(),
        upstream: None,
        pick: None,
        fallbacks: Vec::new(),
        forwarded: None,
    };
    let (Ok(path), Ok(host)) = (normalise::path(request.url.path()), normalise::host(request.host())) else {
        return seen(request.host(), request.url.path()).answered(Reason::InvalidRequest);
    };
    let explanation = seen(&host, &path);
    if request.method == Method::CONNECT {
        return explanation.answered(Reason::NotImplemented);
    }
    let mut headers = request.headers.clone();
    if let Err(refused) = strip_request(&mut headers, Version::HTTP_11) {
        return explanation.answered(refused.reason());
    }
    let view = RequestView {
        method: &request.method,
        host: &host,
        path: &path,
        query: request.url.query(),
        headers: &headers,
        content_length: request.content_length,
        client_ip: request.client_ip,
        tls: request.tls(),
        received: Instant::now(),
        identity,
        body: None,
    };
    decided(snapshot, explanation, view, &request.body)
}

/// Takes the steps that a request takes.
fn decided(snapshot: &Snapshot, mut explanation: Explanation, view: RequestView<'_>, body: &[u8]) -> Explanation {
    let routes = || snapshot.numbered().map(|(index, route)| (index, &route.key, route.route.as_ref()));
    let mut facts: Option<BodyFacts> = None;
    loop {
        let view = RequestView { body: facts.as_ref(), ..view };
        explanation.request.model = facts.as_ref().and_then(|facts| facts.model.clone());
        let wanted = match snapshot.matcher.find(&view) {
            Found::NeedsBody { at_most } => at_most,
            Found::NoRoute => {
                explanation.rules = snapshot.matcher.explain(routes(), &view);
                return explanation.answered(Reason::NoRoute);
            }
            Found::MethodNotAllowed(methods) => {
                explanation.rules = snapshot.matcher.explain(routes(), &view);
                return explanation.answered_with_allow(methods);
            }
            Found::Route { route: index, prefix } => {
                let Some(route) = snapshot.route(index) else { return explanation.answered(Reason::InternalError) };
                let reads_body = |pool: &Arc<PoolRuntime>| facts.is_none() && pool.balancer.needs_body(&view);
                if !route.pool.as_ref().is_some_and(reads_body) {
                    explanation.rules = snapshot.matcher.explain(routes(), &view);
                    return explanation.routed(snapshot, route, &view, prefix);
                }
                route.route.buffer_size
            }
        };
        let beginning = usize::try_from(wanted).ok().and_then(|wanted| body.get(..wanted)).unwrap_or(body);
        match body_scan::scan(beginning) {
            Ok(read) => facts = Some(read),
            Err(_) => return explanation.answered(Reason::AmbiguousModel),
        }
    }
}

impl Explanation {
    fn routed(mut self, snapshot: &Snapshot, route: &RouteRuntime, view: &RequestView<'_>, prefix: usize) -> Self {
        self.rule = Some(route.key.clone());
        let Some(pool) = &route.pool else { return self.answered(Reason::InvalidConfiguration) };
        self.upstream = Some(pool.key.clone());
        let pick = pool.balancer.explain(view);
        let found = fallback::found(snapshot, pool, &pick, view);
        self.pick = Some(pick);
        self.fallbacks = found.fallbacks;
        match found.end {
            End::Target { pool, target, address } => {
                self.forwarded = forwarded(route, pool, &target, view, prefix).map(|to| Forwarded { address, ..to });
                self
            }
            End::Answer { status, reason } => {
                let status = status.unwrap_or(reason.status().as_u16());
                self.answer = Some(ExplainedAnswer { status, reason: reason.word(), allow: Vec::new() });
                self
            }
        }
    }

    fn answered(mut self, reason: Reason) -> Self {
        let answer = ExplainedAnswer { status: reason.status().as_u16(), reason: reason.word(), allow: Vec::new() };
        self.answer = Some(answer);
        self
    }

    fn answered_with_allow(self, allow: Vec<String>) -> Self {
        let mut explanation = self.answered(Reason::MethodNotAllowed);
        if let Some(answer) = &mut explanation.answer {
            answer.allow = allow;
        }
        explanation
    }
}

fn forwarded(
    route: &RouteRuntime,
    pool: &PoolRuntime,
    picked: &ObjectKey,
    view: &RequestView<'_>,
    prefix: usize,
) -> Option<Forwarded> {
    let member = pool.members().iter().find(|member| member.target == *picked)?;
    let target = &member.reach.as_ref()?.endpoint.target;
    let strip = if route.route.strip_path { prefix } else { 0 };
    let path = target_text(&target.path, view.path.get(strip..).unwrap_or_default(), view.query);
    let scheme = if target.protocol == Protocol::Https { "https" } else { "http" };
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let url = format!("{scheme}://{host}:{}{path}", target.port);
    Some(Forwarded { target: picked.clone(), url, address: None })
}

#[cfg(test)]
mod tests;
