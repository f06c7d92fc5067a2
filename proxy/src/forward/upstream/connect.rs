//! Opening a connection: resolve, connect, go through the egress proxy, TLS, HTTP handshake.
//!
//! The cold path: it may allocate and use tokio's timers.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use sluicegate_table::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;

use super::body::RequestBody;
use super::driven::Driven;
use super::gate::Permit;
use super::interim::{ClientKey, Interim, Look};
use super::io::{UpstreamIo, UpstreamStream};
use super::link::Link;
use super::tcp::{connect, connect_to};
use super::tunnel::{tunnel, tunnel_authority};
use crate::forward::error::ForwardError;
use crate::forward::late_writes::LateTcp;
use crate::resolve::Resolver;
use crate::tls::{Alpn, TargetTlsCache};

/// Stream windows small enough that a hundred slow answers fit the connection's window, so that none stalls the others.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// How large an answer's head may be, and how much of a body is read at a time.
const READ_BUFFER: usize = 256 * 1024;
/// As large over HTTP/2, where hyper's own limit is 16 KiB.
const HEADER_LIST: u32 = 256 * 1024;

/// What opening a connection needs, per worker.
#[derive(Debug)]
pub(crate) struct Dialer {
    resolver: Resolver,
    tls: Arc<TargetTlsCache>,
    wake: UnboundedSender<ClientKey>,
    driven: Rc<Driven>,
}

/// A new connection, by the protocol that was agreed on. Its task runs until it is closed, and holds the permit.
pub(super) enum Fresh {
    Http1(http1::SendRequest<RequestBody>, Arc<Interim>),
    Http2(http2::SendRequest<RequestBody>),
}

impl Dialer {
    /// `wake` makes the worker wake a client's task.
    pub(crate) fn new(resolver: Resolver, tls: Arc<TargetTlsCache>, wake: UnboundedSender<ClientKey>) -> Self {
        Self { resolver, tls, wake, driven: Rc::default() }
    }

    /// The tasks that drive the worker's connections to targets.
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
        let (stream, http2) = self.stream(link, upgrade).await?;
        if http2 {
            let io = TokioIo::new(UpstreamIo { stream, interim: None });
            let executor = Executor::default();
            let (sender, connection) = http2::Builder::new(executor.clone())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_header_list_size(HEADER_LIST)
                .handshake(io)
                .await
                .map_err(ForwardError::Handshake)?;
            self.drive(permit, link, executor.first.get().cloned(), connection);
            Ok(Fresh::Http2(sender))
        } else {
            let interim = Interim::new(self.wake.clone());
            let io = TokioIo::new(UpstreamIo { stream, interim: Some(Look::new(Arc::clone(&interim))) });
            let (sender, connection) = http1::Builder::new()
                // Most requests are a head alone, which needs no `writev`: 600 instructions less.
                .writev(false)
                .max_buf_size(READ_BUFFER)
                .handshake(io)
                .await
                .map_err(ForwardError::Handshake)?;
            self.drive(permit, link, None, connection.with_upgrades());
            Ok(Fresh::Http1(sender, interim))
        }
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

    /// The byte stream, and whether HTTP/2 is spoken on it.
    async fn stream(&self, link: &Link, upgrade: bool) -> Result<(UpstreamStream, bool), ForwardError> {
        let terms = &link.terms;
        let http2 = terms.protocol == Protocol::H2c;
        let tls = terms.protocol == Protocol::Https;
        let alpn = if upgrade { Alpn::Http1 } else { Alpn::Http2OrHttp1 };
        match &terms.egress_proxy {
            None => {
                let tcp = match terms.address {
                    Some(address) => connect_to(address.ip(), address.port()).await.map_err(ForwardError::Connect)?,
                    None => connect(&self.resolver, &terms.host, terms.port, terms.connections.connect_timeout).await?,
                };
                let tcp = LateTcp::new(tcp);
                if !tls {
                    return Ok((UpstreamStream::Plain(tcp), http2));
                }
                let stream = self.secure(link, tcp, alpn).await?;
                let http2 = speaks_http2(&stream);
                Ok((UpstreamStream::Tls(Box::new(stream)), http2))
            }
            Some(proxy) => {
                let tcp = connect(&self.resolver, &proxy.host, proxy.port, terms.connections.connect_timeout).await?;
                if link.absolute_form() {
                    return Ok((UpstreamStream::Plain(LateTcp::new(tcp)), false));
                }
                let tunnel = tunnel(proxy, tcp, &tunnel_authority(&terms.host, terms.port, terms.address)).await?;
                if !tls {
                    return Ok((UpstreamStream::Tunnel(Box::new(tunnel)), http2));
                }
                let stream = self.secure(link, tunnel, alpn).await?;
                let http2 = speaks_http2(&stream);
                Ok((UpstreamStream::TlsTunnel(Box::new(stream)), http2))
            }
        }
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
