//! The byte streams that lead to targets: plain, in TLS, or through an egress proxy's tunnel.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;
use tokio_rustls::client::TlsStream;

use crate::forward::late_writes::LateTcp;

/// A byte stream to a target.
#[derive(Debug)]
pub(crate) enum UpstreamStream {
    Plain(LateTcp),
    Tls(Box<TlsStream<LateTcp>>),
    Tunnel(Box<TokioIo<Upgraded>>),
    TlsTunnel(Box<TlsStream<TokioIo<Upgraded>>>),
}

macro_rules! each {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            UpstreamStream::Plain($io) => $call,
            UpstreamStream::Tls($io) => $call,
            UpstreamStream::Tunnel($io) => $call,
            UpstreamStream::TlsTunnel($io) => $call,
        }
    };
}

impl UpstreamStream {
    /// Whether it is open and has nothing to read.
    pub(super) fn is_quiet(&mut self) -> bool {
        if let Self::Plain(tcp) = self {
            return tcp.is_quiet();
        }
        // TLS may have something of its own to read, such as a session's ticket. A task that has done much would be told to
        // wait, whatever there is to read.
        let read = poll_fn(|cx| Pin::new(&mut *self).poll_read(cx, &mut ReadBuf::new(&mut [0])));
        pin!(unconstrained(read)).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use rcgen::generate_simple_self_signed;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::yield_now;
    use tokio_rustls::{TlsAcceptor, TlsConnector, server};

    use super::*;
    use crate::tls::provider;

    async fn pair() -> (UpstreamStream, server::TlsStream<TcpStream>) {
        let of_target = generate_simple_self_signed(["test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(of_target.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(of_target.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();
        let target = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let target = target.with_no_client_auth().with_single_cert(vec![of_target.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tcp, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let connector = TlsConnector::from(Arc::new(client));
        let ours = connector.connect(ServerName::try_from("test").unwrap(), LateTcp::new(tcp.unwrap()));
        let (ours, theirs) = tokio::join!(ours, TlsAcceptor::from(Arc::new(target)).accept(accepted.unwrap().0));
        (UpstreamStream::Tls(Box::new(ours.unwrap())), theirs.unwrap())
    }

    #[tokio::test]
    async fn a_closed_connection_is_not_quiet_however_much_its_task_has_done() {
        let (mut ours, theirs) = pair().await;
        assert!(ours.is_quiet(), "tickets are nothing to read");
        drop(theirs);
        while ours.is_quiet() {
            yield_now().await;
        }
        // A task that has done much is told to wait although there is something to read.
        while tokio::task::coop::has_budget_remaining() {
            let _ = tokio::task::coop::poll_proceed(&mut Context::from_waker(Waker::noop()))
                .map(|done| done.made_progress());
        }
        assert!(!ours.is_quiet());
    }
}
