//! A listener's certificates: read from files, found by the name that a client asks for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::{TlsError, provider};
use crate::config::CertificateFiles;

/// Certificates by name. A name is looked up as it is, then as a wildcard; all others get the first certificate.
#[derive(Debug)]
pub(super) struct Certificates {
    first: Arc<CertifiedKey>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// The certificate for a client that asks for `name` (lower case, as TLS libraries hand it on).
    pub(super) fn find(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let exact = |name: &str| self.by_name.get(name);
        // A wildcard stands for exactly one label (RFC 6125, 6.4.3).
        let wildcard = |name: &str| self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        let found = name.and_then(|name| exact(name).or_else(|| wildcard(name)));
        Arc::clone(found.unwrap_or(&self.first))
    }

    /// Certificates from what the files hold, in the order of the configuration. Of two certificates for one name the
    /// first is used.
    pub(super) fn from_contents(contents: &[Contents<'_>]) -> Result<Self, TlsError> {
        let mut by_name = HashMap::new();
        let mut first = None;
        for content in contents {
            let key = Arc::new(content.certified_key()?);
            for name in content.names(&key)? {
                by_name.entry(name).or_insert_with(|| Arc::clone(&key));
            }
            first.get_or_insert(key);
        }
        let first = first.ok_or_else(|| TlsError::Setup("no certificate is configured".to_owned()))?;
        Ok(Self { first, by_name })
    }
}

/// What a pair of files holds at one moment.
pub(super) struct Contents<'a> {
    files: &'a CertificateFiles,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl<'a> Contents<'a> {
    pub(super) fn read(files: &'a CertificateFiles) -> Result<Self, TlsError> {
        Ok(Self { files, certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    /// A fingerprint, so that a change can be noticed without keeping the key's bytes.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update((self.certificate.len() as u64).to_be_bytes());
        hash.update(&self.certificate);
        hash.update(&self.key);
        hash.finalize().into()
    }

    fn certified_key(&self) -> Result<CertifiedKey, TlsError> {
        let CertificateFiles { certificate, key } = self.files;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| unusable(certificate, format!("not PEM: {error}")))?;
        if chain.is_empty() {
            return Err(unusable(certificate, "no certificate in it: expected PEM with BEGIN CERTIFICATE".to_owned()));
        }
        // The library's own message might quote the file, so none of it is passed on.
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| {
            unusable(key, "no private key in it: expected PEM with BEGIN PRIVATE KEY, without a passphrase".to_owned())
        })?;
        CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                unusable(key, format!("not the private key of the certificate in {}", certificate.display()))
            }
            rustls::Error::InvalidCertificate(error) => unusable(certificate, format!("not a certificate: {error}")),
            _ => unusable(key, "a private key of an unknown kind: expected RSA, ECDSA or Ed25519".to_owned()),
        })
    }

    /// The DNS names in the certificate, in lower case, wildcards as `*.example.com`.
    fn names(&self, key: &CertifiedKey) -> Result<Vec<String>, TlsError> {
        let refused =
            |error: &dyn std::fmt::Display| unusable(&self.files.certificate, format!("not a certificate: {error}"));
        let leaf = key.end_entity_cert().map_err(|error| refused(&error))?;
        let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|error| refused(&error))?;
        Ok(leaf.valid_dns_names().map(str::to_ascii_lowercase).collect())
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::Unreadable { file: file.to_owned(), error: error.to_string() })
}

fn unusable(file: &Path, problem: String) -> TlsError {
    TlsError::Unusable { file: file.to_owned(), problem }
}
