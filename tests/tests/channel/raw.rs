//! A client that sees the lines as they are, and that may stop reading.

use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Request, StatusCode};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::installation::{Controlled, NAME};
use sluicegate_tests::wait::PATIENCE;

/// A connection; it ends when dropped.
pub(crate) struct Raw {
    sender: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Raw {
    pub(crate) async fn connect(controller: &Controlled) -> Self {
        let tls = TlsConnector::from(controller.certificates.client(&["h2"]));
        Self::connect_with(controller, &tls).await
    }

    pub(crate) async fn connect_with(controller: &Controlled, tls: &TlsConnector) -> Self {
        let tcp = TcpStream::connect(controller.address()).await.unwrap();
        let stream = tls.connect(ServerName::try_from(NAME).unwrap(), tcp).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = tokio::spawn(async move { drop(connection.await) });
        Self { sender, driver }
    }

    /// Asks with a token that is a pod's.
    pub(crate) async fn watch(&self, controller: &Controlled, pod: &str, rest: &str, body: Option<&Value>) -> Answer {
        let token = std::fs::read_to_string(controller.token_file(pod)).unwrap();
        self.ask(&format!("/v1/table?watch=true{rest}"), Some(&token), body).await
    }

    /// Sends a request; a body makes it a POST.
    pub(crate) async fn ask(&self, path: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().uri(format!("https://{NAME}{path}"));
        request = request.method(if body.is_some() { "POST" } else { "GET" });
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (answer, mut stream) = sender.send_request(request.body(()).unwrap(), body.is_none()).unwrap();
        if let Some(body) = body {
            stream.send_data(Bytes::from(body.to_string()), true).unwrap();
        }
        let answer = timeout(PATIENCE, answer).await.expect("an answer").unwrap();
        let (parts, body) = answer.into_parts();
        Answer { status: parts.status, headers: parts.headers, body, begun: Vec::new(), bytes: 0 }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer whose body is read line by line. What is not read holds the sender up.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: RecvStream,
    begun: Vec<u8>,
    /// How much has been read.
    pub(crate) bytes: usize,
}

impl Answer {
    /// The next line; `None`: the body has ended, in order or not.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.begun.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let piece = timeout(PATIENCE, self.body.data()).await.expect("a line or the end")?.ok()?;
            self.body.flow_control().release_capacity(piece.len()).unwrap();
            self.bytes += piece.len();
            self.begun.extend_from_slice(&piece);
        }
    }

    /// The lines up to the next commit, in short: type, kind and key; heartbeats left out.
    pub(crate) async fn batch(&mut self) -> Vec<String> {
        let mut batch = Vec::new();
        loop {
            let line = self.line().await.expect("a commit");
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            match word("type").as_str() {
                "Heartbeat" => {}
                "Commit" => {
                    batch.push(format!("Commit {}", word("version")));
                    return batch;
                }
                kind => batch.push(format!("{kind} {} {}", word("kind"), word("key"))),
            }
        }
    }

    /// The whole body, where it is one JSON value.
    pub(crate) async fn problem(mut self) -> Value {
        self.line().await.expect("a problem")
    }
}

/// A connector that many connections share.
pub(crate) fn connector(controller: &Controlled) -> TlsConnector {
    TlsConnector::from(Arc::clone(&controller.certificates.client(&["h2"])))
}
