//! Opening connections for checks, over the way that requests go: through the egress proxy where there is one.

use std::sync::Arc;

use sluicegate_table::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Connection;
use super::failure::CheckFailure;
use super::subject::Subject;
use crate::forward::error::ForwardError;
use crate::forward::upstream::{connect, connect_to, tunnel, tunnel_authority};
use crate::resolve::Resolver;
use crate::tls::{ALPN_H2, Alpn, TargetTlsCache};

/// Opens connections for checks.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    resolver: Resolver,
    tls: Arc<TargetTlsCache>,
}

/// What carries a check's bytes. Boxed: there are four kinds, and a check is no hot path.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Dialer {
    /// With the resolver and the TLS settings that requests use.
    pub(crate) fn new(resolver: Resolver, tls: Arc<TargetTlsCache>) -> Self {
        Self { resolver, tls }
    }

    /// A byte stream to the endpoint, without TLS.
    pub(super) async fn stream(&self, subject: &Subject) -> Result<Box<dyn Stream>, ForwardError> {
        let (target, within) = (&subject.target, subject.check.timeout);
        let tcp = match (&subject.egress_proxy, subject.address) {
            (Some(proxy), _) => {
                connect(&self.resolver, &proxy.host, proxy.port, within).await.map_err(ForwardError::at_egress_proxy)?
            }
            (None, Some(address)) => connect_to(address.ip(), address.port()).await.map_err(ForwardError::Connect)?,
            (None, None) => connect(&self.resolver, &target.host, target.port, within).await?,
        };
        match &subject.egress_proxy {
            Some(proxy) if !subject.absolute_form() => {
                let authority = tunnel_authority(&target.host, target.port, subject.address);
                Ok(Box::new(tunnel(proxy, tcp, &authority).await?))
            }
            _ => Ok(Box::new(tcp)),
        }
    }

    /// A connection to the endpoint on which HTTP is spoken.
    pub(super) async fn http(&self, subject: &Subject) -> Result<Connection, CheckFailure> {
        let stream = self.stream(subject).await?;
        let target = &subject.target;
        if target.protocol != Protocol::Https {
            let http2 = target.protocol == Protocol::H2c || subject.is_grpc();
            return Ok(Connection::begin(stream, http2).await?);
        }
        let tls = self.tls.get(&target.host, &target.tls, Alpn::Http2OrHttp1).map_err(ForwardError::TlsSettings)?;
        let stream = tls.connect(stream).await.map_err(ForwardError::Tls)?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_H2);
        if subject.is_grpc() && !http2 {
            return Err(CheckFailure::NoHttp2);
        }
        Ok(Connection::begin(Box::new(stream), http2).await?)
    }
}
