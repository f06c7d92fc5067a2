//! Opening a connection: resolve, connect, go through the egress proxy, TLS, HTTP handshake.
//!
//! The cold path: it may allocate and use tokio's timers.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use sluicegate_table::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;

use super::driven::Driven;
use super::gate::Permit;
use super::http1::Http1;
use super::http2_body::Http2Body;
use super::io::UpstreamStream;
use super::link::Link;
use super::tcp::{connect, connect_to};
use super::tunnel::{tunnel, tunnel_authority};
use crate::forward::error::ForwardError;
use crate::forward::late_writes::{Cutter, LateTcp};
use crate::resolve::Resolver;
use crate::tls::{Alpn, TargetTlsCache};

/// Stream windows small enough that a hundred slow answers fit the connection's window, so that none stalls the others.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// How large an answer's head may be, as over HTTP/1.1; hyper's own limit is 16 KiB.
const HEADER_LIST: u32 = 256 * 1024;

/// What opening a connection needs, per worker.
#[derive(Debug)]
pub(crate) struct Dialer {
    resolver: Resolver,
    tls: Arc<TargetTlsCache>,
    driven: Rc<Driven>,
}

/// A new connection, by the protocol that was agreed on. The permit goes with it, or with the task that drives it.
pub(super) enum Fresh {
    Http1(Http1),
    Http2(http2::SendRequest<Http2Body>),
}

impl Dialer {
    /// No connections yet.
    pub(crate) fn new(resolver: Resolver, tls: Arc<TargetTlsCache>) -> Self {
        Self { resolver, tls, driven: Rc::default() }
    }

    /// The worker's open connections to targets.
    pub(crate) fn driven(&self) -> &Rc<Driven> {
        &self.driven
    }

    /// Opens a connection over `link` within `connections.connectTimeout`.
    pub(super) async fn dial(&self, link: &Arc<Link>, permit: Permit, upgrade: bool) -> Result<Fresh, ForwardError> {
        let connecting = self.handshake(link, permit, upgrade);
        match tokio::time::timeout(link.terms.connections.connect_timeout, connecting).await {
            Ok(result) => result,
            Err(_) => Err(ForwardError::ConnectTimeout),
        }
    }

    async fn handshake(&self, link: &Arc<Link>, permit: Permit, upgrade: bool) -> Result<Fresh, ForwardError> {
        let (stream, cutter, http2) = self.stream(link, upgrade).await?;
        if !http2 {
            return Ok(Fresh::Http1(Http1::new(stream, self.driven.polled(link, cutter), permit)));
        }
        let executor = Executor::default();
        let (sender, connection) = http2::Builder::new(executor.clone())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_LIST)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ForwardError::Handshake)?;
        self.drive(permit, link, executor.first.get().cloned(), connection);
        Ok(Fresh::Http2(sender))
    }

    /// Runs a connection until it is closed or cut; only then may another be opened in its place.
    fn drive(
        &self,
        permit: Permit,
        link: &Arc<Link>,
        beneath: Option<AbortHandle>,
        connection: impl Future<Output = hyper::Result<()>> + 'static,
    ) {
        let of = Arc::clone(link);
        self.driven.drive(link, beneath, async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, host = of.host(), "a connection to a target failed");
            }
            drop(permit);
        });
    }

    /// The byte stream, what cuts it, and whether HTTP/2 is spoken on it.
    async fn stream(&self, link: &Link, upgrade: bool) -> Result<(UpstreamStream, Cutter, bool), ForwardError> {
        let terms = &link.terms;
        let http2 = terms.protocol == Protocol::H2c;
        let tls = terms.protocol == Protocol::Https;
        let alpn = if upgrade { Alpn::Http1 } else { Alpn::Http2OrHttp1 };
        let limit = terms.connections.connect_timeout;
        let tcp = match (&terms.egress_proxy, terms.address) {
            (Some(proxy), _) => {
                connect(&self.resolver, &proxy.host, proxy.port, limit).await.map_err(ForwardError::at_egress_proxy)?
            }
            (None, Some(address)) => connect_to(address.ip(), address.port()).await.map_err(ForwardError::Connect)?,
            (None, None) => connect(&self.resolver, &terms.host, terms.port, limit).await?,
        };
        let tcp = LateTcp::new(tcp);
        let cutter = tcp.cutter();
        let Some(proxy) = terms.egress_proxy.as_ref().filter(|_| !link.absolute_form()) else {
            if !tls {
                return Ok((UpstreamStream::Plain(tcp), cutter, http2));
            }
            let stream = self.secure(link, tcp, alpn).await?;
            let http2 = speaks_http2(&stream);
            return Ok((UpstreamStream::Tls(Box::new(stream)), cutter, http2));
        };
        let tunnel = tunnel(proxy, tcp, &tunnel_authority(&terms.host, terms.port, terms.address)).await?;
        if !tls {
            return Ok((UpstreamStream::Tunnel(Box::new(tunnel)), cutter, http2));
        }
        let stream = self.secure(link, tunnel, alpn).await?;
        let http2 = speaks_http2(&stream);
        Ok((UpstreamStream::TlsTunnel(Box::new(stream)), cutter, http2))
    }

    async fn secure<S>(&self, link: &Link, stream: S, alpn: Alpn) -> Result<TlsStream<S>, ForwardError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let tls = link.tls(&self.tls, alpn).map_err(ForwardError::TlsSettings)?;
        tls.connect(stream).await.map_err(ForwardError::Tls)
    }
}

/// Runs hyper's tasks for one HTTP/2 connection on the worker's own thread. The first of them is the connection itself.
#[derive(Clone, Debug, Default)]
struct Executor {
    first: Rc<OnceCell<AbortHandle>>,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        let task = tokio::task::spawn_local(future);
        self.first.get_or_init(|| task.abort_handle());
    }
}

fn speaks_http2<S>(stream: &TlsStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}
