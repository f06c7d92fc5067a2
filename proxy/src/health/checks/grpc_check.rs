//! gRPC checks: `grpc.health.v1.Health/Check`.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use sluicegate_table::Protocol;

use super::connection::Connection;
use super::failure::CheckFailure;
use super::grpc_messages::{self, ServingStatus};
use super::http_check::{ASKING, Judged, Then};
use super::subject::Subject;
use crate::forward::upstream::authority;

const METHOD: &str = "/grpc.health.v1.Health/Check";
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const GRPC_STATUS: &str = "grpc-status";
/// The most of an answer that is read; a right one has 7 bytes.
const MOST_READ: usize = 1024;

/// The call of a gRPC check.
pub(super) struct GrpcQuestion {
    uri: Uri,
    message: Bytes,
}

impl GrpcQuestion {
    pub(super) fn new(service: &str, subject: &Subject) -> Result<Self, &'static str> {
        let unusable = || "the check's call cannot be written";
        let target = &subject.target;
        let (authority, _) = authority(&target.host, target.port, target.protocol).ok_or_else(unusable)?;
        let scheme = if target.protocol == Protocol::Https { Scheme::HTTPS } else { Scheme::HTTP };
        let path = PathAndQuery::from_static(METHOD);
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        Ok(Self { uri: uri.map_err(|_| unusable())?, message: grpc_messages::request(service) })
    }

    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.message.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(TE, TRAILERS);
        headers.insert(USER_AGENT, ASKING);
        request
    }

    pub(super) async fn judge(&self, answer: Response<Incoming>, connection: &mut Connection) -> Judged {
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Judged { verdict: Err(CheckFailure::Status(head.status)), then: Then::Close };
        }
        let whole = connection.during(Limited::new(body, MOST_READ).collect()).await;
        let verdict = match whole {
            // What is too long is no answer to this question, and what broke off is none either.
            Err(_) => Err(CheckFailure::NoGrpc),
            Ok(body) => {
                // A call that failed at once has its status in the answer's head.
                let status = body.trailers().and_then(status).or_else(|| status(&head.headers));
                match status {
                    Some(0) => serving(&body.to_bytes()),
                    Some(status) => Err(CheckFailure::GrpcStatus(status)),
                    None => Err(CheckFailure::NoGrpc),
                }
            }
        };
        let then = if verdict.is_ok() { Then::Keep } else { Then::Close };
        Judged { verdict, then }
    }
}

fn status(headers: &HeaderMap) -> Option<u32> {
    headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()
}

fn serving(message: &[u8]) -> Result<(), CheckFailure> {
    match grpc_messages::status(message).ok_or(CheckFailure::NoGrpc)? {
        ServingStatus::Serving => Ok(()),
        other => Err(CheckFailure::NotServing(other)),
    }
}
