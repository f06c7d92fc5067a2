//! The request's head as the target gets it.

use std::fmt::Write as _;

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};

use super::Refusal;
use super::admit::Admitted;
use super::reach::Reached;
use super::view::View;
use crate::answer::Reason;
use crate::forward::client::ClientConnection;
use crate::forward::upstream::Link;
use crate::matching::normalise;
use crate::receive::Reach;

/// What the request's target becomes; worked out while the request is still as the client sent it.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// `None`: as the client sent it.
    path_and_query: Option<PathAndQuery>,
}

/// What a Target's part in a head has replaced, so that another Target gets nothing of it.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What the client asked for, where the target is asked for something else.
    path_and_query: Option<PathAndQuery>,
}

impl Outgoing {
    /// The path that the target gets: normalised, the matched prefix taken off where the Rule says so, the Target's own
    /// path put in front.
    pub(super) fn of(view: &View<'_>, parts: &Parts, reached: &Reached<'_>, prefix: usize) -> Result<Self, Refusal> {
        Ok(Self { path_and_query: told_target(reached, parts.uri.path(), (&view.path, view.query()), prefix)? })
    }

    /// Makes the request's head what the target gets.
    pub(super) fn apply(
        self,
        client: &ClientConnection,
        admitted: &Admitted,
        reached: &Reached<'_>,
        parts: &mut Parts,
    ) -> Result<Replaced, Refusal> {
        let route_edits = reached.routed.route.rewrite.as_ref().map_err(|_| Reason::InvalidConfiguration)?;
        let asked = asked_host(parts);
        client.forwarded.apply(&mut parts.headers, asked.as_ref(), parts.version, admitted.head);
        if let Some((_, host)) = reached.connections.link().authority() {
            parts.headers.insert(HOST, host.clone());
        }
        if parts.version == Version::HTTP_2 && !reached.http2() {
            join_cookies(&mut parts.headers);
        }
        route_edits.apply(&mut parts.headers);
        parts.extensions.clear();
        self.address(reached, parts)
    }

    /// Makes a head that was for another target what this one gets.
    #[cold]
    pub(super) fn apply_again(
        prefix: usize,
        last: (&Reach, Replaced),
        reached: &Reached<'_>,
        parts: &mut Parts,
    ) -> Result<Replaced, Refusal> {
        let (last, replaced) = last;
        if let Ok(edits) = &*last.rewrite {
            edits.take_back(&mut parts.headers, replaced.headers);
        }
        let route_edits = reached.routed.route.rewrite.as_ref().map_err(|_| Reason::InvalidConfiguration)?;
        if let Some((_, host)) = reached.connections.link().authority() {
            parts.headers.insert(HOST, route_edits.host().unwrap_or(host).clone());
        }
        if !reached.http2() {
            join_cookies(&mut parts.headers);
        }
        let asked = replaced.path_and_query.or_else(|| parts.uri.path_and_query().cloned());
        let asked = asked.unwrap_or(PathAndQuery::from_static("/"));
        let path = match asked.path() {
            "*" => "/".into(),
            path => normalise::path(path).map_err(|_| Reason::InvalidRequest)?,
        };
        let told = told_target(reached, asked.path(), (&path, asked.query()), prefix)?;
        let path_and_query = told.unwrap_or_else(|| asked.clone());
        let mut replaced = Self { path_and_query: Some(path_and_query) }.address(reached, parts)?;
        replaced.path_and_query = Some(asked);
        Ok(replaced)
    }

    /// The Target's own part in the head.
    fn address(self, reached: &Reached<'_>, parts: &mut Parts) -> Result<Replaced, Refusal> {
        let reach = reached.reach()?;
        let link = reached.connections.link();
        let (authority, _) = link.authority().ok_or(Reason::InvalidConfiguration)?;
        let target_edits = (*reach.rewrite).as_ref().map_err(|_| Reason::InvalidConfiguration)?;
        let http2 = reached.http2();
        let headers = target_edits.apply_for_now(&mut parts.headers);
        let path_and_query = self.set_uri(link, authority, http2, parts)?;
        Ok(Replaced { headers, path_and_query })
    }

    /// Gives what the path and query replaced.
    fn set_uri(
        self,
        link: &Link,
        authority: &Authority,
        http2: bool,
        parts: &mut Parts,
    ) -> Result<Option<PathAndQuery>, Refusal> {
        parts.version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let full = http2 || link.absolute_form();
        if !full && self.path_and_query.is_none() && parts.uri.authority().is_none() {
            return Ok(None);
        }
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        let replaced = match self.path_and_query {
            Some(path_and_query) => uri.path_and_query.replace(path_and_query),
            None => None,
        };
        (uri.scheme, uri.authority) = if full {
            let host = if http2 { parts.headers.remove(HOST) } else { parts.headers.get(HOST).cloned() };
            (Some(link.scheme()), Some(told_authority(host, authority)?))
        } else {
            (None, None)
        };
        parts.uri = Uri::from_parts(uri).map_err(|_| Reason::InternalError)?;
        Ok(replaced)
    }
}

/// The path and query that the target gets instead of those that the client asked for; `None`: the same. `matched` are the
/// path that was matched, `prefix` bytes of it by the Rule's own, and the query.
fn told_target(
    reached: &Reached<'_>,
    asked: &str,
    matched: (&str, Option<&str>),
    prefix: usize,
) -> Result<Option<PathAndQuery>, Refusal> {
    let front = reached.reach()?.endpoint.target.path.as_str();
    let strip = if reached.routed.route.route.strip_path { prefix } else { 0 };
    let (path, query) = matched;
    // A server as a whole is asked about as a whole, except where the request needs a path: a Target that is a part of one
    // has, and so has a forward proxy's absolute form.
    let as_asked = if asked == "*" { !reached.connections.link().absolute_form() } else { strip == 0 && path == asked };
    if front.is_empty() && as_asked {
        return Ok(None);
    }
    let text = target_text(front, path.get(strip..).unwrap_or_default(), query);
    PathAndQuery::try_from(text).map(Some).map_err(|_| Reason::InvalidRequest.into())
}

/// The link's authority, unless a header change set another `Host`.
fn told_authority(host: Option<HeaderValue>, authority: &Authority) -> Result<Authority, Refusal> {
    match host {
        Some(host) if host.as_bytes() != authority.as_str().as_bytes() => {
            Authority::try_from(host.as_bytes()).map_err(|_| Reason::InvalidConfiguration.into())
        }
        _ => Ok(authority.clone()),
    }
}

/// The host as the client wrote it, for `X-Forwarded-Host`.
fn asked_host(parts: &Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    }
}

/// HTTP/2 may split cookies over several fields; HTTP/1.1 has one (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let joined = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"; "[..]);
    if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(COOKIE, joined);
    }
}

pub(crate) fn target_text(front: &str, path: &str, query: Option<&str>) -> String {
    let mut text = String::with_capacity(front.len() + path.len() + query.map_or(1, |query| query.len() + 2));
    text.push_str(front);
    if !path.starts_with('/') {
        text.push('/');
    }
    text.push_str(path);
    if let Some(query) = query {
        // Writing to a String does not fail.
        let _ = write!(text, "?{query}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_stripped_path_begins_with_a_slash() {
        assert_eq!(target_text("", "", None), "/");
        assert_eq!(target_text("", "users", Some("a=1")), "/users?a=1");
        assert_eq!(target_text("/v1", "/users", None), "/v1/users");
        assert_eq!(target_text("/v1", "", Some("")), "/v1/?");
    }

    #[test]
    fn cookies_of_several_fields_become_one() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1"));
        headers.append(COOKIE, HeaderValue::from_static("b=2"));
        join_cookies(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn a_host_that_a_rule_sets_becomes_the_authority() {
        let link: Authority = "10.0.0.1:8080".parse().unwrap_or_else(|_| unreachable!());
        let told = told_authority(Some(HeaderValue::from_static("api.example.com")), &link).ok();
        assert_eq!(told.as_ref().map(Authority::as_str), Some("api.example.com"));
        assert_eq!(told_authority(None, &link).ok(), Some(link));
    }
}
