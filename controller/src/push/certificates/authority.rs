//! The channel's own certificate authority: what a Secret holds, and what should take its place.
//!
//! Proxies learn a new authority through a `ConfigMap`, which reaches them late. So a new authority is published well before
//! it signs anything, and the old one stays beside it until it ends; what is in use is trusted by all at any time.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sluicegate_table::watch::content_hash;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Certificates;

/// The Secret's key of the certificate.
pub(super) const CERTIFICATE: &str = "tls.crt";
/// The Secret's key of the certificate's private key.
pub(super) const KEY: &str = "tls.key";
/// The key of the authorities to trust, in the Secret and the `ConfigMap`; the newest comes first.
pub(super) const AUTHORITIES: &str = "ca.crt";
/// The Secret's key of the newest authority's private key.
const AUTHORITY_KEY: &str = "ca.key";

const DAY: Duration = Duration::from_hours(24);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(365);
const CERTIFICATE_LIFE: Duration = DAY.saturating_mul(90);
/// How long an authority is published before it signs. A mounted `ConfigMap` follows within minutes.
const PUBLISHED_BEFORE: Duration = DAY;
/// Clocks of other machines may be behind by this much.
const CLOCKS: Duration = Duration::from_mins(5);

/// What a Secret holds.
pub(super) type Data = BTreeMap<String, ByteString>;

/// A certificate or key could not be made. Holds nothing of a key.
#[derive(Debug, thiserror::Error)]
#[error("a certificate cannot be made: {0}")]
pub(super) struct CannotMake(#[from] rcgen::Error);

/// What should take the place of `data` now; `None`: nothing, it is good.
///
/// # Errors
/// When the cryptography library fails.
pub(super) fn due(data: &Data, name: &str, now: SystemTime) -> Result<Option<Data>, CannotMake> {
    let mut next = data.clone();
    let mut authorities = authorities(data, now);
    let mut changed = false;
    let newest = authorities.first().filter(|newest| newest.key_is(data)).filter(|newest| newest.life.is_young(now));
    if newest.is_none() {
        let (pem, key) = new_authority(now)?;
        authorities.insert(0, Authority::of(pem.as_bytes()).next().ok_or(rcgen::Error::CouldNotParseCertificate)?);
        next.insert(AUTHORITY_KEY.to_owned(), ByteString(key.serialize_pem().into_bytes()));
        changed = true;
    }
    let bundle: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
    if data.get(AUTHORITIES).is_none_or(|before| before.0 != bundle.as_bytes()) {
        next.insert(AUTHORITIES.to_owned(), ByteString(bundle.into_bytes()));
        changed = true;
    }
    // An authority that proxies do not know yet signs only where there is nothing better.
    let known = authorities.first().is_some_and(|newest| newest.life.age(now) >= PUBLISHED_BEFORE);
    let good = Leaf::of(data).filter(|leaf| leaf.is_good(data, &authorities, name, now));
    if good.is_none_or(|leaf| known && !leaf.life.is_young(now)) {
        let (certificate, key) = new_certificate(&authorities, &next, name, now)?;
        next.insert(CERTIFICATE.to_owned(), ByteString(certificate.into_bytes()));
        next.insert(KEY.to_owned(), ByteString(key.into_bytes()));
        changed = true;
    }
    Ok(changed.then_some(next))
}

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug)]
struct Life {
    from: SystemTime,
    until: SystemTime,
}

impl Life {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let time = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        let validity = certificate.validity();
        Self { from: time(validity.not_before.timestamp()), until: time(validity.not_after.timestamp()) }
    }

    fn age(self, now: SystemTime) -> Duration {
        now.duration_since(self.from).unwrap_or_default()
    }

    fn is_valid(self, now: SystemTime) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// Whether less than two thirds of it are over.
    fn is_young(self, now: SystemTime) -> bool {
        let whole = self.until.duration_since(self.from).unwrap_or_default();
        self.is_valid(now) && self.age(now) < whole * 2 / 3
    }
}

/// An authority's certificate.
#[derive(Debug)]
struct Authority {
    pem: String,
    life: Life,
    subject: Vec<u8>,
    public_key: Vec<u8>,
}

impl Authority {
    /// Those in a bundle that can be read.
    fn of(bundle: &[u8]) -> impl Iterator<Item = Self> {
        CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok).filter_map(|der| {
            let (_, certificate) = X509Certificate::from_der(&der).ok()?;
            certificate.is_ca().then(|| Self {
                pem: pem(&der),
                life: Life::of(&certificate),
                subject: certificate.subject().as_raw().to_vec(),
                public_key: certificate.public_key().raw.to_vec(),
            })
        })
    }

    /// Whether the Secret holds its private key.
    fn key_is(&self, data: &Data) -> bool {
        authority_key(data).is_some_and(|key| key.subject_public_key_info() == self.public_key)
    }
}

/// The authorities whose time is not over, the newest first.
fn authorities(data: &Data, now: SystemTime) -> Vec<Authority> {
    let bundle = data.get(AUTHORITIES).map_or(&[][..], |bundle| &bundle.0);
    Authority::of(bundle).filter(|authority| authority.life.is_valid(now)).collect()
}

fn authority_key(data: &Data) -> Option<KeyPair> {
    KeyPair::from_pem(std::str::from_utf8(&data.get(AUTHORITY_KEY)?.0).ok()?).ok()
}

/// The server's certificate.
struct Leaf {
    life: Life,
    issuer: Vec<u8>,
    names: Vec<String>,
}

impl Leaf {
    fn of(data: &Data) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(&data.get(CERTIFICATE)?.0).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let names = alternatives.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
            _ => None,
        });
        Some(Self {
            life: Life::of(&certificate),
            issuer: certificate.issuer().as_raw().to_vec(),
            names: names.collect(),
        })
    }

    /// Whether a proxy that trusts the authorities takes it.
    fn is_good(&self, data: &Data, authorities: &[Authority], name: &str, now: SystemTime) -> bool {
        let (Some(certificate), Some(key)) = (data.get(CERTIFICATE), data.get(KEY)) else {
            return false;
        };
        self.life.is_valid(now)
            && self.names.iter().any(|has| has == name)
            && authorities.iter().any(|authority| authority.subject == self.issuer)
            && Certificates::default().set(&certificate.0, &key.0).is_ok()
    }
}

fn new_authority(now: SystemTime) -> Result<(String, KeyPair), CannotMake> {
    let mut parameters = parameters(Vec::new(), "", now, AUTHORITY_LIFE)?;
    // Each has a name of its own, so that it can be told which one signed a certificate.
    let key = KeyPair::generate()?;
    let mark: String = content_hash(&key.public_key_pem()).chars().take(12).collect();
    parameters.distinguished_name.push(DnType::CommonName, format!("Sluicegate watch channel {mark}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((parameters.self_signed(&key)?.pem(), key))
}

fn new_certificate(
    authorities: &[Authority],
    data: &Data,
    name: &str,
    now: SystemTime,
) -> Result<(String, String), CannotMake> {
    let (Some(newest), Some(key)) = (authorities.first(), authority_key(data)) else {
        return Err(CannotMake(rcgen::Error::CouldNotParseKeyPair));
    };
    let issuer = Issuer::from_ca_cert_pem(&newest.pem, key)?;
    // A Service's name is also known with the cluster's domain.
    let mut names = vec![name.to_owned()];
    names.extend(name.strip_suffix(".svc").map(|service| format!("{service}.svc.cluster.local")));
    let mut parameters = parameters(names, name, now, CERTIFICATE_LIFE)?;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((parameters.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
}

fn parameters(
    names: Vec<String>,
    subject: &str,
    now: SystemTime,
    life: Duration,
) -> Result<CertificateParams, CannotMake> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = DistinguishedName::new();
    // A longer common name is not allowed; clients look at the alternative names alone.
    if (1..=64).contains(&subject.len()) {
        parameters.distinguished_name.push(DnType::CommonName, subject);
    }
    parameters.not_before = (now - CLOCKS).into();
    parameters.not_after = (now + life).into();
    Ok(parameters)
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests;
