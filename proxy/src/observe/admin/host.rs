//! Whom the admin endpoints answer.
//!
//! They listen on loopback, and a browser on the same machine reaches that for any web page: the page's own host name only
//! needs to resolve to 127.0.0.1 for a moment, and its scripts may read what is answered (DNS rebinding). The browser still
//! says that name as `Host`, so a name that nobody gave to this machine is refused.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses a request whose `Host` is neither an IP address nor `localhost`. Addresses cannot be rebound, and a request
/// without the field, as HTTP/1.0 allows it, comes from no browser.
pub(super) async fn only_this_machine(request: Request, next: Next) -> Response {
    let named = request.headers().get_all(header::HOST).iter().map(|value| value.to_str().ok());
    if named.chain(request.uri().authority().map(|authority| Some(authority.as_str()))).any(|host| !is_known(host)) {
        let why = "ask for an IP address or localhost: a page in a browser could have any other name lead here\n";
        return (StatusCode::MISDIRECTED_REQUEST, why).into_response();
    }
    next.run(request).await
}

fn is_known(host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| is_address(address) && is_port(port));
    }
    let (name, port) = host.find(':').map_or((host, ""), |colon| host.split_at(colon));
    (name.eq_ignore_ascii_case("localhost") || is_address(name)) && is_port(port)
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_known_and_names_are_not() {
        for known in
            ["127.0.0.1", "127.0.0.1:9901", "localhost", "LocalHost:9901", "[::1]", "[::1]:9901", "10.1.2.3:80"]
        {
            assert!(is_known(Some(known)), "{known}");
        }
        for unknown in [
            "evil.example",
            "evil.example:9901",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[evil]:1",
            "127.0.0.1:x",
        ] {
            assert!(!is_known(Some(unknown)), "{unknown}");
        }
        assert!(!is_known(None));
    }
}
