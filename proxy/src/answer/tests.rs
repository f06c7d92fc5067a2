#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use http::{Method, Request, Version};
use serde_json::Value;

use super::*;

fn header<'a>(answer: &'a Response<Bytes>, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_reason_has_a_word_of_its_own_in_kebab_case() {
    let words: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.word()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    for word in words {
        assert!(word.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase())), "{word}");
    }
}

#[test]
fn every_reason_is_an_error_and_its_number_is_its_place() {
    for (place, reason) in Reason::ALL.iter().enumerate() {
        assert!(reason.status().is_client_error() || reason.status().is_server_error(), "{reason}");
        assert_eq!(*reason as usize, place, "{reason}");
    }
}

#[test]
fn texts_need_no_encoding_in_a_grpc_message() {
    for reason in Reason::ALL {
        let plain = |b: u8| (b.is_ascii_graphic() && b != b'%') || b == b' ';
        assert!(reason.detail().bytes().all(plain), "{reason}");
    }
}

#[test]
fn a_problem_document_says_all_that_the_headers_say() {
    for reason in Reason::ALL {
        let answer = answer(Form::Http1, *reason);
        let problem: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(answer.status(), reason.status());
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
        assert_eq!(header(&answer, "x-sluicegate-reason"), Some(reason.word()));
        assert_eq!(header(&answer, "content-length"), Some(answer.body().len().to_string().as_str()));
        assert_eq!(problem["status"], reason.status().as_u16());
        assert_eq!(problem["reason"], reason.word());
        assert_eq!(problem["title"], reason.title());
        assert_eq!(problem["detail"], reason.detail());
        assert_eq!(problem["type"], format!("tag:sluicegate.dev,2026:reason:{reason}"));
    }
}

#[test]
fn a_detail_of_its_own_replaces_the_general_one() {
    let answer = answer_with(Form::Http2, Reason::InvalidRequest, "The request names no host.");
    let problem: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(problem["detail"], "The request names no host.");
    assert_eq!(problem["reason"], "invalid-request");
}

#[test]
fn only_http_1_closes_and_only_where_the_next_request_is_in_doubt() {
    assert_eq!(header(&answer(Form::Http1, Reason::AmbiguousFraming), "connection"), Some("close"));
    assert_eq!(header(&answer(Form::Http1, Reason::NoRoute), "connection"), None);
    assert_eq!(header(&answer(Form::Http2, Reason::AmbiguousFraming), "connection"), None);
}

#[test]
fn a_full_queue_says_when_to_try_again() {
    assert_eq!(header(&answer(Form::Http1, Reason::Overloaded), "retry-after"), Some("1"));
    assert_eq!(header(&answer(Form::Http1, Reason::InvalidConfiguration), "retry-after"), None);
}

#[test]
fn method_not_allowed_lists_the_methods() {
    let answer = method_not_allowed(Form::Http1, ["GET", "POST"]);
    assert_eq!(answer.status(), 405);
    assert_eq!(header(&answer, "allow"), Some("GET, POST"));
}

#[test]
fn head_over_http_2_gets_the_length_without_the_body() {
    let answer = answer(Form::Http2Head, Reason::NoRoute);
    assert!(answer.body().is_empty());
    assert_eq!(header(&answer, "content-length"), Some(problem(Reason::NoRoute).len().to_string().as_str()));
}

#[test]
fn grpc_gets_trailers_only() {
    let answer = answer(Form::Grpc, Reason::NoHealthyTarget);
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), Some("application/grpc"));
    assert_eq!(header(&answer, "grpc-status"), Some("14"));
    assert_eq!(header(&answer, "grpc-message"), Some(Reason::NoHealthyTarget.detail()));
    assert_eq!(header(&answer, "x-sluicegate-reason"), Some("no-healthy-target"));
    assert_eq!(header(&answer, "content-length"), None);
    assert!(answer.body().is_empty());
    assert_eq!(header(&super::answer(Form::Grpc, Reason::UpstreamTimeout), "grpc-status"), Some("4"));
}

#[test]
fn the_form_follows_version_method_and_content_type() {
    let form = |version, method: Method, content_type: &str| {
        let request = Request::builder().version(version).method(method).header("content-type", content_type);
        Form::of(&request.body(()).unwrap())
    };
    assert_eq!(form(Version::HTTP_2, Method::POST, "application/grpc"), Form::Grpc);
    assert_eq!(form(Version::HTTP_2, Method::POST, "application/grpc+proto"), Form::Grpc);
    assert_eq!(form(Version::HTTP_2, Method::POST, "application/grpc;v=1"), Form::Grpc);
    assert_eq!(form(Version::HTTP_2, Method::POST, "application/grpc-web"), Form::Http2);
    assert_eq!(form(Version::HTTP_2, Method::POST, "application/json"), Form::Http2);
    assert_eq!(form(Version::HTTP_2, Method::HEAD, "application/json"), Form::Http2Head);
    assert_eq!(form(Version::HTTP_11, Method::POST, "application/grpc"), Form::Http1);
    assert_eq!(form(Version::HTTP_10, Method::GET, "text/plain"), Form::Http1);
}

#[test]
fn the_documentation_lists_every_reason_as_it_is() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reasons.md"));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| {
            let (word, status, grpc) = (reason.word(), reason.status().as_u16(), reason.grpc_status() as u8);
            format!("| `{word}` | {status} | {grpc} | {} |", reason.detail())
        })
        .collect();
    assert_eq!(rows, expected, "the table should be:\n{}", expected.join("\n"));
}
