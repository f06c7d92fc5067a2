//! Tunnels through egress proxies.

use std::net::SocketAddr;
use std::pin::pin;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sluicegate_table::EgressProxy;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::forward::error::ForwardError;

/// What a tunnel to a target leads to: its address where that has been discovered, else its host.
pub(crate) fn tunnel_authority(host: &str, port: u16, address: Option<SocketAddr>) -> String {
    match address {
        Some(address) => address.to_string(),
        None if host.contains(':') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    }
}

/// Asks the egress proxy behind `tcp` to connect to `authority` (RFC 9110, 9.3.6). The connection is driven here rather
/// than by a task of its own, so that it serves on runtimes of any kind.
pub(crate) async fn tunnel(
    proxy: &EgressProxy,
    tcp: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    authority: &str,
) -> Result<TokioIo<Upgraded>, ForwardError> {
    let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(tcp)).await.map_err(failed)?;
    let request = Request::connect(authority)
        .header(http::header::HOST, authority)
        .body(Empty::new())
        .map_err(|_| ForwardError::Internal("the target's host is no authority"))?;
    let mut connection = pin!(connection.with_upgrades());
    let mut asking = pin!(async {
        let response = sender.send_request(request).await.map_err(failed)?;
        if !response.status().is_success() {
            tracing::debug!(proxy = %proxy.host, status = %response.status(), "the egress proxy refused");
            return Err(ForwardError::EgressRefused(response.status()));
        }
        hyper::upgrade::on(response).await.map(TokioIo::new).map_err(failed)
    });
    tokio::select! {
        biased;
        tunnel = &mut asking => tunnel,
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!(%error, proxy = %proxy.host, "the connection to the egress proxy failed");
            }
            // It ended with an answer, an upgrade or a failure, which is there to be read now.
            asking.await
        }
    }
}

/// The connection to the egress proxy serves for no tunnel.
fn failed(error: hyper::Error) -> ForwardError {
    ForwardError::Handshake(error).at_egress_proxy()
}
