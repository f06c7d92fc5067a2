//! The server's certificate, exchanged while connections stay.

mod authority;
mod keeper;

use std::fmt;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub use keeper::Keeper;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The certificate in use. All clones are the same; until the first one is set, no connection comes about.
#[derive(Clone, Default)]
pub struct Certificates(Arc<ArcSwapOption<CertifiedKey>>);

/// Why a certificate cannot be used. Holds nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableCertificate {
    /// There is no certificate in it.
    #[error("tls.crt holds no certificate: expected PEM with BEGIN CERTIFICATE")]
    NoCertificate,
    /// There is no private key in it.
    #[error("tls.key holds no private key: expected PEM with BEGIN PRIVATE KEY, without a passphrase")]
    NoKey,
    /// The key is another certificate's, or one of them is of a form that is not known.
    #[error("tls.key is not the private key of the certificate in tls.crt, or one of them is of an unknown kind")]
    NotAPair,
}

impl Certificates {
    /// Puts a certificate, with its intermediates after it, and its private key in use: both PEM.
    pub fn set(&self, certificate: &[u8], key: &[u8]) -> Result<(), UnusableCertificate> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| UnusableCertificate::NoCertificate)?;
        if chain.is_empty() {
            return Err(UnusableCertificate::NoCertificate);
        }
        // The library's message might quote what it read, so it is not passed on.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| UnusableCertificate::NoKey)?;
        let pair = CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|_| UnusableCertificate::NotAPair)?;
        self.0.store(Some(Arc::new(pair)));
        Ok(())
    }

    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.0.load().is_some()
    }

    /// The TLS settings of a server that shows it and speaks HTTP/2.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates(set: {})", self.is_set())
    }
}
