//! How an answer must look for the client to understand it.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Version};

/// How an answer must look. One byte, taken from the request before its header fields go on to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A problem document over HTTP/1.0 or 1.1, where `Connection: close` exists. (The connection leaves out the body for HEAD.)
    Http1,
    /// A problem document over HTTP/2.
    Http2,
    /// HEAD over HTTP/2, where nothing but this keeps the body from being sent.
    Http2Head,
    /// gRPC: trailers only.
    Grpc,
}

impl Form {
    /// The form that this request's answer must have.
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::of_parts(request.version(), request.method(), request.headers())
    }

    /// As [`Form::of`], from a request's parts.
    pub fn of_parts(version: Version, method: &Method, headers: &HeaderMap) -> Self {
        // gRPC exists over HTTP/2 only, so that HTTP/1 pays for no lookup.
        if version != Version::HTTP_2 {
            Self::Http1
        } else if *method == Method::HEAD {
            Self::Http2Head
        } else if *method == Method::POST && headers.get(CONTENT_TYPE).is_some_and(|value| is_grpc(value.as_bytes())) {
            Self::Grpc
        } else {
            Self::Http2
        }
    }
}

/// `application/grpc`, alone or followed by `+` or `;`. `application/grpc-web` is another protocol.
fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    content_type
        .split_at_checked(GRPC.len())
        .is_some_and(|(name, rest)| name.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';')))
}
