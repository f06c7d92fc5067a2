//! Every answer that Sluicegate makes itself.
//!
//! One place turns a [`Reason`] into an answer, so that a client can always tell such an answer from a target's (by
//! `x-sluicegate-reason`) and read it: an RFC 9457 problem document, or for gRPC an answer that consists of trailers
//! only. Texts are `&'static str` throughout: what cannot hold a value from the table cannot leak a target's address or
//! a secret. Specifics belong into the log.

mod form;
mod reason;

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

pub use form::Form;
pub use reason::{GrpcStatus, Reason};

/// The header that says, in one stable word, why Sluicegate made an answer itself.
pub const REASON_HEADER: HeaderName = HeaderName::from_static("x-sluicegate-reason");

/// The header that says what stands in for the answer of a Rule's own targets.
pub const FALLBACK_HEADER: HeaderName = HeaderName::from_static("x-sluicegate-fallback");

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The answer for `reason`, in the form that the request asks for.
pub fn answer(form: Form, reason: Reason) -> Response<Bytes> {
    build(form, reason, problem(reason), reason.detail())
}

/// The answer for `reason` with a `detail` of its own instead of the reason's general one.
pub fn answer_with(form: Form, reason: Reason, detail: &'static str) -> Response<Bytes> {
    build(form, reason, document(reason, detail), detail)
}

/// The answer `method-not-allowed` with the methods that are allowed, in the order given.
pub fn method_not_allowed<'a>(form: Form, allowed: impl IntoIterator<Item = &'a str>) -> Response<Bytes> {
    let mut answer = answer(form, Reason::MethodNotAllowed);
    let allowed: Vec<&str> = allowed.into_iter().collect();
    // Methods are tokens, which are valid header values; an empty `Allow` is valid too (RFC 9110, 10.2.1).
    if let Ok(allow) = HeaderValue::try_from(allowed.join(", ")) {
        answer.headers_mut().insert(ALLOW, allow);
    }
    answer
}

fn build(form: Form, reason: Reason, document: Bytes, detail: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    let headers = answer.headers_mut();
    headers.insert(REASON_HEADER, HeaderValue::from_static(reason.word()));
    // A 404 or 501 may otherwise be cached (RFC 9110, 15.1), and outlive the edit that would have made it an answer.
    headers.insert(CACHE_CONTROL, NO_STORE);
    if let Some(seconds) = reason.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if form == Form::Grpc {
        grpc_trailers_only(headers, reason, detail);
        return answer;
    }
    headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(document.len()));
    if form == Form::Http1 && reason.closes_connection() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    *answer.status_mut() = reason.status();
    if form != Form::Http2Head {
        *answer.body_mut() = document;
    }
    answer
}

/// gRPC over HTTP/2: the status is 200 and the outcome is in `grpc-status`; an answer without messages is one block of
/// header fields that ends the stream ("Trailers-Only").
fn grpc_trailers_only(headers: &mut HeaderMap, reason: Reason, detail: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(reason.grpc_status() as u16));
    // The texts are printable ASCII without `%`, which a test makes sure of, so percent-encoding changes nothing.
    headers.insert(HeaderName::from_static("grpc-message"), HeaderValue::from_static(detail));
}

/// The members of RFC 9457 and one extension, `reason`.
#[derive(Serialize)]
struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    reason: &'static str,
}

fn document(reason: Reason, detail: &'static str) -> Bytes {
    let problem = Problem {
        // A tag URI (RFC 4151): unique, and makes no promise that something can be fetched there.
        r#type: format!("tag:sluicegate.dev,2026:reason:{}", reason.word()),
        title: reason.title(),
        status: StatusCode::as_u16(&reason.status()),
        detail,
        reason: reason.word(),
    };
    serde_json::to_vec(&problem).unwrap_or_default().into()
}

/// The prebuilt document of a reason: answering a flood of unroutable requests must not cost more than forwarding it.
fn problem(reason: Reason) -> Bytes {
    static DOCUMENTS: LazyLock<Vec<Bytes>> =
        LazyLock::new(|| Reason::ALL.iter().map(|reason| document(*reason, reason.detail())).collect());
    // `ALL` is in the order of the variants, so that a reason's number is its place.
    DOCUMENTS.get(reason as usize).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
