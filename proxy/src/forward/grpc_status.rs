//! What the status of a gRPC call says of its target's health.
//!
//! Calls that fail are answered with HTTP's 200 and a status of their own: in the answer's head where nothing else is in it,
//! else in its trailers. Most of these statuses speak of the call. Those that speak of the server count as the HTTP status
//! that says the same.

use http::{HeaderMap, HeaderName, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The status that health goes by, of an answer with this head.
pub(crate) fn for_health(status: StatusCode, headers: &HeaderMap) -> StatusCode {
    if status == StatusCode::OK { failure(headers).unwrap_or(status) } else { status }
}

/// The HTTP status that says what a server's failure says in these fields; `None`: they say nothing of the kind.
pub(crate) fn failure(fields: &HeaderMap) -> Option<StatusCode> {
    match fields.get(GRPC_STATUS)?.as_bytes() {
        // UNKNOWN, INTERNAL, DATA_LOSS.
        b"2" | b"13" | b"15" => Some(StatusCode::INTERNAL_SERVER_ERROR),
        // RESOURCE_EXHAUSTED.
        b"8" => Some(StatusCode::TOO_MANY_REQUESTS),
        // UNAVAILABLE.
        b"14" => Some(StatusCode::SERVICE_UNAVAILABLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn failures_of_the_server_count_and_those_of_the_call_do_not() {
        let judged = |status: u16, grpc: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(grpc) = grpc {
                headers.insert(GRPC_STATUS, HeaderValue::from_static(grpc));
            }
            for_health(StatusCode::from_u16(status).unwrap_or_default(), &headers).as_u16()
        };
        let of_calls = ["0", "1", "3", "4", "5", "6", "7", "9", "10", "11", "12", "16", "", "x"];
        assert!(of_calls.into_iter().all(|grpc| judged(200, Some(grpc)) == 200));
        assert_eq!(["2", "13", "15", "8", "14"].map(|grpc| judged(200, Some(grpc))), [500, 500, 500, 429, 503]);
        assert_eq!((judged(200, None), judged(404, Some("14"))), (200, 404));
    }
}
