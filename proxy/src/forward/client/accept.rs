//! Accepting: one loop per listener and worker.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::connection::ClientConnection;
use super::io::ClientStream;
use crate::forward::headers::ForwardedFacts;
use crate::forward::late_writes::LateTcp;
use crate::observe::metrics::ListenerShard;
use crate::worker::Worker;

/// One worker's part of a listener: a socket of its own that shares the port (`SO_REUSEPORT`).
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) metrics: ListenerShard,
}

/// What the connections of a listener have in common.
struct Terms {
    tls: Option<TlsAcceptor>,
    metrics: ListenerShard,
}

/// How long accepting pauses when the process has no descriptor left for another connection.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections for as long as it is polled; dropping it closes the listener.
pub(crate) async fn accept(worker: Rc<Worker>, listener: Listener) {
    let Listener { socket, tls, metrics } = listener;
    // Connections outlive the listener: none of them may keep its socket, which would go on taking connections that
    // nobody serves.
    let terms = Rc::new(Terms { tls, metrics });
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                let worker = Rc::clone(&worker);
                tokio::task::spawn_local(open(worker, Rc::clone(&terms), stream, peer));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
            }
        }
    }
}

/// Errors that say something about the connection that was to be accepted, not about the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn open(worker: Rc<Worker>, terms: Rc<Terms>, stream: TcpStream, peer: SocketAddr) {
    let _open = terms.metrics.opened();
    let _alive = worker.enter();
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "a client connection ended before it was served");
        return;
    }
    let stream = LateTcp::new(stream);
    let (stream, http2) = match &terms.tls {
        None => (ClientStream::Plain(stream), None),
        Some(acceptor) => {
            let limit = worker.settings().limits.header_timeout;
            match tokio::time::timeout(limit, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    (ClientStream::Tls(Box::new(stream)), Some(http2))
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, %peer, "a TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(%peer, "a TLS handshake took too long");
                    return;
                }
            }
        }
    };
    let tls = terms.tls.is_some();
    let forwarded = ForwardedFacts::new(peer, tls, &worker.settings().forwarding);
    let connection = ClientConnection::new(worker, forwarded, tls);
    connection.serve(stream, http2).await;
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("socket", &self.socket)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}
