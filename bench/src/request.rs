//! The request that balancers are asked about.

use std::time::Instant;

use http::{HeaderMap, Method};
use sluicegate_proxy::request::{IdentityHeaders, RequestView};

/// A GET without a body, just received from the client 10.0.0.`client`.
pub fn view<'a>(headers: &'a HeaderMap, identity: &'a IdentityHeaders, client: u8) -> RequestView<'a> {
    RequestView {
        method: &Method::GET,
        host: "example.com",
        path: "/",
        query: None,
        headers,
        content_length: Some(0),
        client_ip: [10, 0, 0, client].into(),
        tls: false,
        received: Instant::now(),
        identity,
        body: None,
    }
}
