//! TLS to targets.
//!
//! A configuration of the TLS library is large and holds the sessions to resume, so targets with the same roots share
//! one. It lives as long as a target uses it. The system's roots are read once, when a target first needs them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use sluicegate_table::{Tls, TrustRoots};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{Connect, TlsConnector};

use super::{ALPN_H2, ALPN_HTTP1, provider};

/// Which protocols to offer, the preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP/2, else HTTP/1.1.
    Http2OrHttp1,
    /// HTTP/1.1 only, for what HTTP/2 cannot carry: upgrades.
    Http1,
}

/// Why no TLS connection to a target can be tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetTlsError {
    /// The `ConfigMap` with the certificate authorities is missing: nothing may be trusted instead.
    #[error("the certificate authorities to trust are missing")]
    MissingRoots,
    /// The certificate authorities are not PEM certificates.
    #[error("the certificate authorities to trust cannot be used: {0}")]
    BadRoots(String),
    /// The system has no certificate authorities, or they cannot be read.
    #[error("the system's certificate authorities cannot be used: {0}")]
    SystemRoots(String),
    /// Neither a DNS name nor an IP address.
    #[error("`{0}` is no name that a certificate can have")]
    ServerName(String),
    /// The TLS library refused the settings as a whole.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// TLS to one target, ready to connect.
#[derive(Clone)]
pub struct TargetTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl fmt::Debug for TargetTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetTls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TargetTls {
    /// Begins TLS on a connection. The stream's `alpn_protocol` then says what to speak; none means HTTP/1.1.
    pub fn connect<I: AsyncRead + AsyncWrite + Unpin>(&self, io: I) -> Connect<I> {
        TlsConnector::from(Arc::clone(&self.config)).connect(self.name.clone(), io)
    }
}

/// All configurations in use.
#[derive(Debug, Default)]
pub struct TargetTlsCache {
    configs: Mutex<HashMap<(TrustRoots, Alpn), Weak<ClientConfig>>>,
    system: Mutex<Option<Arc<dyn ServerCertVerifier>>>,
}

impl TargetTlsCache {
    /// TLS to `host` with a target's settings. Cold: once a version of the target, not once a connection.
    pub fn get(&self, host: &str, tls: &Tls, alpn: Alpn) -> Result<TargetTls, TargetTlsError> {
        let name = tls.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| TargetTlsError::ServerName(name.to_owned()))?;
        Ok(TargetTls { config: self.config(&tls.roots, alpn)?, name })
    }

    fn config(&self, roots: &TrustRoots, alpn: Alpn) -> Result<Arc<ClientConfig>, TargetTlsError> {
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (roots.clone(), alpn);
        if let Some(config) = configs.get(&key).and_then(Weak::upgrade) {
            return Ok(config);
        }
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| TargetTlsError::Setup(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(roots)?)
            .with_no_client_auth();
        config.alpn_protocols = match alpn {
            Alpn::Http2OrHttp1 => vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()],
            Alpn::Http1 => vec![ALPN_HTTP1.to_vec()],
        };
        let config = Arc::new(config);
        configs.retain(|_, config| config.strong_count() > 0);
        configs.insert(key, Arc::downgrade(&config));
        Ok(config)
    }

    fn verifier(&self, roots: &TrustRoots) -> Result<Arc<dyn ServerCertVerifier>, TargetTlsError> {
        match roots {
            TrustRoots::Missing => Err(TargetTlsError::MissingRoots),
            TrustRoots::Pem(pem) => pem_verifier(pem),
            TrustRoots::System => {
                let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(verifier) = &*system {
                    return Ok(Arc::clone(verifier));
                }
                let verifier: Arc<dyn ServerCertVerifier> = Arc::new(
                    rustls_platform_verifier::Verifier::new(provider())
                        .map_err(|error| TargetTlsError::SystemRoots(error.to_string()))?,
                );
                *system = Some(Arc::clone(&verifier));
                Ok(verifier)
            }
        }
    }
}

fn pem_verifier(pem: &str) -> Result<Arc<dyn ServerCertVerifier>, TargetTlsError> {
    let refused = |error: &dyn fmt::Display| TargetTlsError::BadRoots(error.to_string());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| refused(&error))?;
        store.add(certificate).map_err(|error| refused(&error))?;
    }
    if store.is_empty() {
        return Err(TargetTlsError::BadRoots("no certificate in them: expected PEM".to_owned()));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build();
    Ok(verifier.map_err(|error| refused(&error))?)
}
