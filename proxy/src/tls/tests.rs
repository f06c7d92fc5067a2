#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use sluicegate_table::{Tls, TrustRoots};
use tempfile::TempDir;

use super::reload::watch_with;
use super::*;
use crate::config::CertificateFiles;

/// A certificate authority of the test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// PEM of a certificate for `names`, and of its key.
    fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes a new pair for `names` into `folder`.
    fn write(&self, folder: &Path, names: &[&str]) -> CertificateFiles {
        let (certificate, key) = self.issue(names);
        let files = CertificateFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
        fs::create_dir_all(folder).unwrap();
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    fn trusted(&self) -> Tls {
        Tls { server_name: None, roots: TrustRoots::Pem(self.0.pem()) }
    }
}

/// What a client saw of a handshake.
#[derive(Debug)]
struct Seen {
    alpn: Option<Vec<u8>>,
    certificate: CertificateDer<'static>,
    kind: HandshakeKind,
}

/// A handshake between a listener and a target's TLS, and one byte back, with which session tickets come along.
async fn handshake(listener: &ListenerTls, target: &TargetTls) -> io::Result<Seen> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let server = async {
        let mut stream = listener.acceptor().accept(theirs).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        io::Result::Ok(stream)
    };
    let client = async {
        let mut stream = target.connect(ours).await?;
        stream.read_u8().await?;
        let (_, connection) = stream.get_ref();
        Ok(Seen {
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            certificate: connection.peer_certificates().unwrap()[0].clone(),
            kind: connection.handshake_kind().unwrap(),
        })
    };
    let (_, seen) = tokio::join!(server, client);
    seen
}

fn der(pem: &Path) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_file(pem).unwrap()
}

#[tokio::test]
async fn listener_and_target_agree_on_http_2_and_resume() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let files = authority.write(folder.path(), &["shop.example"]);
    let listener = ListenerTls::load(&[files]).unwrap();
    let cache = TargetTlsCache::default();
    let target = cache.get("shop.example", &authority.trusted(), Alpn::Http2OrHttp1).unwrap();
    let first = handshake(&listener, &target).await.unwrap();
    assert_eq!(first.alpn.as_deref(), Some(ALPN_H2));
    assert_eq!(first.kind, HandshakeKind::Full);
    // The same settings again share the configuration, and with it the session.
    let again = cache.get("shop.example", &authority.trusted(), Alpn::Http2OrHttp1).unwrap();
    assert_eq!(handshake(&listener, &again).await.unwrap().kind, HandshakeKind::Resumed);
    let http1 = cache.get("shop.example", &authority.trusted(), Alpn::Http1).unwrap();
    assert_eq!(handshake(&listener, &http1).await.unwrap().alpn.as_deref(), Some(ALPN_HTTP1));
}

#[tokio::test]
async fn clients_get_the_certificate_for_the_name_they_ask_for() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let files: Vec<CertificateFiles> = [
        ("first", vec!["first.example", "192.0.2.1"]),
        ("wildcard", vec!["*.shop.example"]),
        ("exact", vec!["Pay.shop.example", "other.example"]),
    ]
    .iter()
    .map(|(name, names)| authority.write(&folder.path().join(name), names))
    .collect();
    let listener = ListenerTls::load(&files).unwrap();
    let cache = TargetTlsCache::default();
    let cases = [
        ("first.example", 0),
        ("www.shop.example", 1),
        ("pay.shop.example", 2),
        ("other.example", 2),
        // An IP address is never sent as SNI.
        ("192.0.2.1", 0),
    ];
    for (name, file) in cases {
        let target = cache.get(name, &authority.trusted(), Alpn::Http1).unwrap();
        let seen = handshake(&listener, &target).await.unwrap();
        assert_eq!(seen.certificate, der(&files[file].certificate), "{name}");
    }
    for name in ["shop.example", "a.b.shop.example"] {
        let target = cache.get(name, &authority.trusted(), Alpn::Http1).unwrap();
        let error = handshake(&listener, &target).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{name} got the first certificate: {error}");
    }
}

#[tokio::test]
async fn targets_are_trusted_by_roots_and_name_only() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let listener = ListenerTls::load(&[authority.write(folder.path(), &["shop.example"])]).unwrap();
    let cache = TargetTlsCache::default();
    let connect = |host: &str, tls: &Tls| cache.get(host, tls, Alpn::Http1);
    let named = Tls { server_name: Some("shop.example".into()), ..authority.trusted() };
    assert!(handshake(&listener, &connect("10.0.0.1", &named).unwrap()).await.is_ok());
    assert!(handshake(&listener, &connect("10.0.0.1", &authority.trusted()).unwrap()).await.is_err());
    assert!(handshake(&listener, &connect("shop.example", &Authority::new().trusted()).unwrap()).await.is_err());
    // Whether or not this machine has roots of its own, it does not trust the test's.
    if let Ok(system) = connect("shop.example", &Tls::default()) {
        assert!(handshake(&listener, &system).await.is_err());
    }
}

#[test]
fn unusable_settings_of_targets_are_refused() {
    let cache = TargetTlsCache::default();
    let refused =
        |host: &str, roots: TrustRoots| cache.get(host, &Tls { server_name: None, roots }, Alpn::Http1).unwrap_err();
    assert_eq!(refused("a.example", TrustRoots::Missing), TargetTlsError::MissingRoots);
    assert!(matches!(refused("a.example", TrustRoots::Pem("hello".into())), TargetTlsError::BadRoots(_)));
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(matches!(refused("a.example", TrustRoots::Pem(broken.into())), TargetTlsError::BadRoots(_)));
    let name = refused("not a name", TrustRoots::Pem(Authority::new().0.pem()));
    assert_eq!(name, TargetTlsError::ServerName("not a name".into()));
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let files = authority.write(folder.path(), &["a.example"]);
    let (certificate, key) = authority.issue(&["a.example"]);
    let refused = |certificate_text: &str, key_text: &str| {
        fs::write(&files.certificate, certificate_text).unwrap();
        fs::write(&files.key, key_text).unwrap();
        ListenerTls::load(std::slice::from_ref(&files)).unwrap_err().to_string()
    };
    let (_, other_key) = authority.issue(&["a.example"]);
    let cases = [
        (refused("", &key), &files.certificate, "no certificate in it"),
        (refused("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----", &key), &files.certificate, "not PEM"),
        (refused(&key, &key), &files.certificate, "no certificate in it"),
        (refused(&certificate, ""), &files.key, "no private key in it"),
        (refused(&certificate, &certificate), &files.key, "no private key in it"),
        (refused(&certificate, &other_key), &files.key, "not the private key of the certificate in"),
    ];
    for (message, file, problem) in cases {
        assert!(message.starts_with(&file.display().to_string()), "{message}");
        assert!(message.contains(problem), "{message}");
    }
    fs::remove_file(&files.key).unwrap();
    let error = ListenerTls::load(&[files]).unwrap_err();
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn a_bad_new_certificate_keeps_the_old_one_and_is_reported_once() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let files = authority.write(folder.path(), &["shop.example"]);
    let old = der(&files.certificate);
    let listener = ListenerTls::load(std::slice::from_ref(&files)).unwrap();
    let cache = TargetTlsCache::default();
    let seen = async || {
        let target = cache.get("shop.example", &authority.trusted(), Alpn::Http1).unwrap();
        handshake(&listener, &target).await.unwrap().certificate
    };
    assert_eq!(listener.reload(), Ok(false));
    fs::write(&files.key, "nonsense").unwrap();
    assert!(listener.reload().is_err());
    assert_eq!(listener.reload(), Ok(false));
    assert_eq!(seen().await, old);
    fs::remove_file(&files.key).unwrap();
    assert!(listener.reload().is_err());
    assert_eq!(listener.reload(), Ok(false));
    assert_eq!(seen().await, old);
    authority.write(folder.path(), &["shop.example"]);
    assert_eq!(listener.reload(), Ok(true));
    assert_eq!(seen().await, der(&files.certificate));
    assert_ne!(seen().await, old);
}

#[test]
fn a_secret_that_swaps_its_symlink_is_noticed() {
    let (authority, folder) = (Authority::new(), TempDir::new().unwrap());
    let root = folder.path();
    let version = |name: &str| authority.write(&root.join(name), &["shop.example"]);
    version("..1");
    symlink("..1", root.join("..data")).unwrap();
    symlink("..data/tls.crt", root.join("tls.crt")).unwrap();
    symlink("..data/tls.key", root.join("tls.key")).unwrap();
    let files = CertificateFiles { certificate: root.join("tls.crt"), key: root.join("tls.key") };
    let listener = ListenerTls::load(&[files]).unwrap();
    let (sender, reports) = channel();
    let watch = watch_with(vec![listener], move |_, outcome| sender.send(outcome).unwrap()).unwrap();
    version("..2");
    symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    let enough = Duration::from_secs(30);
    assert_eq!(reports.recv_timeout(enough).unwrap(), Ok(()));
    fs::write(root.join("..2/tls.crt"), "nonsense").unwrap();
    symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    assert!(reports.recv_timeout(enough).unwrap().is_err());
    drop(watch);
    // The thread ends and drops its sender.
    assert!(reports.recv_timeout(enough).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn nothing_to_watch_needs_no_thread() {
    let (sender, reports) = channel();
    let watch = watch_with(Vec::new(), move |_, outcome| sender.send(outcome).unwrap()).unwrap();
    // The reporter went with the call, so no thread holds it.
    assert_eq!(reports.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    drop(watch);
}

#[test]
fn installing_the_provider_twice_is_harmless() {
    install_provider();
    install_provider();
    assert!(CryptoProvider::get_default().is_some());
}
