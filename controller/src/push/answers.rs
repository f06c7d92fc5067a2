//! Answers that are no table: problem details (RFC 9457), as every client and `curl` can read them.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::authenticate::Refused;

/// The body of every answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Names the leader's address in an answer of a controller that does not lead.
const LEADER: HeaderName = HeaderName::from_static("x-sluicegate-leader");

/// A problem with a title that says what it is and a detail that says what to do.
pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Response<Body> {
    answer(status, &json!({"title": title, "status": status.as_u16(), "detail": detail}))
}

/// 503: another controller leads.
pub(super) fn not_the_leader(leader: Option<&str>) -> Response<Body> {
    let detail = "the leader alone sends the table: ask it, or ask again when there is one";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut answer = answer(
        status,
        &json!({"title": "not the leader", "status": status.as_u16(), "detail": detail, "leader": leader}),
    );
    if let Some(leader) = leader.and_then(|leader| HeaderValue::from_str(leader).ok()) {
        answer.headers_mut().insert(LEADER, leader);
    }
    answer
}

/// 401, 403 or 503: the token says too little about who asks, or says that it is nobody to tell, or cannot be checked.
pub(super) fn refused(refused: &Refused) -> Response<Body> {
    let (status, title) = match refused {
        Refused::NoToken | Refused::Unknown => (StatusCode::UNAUTHORIZED, "not authenticated"),
        Refused::Audience { .. } | Refused::Account { .. } | Refused::NoPod => (StatusCode::FORBIDDEN, "not allowed"),
        Refused::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "the token cannot be checked now"),
    };
    let mut answer = problem(status, title, &refused.to_string());
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// 204.
pub(super) fn done() -> Response<Body> {
    let mut answer = Response::new(Full::default().boxed_unsync());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// 200 with lines of JSON.
pub(super) fn lines(body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn answer(status: StatusCode, value: &Value) -> Response<Body> {
    let mut answer = Response::new(Full::from(format!("{value}\n")).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}
