//! One connection to a controller: TCP, TLS, HTTP/2.
//!
//! The certificate authorities and the token are read anew each time, since both change while the proxy runs. The name
//! that the certificate must have is the configured URL's, whichever controller is talked to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::Controller;
use crate::tls::{ALPN_H2, provider};

/// How long each of connecting and shaking hands may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer's head may take.
const ANSWER: Duration = Duration::from_secs(15);
/// How long nothing may come from the controller before it is asked whether it lives.
const PING_AFTER: Duration = Duration::from_secs(10);
/// How long the answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How much the controller may send ahead of what has been read.
const WINDOW: u32 = 256 * 1024;

/// Why there is no connection, or why it ended. Holds no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error("{}: {error}", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{} holds no certificate: the controller publishes its authority there, in PEM", .0.display())]
    NoAuthorities(PathBuf),
    #[error("{} holds no token", .0.display())]
    NoToken(PathBuf),
    #[error("cannot connect to {address}: {error}")]
    Connect { address: String, error: std::io::Error },
    #[error("no TLS with {address}: {error}")]
    Tls { address: String, error: std::io::Error },
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
    #[error("the connection to the controller ended: {0}")]
    Http(#[from] hyper::Error),
    #[error("the controller did not answer in time")]
    TimedOut,
    #[error("nothing came from the controller for {0:?}, not even a heartbeat")]
    Silent(Duration),
    #[error("the controller answered {status}: {detail}")]
    Refused { status: u16, detail: String },
    #[error(transparent)]
    NoLine(#[from] super::lines::NoLine),
    #[error(transparent)]
    Unexpected(#[from] sluicegate_table::watch::Unreadable),
}

/// A connection; dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    authority: String,
    token_file: PathBuf,
}

impl Connection {
    /// Connects to the controller's URL, or to `address` in its place.
    pub(super) async fn open(controller: &Controller, address: Option<&str>) -> Result<Self, ConnectionError> {
        let (host, port) = place(&controller.url);
        let authority = format!("{}:{port}", controller.url.host().unwrap_or_default());
        let address = address.unwrap_or(&authority).to_owned();
        let tls = TlsConnector::from(tls(&controller.ca_file)?);
        let name = ServerName::try_from(host).map_err(|error| ConnectionError::Setup(error.to_string()))?;

        let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
        let tcp = timeout(PATIENCE, TcpStream::connect(&address)).await.unwrap_or_else(|_| Err(late()));
        let tcp = tcp.map_err(|error| ConnectionError::Connect { address: address.clone(), error })?;
        // A report must not wait for an acknowledgement. If the system refuses, it is slower, not wrong.
        let _ = tcp.set_nodelay(true);
        let stream = timeout(PATIENCE, tls.connect(name, tcp)).await.unwrap_or_else(|_| Err(late()));
        let stream = stream.map_err(|error| ConnectionError::Tls { address, error })?;
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream));
        let (sender, connection) = timeout(PATIENCE, handshake).await.map_err(|_| ConnectionError::TimedOut)??;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the controller ended");
            }
        });
        Ok(Self { sender, driver, authority, token_file: controller.token_file.clone() })
    }

    /// Sends a request and waits for its answer's head. A body is JSON and makes it a POST.
    pub(super) async fn ask(&self, path: &str, body: Option<String>) -> Result<Response<Incoming>, ConnectionError> {
        let uri = format!("https://{}{path}", self.authority);
        let mut request = Request::builder().uri(uri);
        if body.is_some() {
            request = request.method(Method::POST).header(CONTENT_TYPE, "application/json");
        }
        let body = Full::from(body.map(Bytes::from).unwrap_or_default());
        let mut request = request.body(body).map_err(|error| ConnectionError::Setup(error.to_string()))?;
        request.headers_mut().insert(AUTHORIZATION, self.bearer()?);
        let mut sender = self.sender.clone();
        let answer = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        Ok(timeout(ANSWER, answer).await.map_err(|_| ConnectionError::TimedOut)??)
    }

    fn bearer(&self) -> Result<HeaderValue, ConnectionError> {
        let file = &self.token_file;
        let token =
            fs::read_to_string(file).map_err(|error| ConnectionError::Unreadable { file: file.clone(), error })?;
        let no_token = || ConnectionError::NoToken(file.clone());
        if token.trim().is_empty() {
            return Err(no_token());
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_| no_token())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The host without brackets, and the port.
fn place(url: &Uri) -> (String, u16) {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), url.port_u16().unwrap_or(443))
}

fn tls(ca_file: &Path) -> Result<Arc<ClientConfig>, ConnectionError> {
    let pem = fs::read(ca_file).map_err(|error| ConnectionError::Unreadable { file: ca_file.to_owned(), error })?;
    let authorities = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    if roots.is_empty() {
        return Err(ConnectionError::NoAuthorities(ca_file.to_owned()));
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| ConnectionError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    Ok(Arc::new(config))
}
