//! Checks of targets behind TLS.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use sluicegate_table::{Tls, TrustRoots};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::provider;

/// A certificate for `localhost` and who signed it.
struct Authority {
    pem: String,
    config: ServerConfig,
}

impl Authority {
    fn new(alpn: &[&[u8]]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Self { pem: issuer.pem(), config }
    }

    /// Serves HTTP/1.1 that answers every request with 200.
    async fn serve(self) -> SocketAddr {
        let (listener, address) = listen().await;
        let acceptor = TlsAcceptor::from(Arc::new(self.config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = [0; 1024];
                    while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                        stream.write_all(&answered("200 OK", "")).await.unwrap();
                    }
                });
            }
        });
        address
    }
}

fn trusting(address: SocketAddr, pem: String, server_name: Option<&str>, probe: Value) -> Subject {
    let mut subject = subject(address, "HTTPS", probe);
    let tls = Tls { server_name: server_name.map(str::to_owned), roots: TrustRoots::Pem(pem) };
    subject.target = Arc::new(Target { tls, ..(*subject.target).clone() });
    subject
}

#[tokio::test]
async fn a_certificate_is_checked_as_it_is_for_requests() {
    let authority = Authority::new(&[b"http/1.1"]);
    let pem = authority.pem.clone();
    let address = authority.serve().await;
    let asked = || http(&json!({}));
    let mut checker = checker(trusting(address, pem.clone(), Some("localhost"), asked()));
    for _ in 0..2 {
        checker.check().await.unwrap();
    }
    // The certificate is not for the address, and not of this authority.
    for (pem, name) in [(pem.clone(), None), (Authority::new(&[]).pem, Some("localhost"))] {
        let (result, why) = once(trusting(address, pem, name, asked())).await;
        assert_eq!(result, CheckResult::NotConnected);
        assert!(why.starts_with("TLS: invalid peer certificate"), "{why}");
    }
    let (result, why) = once(trusting(address, pem, Some("localhost"), json!({ "GRPC": { "service": "" } }))).await;
    assert_eq!((result, why.as_str()), (CheckResult::Broken, "it does not speak HTTP/2, which gRPC needs"));
}

#[tokio::test]
async fn a_server_without_tls_fails_the_check() {
    let server = Server::start(|_| Some(answered("200 OK", ""))).await;
    let pem = Authority::new(&[]).pem;
    let mut subject = trusting(server.address, pem, Some("localhost"), http(&json!({})));
    subject.check.timeout = Duration::from_millis(300);
    assert_ne!(once(subject).await.0, CheckResult::Passed);
}
