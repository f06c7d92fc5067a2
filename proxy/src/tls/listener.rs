//! TLS from clients.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Certificates, Contents};
use super::{ALPN_H2, ALPN_HTTP1, TlsError, provider};
use crate::config::CertificateFiles;

/// A listener's TLS: one for all workers; clones are the same.
///
/// New certificates are swapped in behind the resolver, so that neither the acceptor nor an open connection notices.
/// Session tickets are sealed with keys of this process, so that a client resumes on any worker.
#[derive(Clone)]
pub struct ListenerTls(Arc<Shared>);

struct Shared {
    files: Vec<CertificateFiles>,
    resolver: Arc<Resolver>,
    config: Arc<ServerConfig>,
    /// What the files held when they were last read, usable or not.
    last_read: Mutex<Read>,
}

/// A fingerprint of each pair of files, or why they could not be read.
type Read = Result<Vec<[u8; 32]>, TlsError>;

#[derive(Debug)]
struct Resolver(ArcSwap<Certificates>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().find(hello.server_name()))
    }
}

impl fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerTls").field("files", &self.0.files).finish_non_exhaustive()
    }
}

impl ListenerTls {
    /// Reads the certificates.
    pub fn load(files: &[CertificateFiles]) -> Result<Self, TlsError> {
        let contents = files.iter().map(Contents::read).collect::<Result<Vec<_>, _>>()?;
        let certificates = Certificates::from_contents(&contents)?;
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(certificates)));
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
        config.ticketer = Ticketer::new().map_err(setup)?;
        Ok(Self(Arc::new(Shared {
            files: files.to_vec(),
            resolver,
            config: Arc::new(config),
            last_read: Mutex::new(Ok(fingerprints(&contents))),
        })))
    }

    /// Accepts connections of this listener.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.config))
    }

    /// The files that the certificates come from.
    pub fn files(&self) -> &[CertificateFiles] {
        &self.0.files
    }

    /// Reads the files again and uses what they hold for the next connections. `Ok(false)`: nothing has changed since
    /// they were last read.
    ///
    /// # Errors
    /// What they hold now cannot be used; what was used before stays. The same error is not reported twice in a row.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let contents = self.0.files.iter().map(Contents::read).collect::<Result<Vec<_>, _>>();
        let read = match &contents {
            Ok(contents) => Ok(fingerprints(contents)),
            Err(error) => Err(error.clone()),
        };
        {
            let mut last = self.0.last_read.lock().unwrap_or_else(PoisonError::into_inner);
            if *last == read {
                return Ok(false);
            }
            *last = read;
        }
        self.0.resolver.0.store(Arc::new(Certificates::from_contents(&contents?)?));
        Ok(true)
    }
}

fn fingerprints(contents: &[Contents<'_>]) -> Vec<[u8; 32]> {
    contents.iter().map(Contents::fingerprint).collect()
}
