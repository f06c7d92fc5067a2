//! Checks over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod egress;
mod grpc_check;
mod http_check;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sluicegate_table::{ActiveCheck, ObjectKey, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;

use super::failure::{CheckFailure, CheckResult};
use super::repeat::Checker;
use super::*;
use crate::resolve::Resolver;
use crate::tls::TargetTlsCache;

/// Longer than anything here takes that is to succeed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A check with `probe` in the table's words.
fn check(probe: Value) -> ActiveCheck {
    let (interval, timeout) = (Duration::from_secs(30), PATIENCE);
    let mut check = json!({ "interval": interval, "timeout": timeout, "healthyThreshold": 2, "unhealthyThreshold": 3 });
    check["probe"] = probe;
    serde_json::from_value(check).unwrap()
}

/// An HTTP check that expects 200 to 299, with `more` fields.
fn http(more: &Value) -> Value {
    let mut probe = json!({ "method": "GET", "path": "/healthz", "expectedStatuses": [{ "from": 200, "to": 299 }] });
    probe.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "HTTP": probe })
}

/// What asks the server at `address` so, which it speaks `protocol` to. It has a credential, which no check may send.
fn subject(address: SocketAddr, protocol: &str, probe: Value) -> Subject {
    let target: Target = serde_json::from_value(json!({
        "host": address.ip().to_string(), "port": address.port(), "protocol": protocol, "path": "/prefix",
        "headers": [["x-of-the-target", "planted"]], "credential": { "header": "authorization", "value": "planted" },
    }))
    .unwrap();
    let key = ObjectKey::new("default", "t");
    Subject { key, address: None, target: Arc::new(target), check: check(probe), egress_proxy: None }
}

fn checker(subject: Subject) -> Checker {
    Checker::new(subject, Dialer::new(Resolver::system(Handle::current()), Arc::new(TargetTlsCache::default())))
}

/// What one check comes to, and why in words.
async fn once(subject: Subject) -> (CheckResult, String) {
    told(&checker(subject).check().await)
}

fn told(check: &Result<(), CheckFailure>) -> (CheckResult, String) {
    (CheckResult::of(check), check.as_ref().err().map(ToString::to_string).unwrap_or_default())
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens, as long as the socket is there: it keeps the port from all others.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A server that speaks HTTP/1.1 by hand.
struct Server {
    address: SocketAddr,
    /// The heads of all requests, each with the number of its connection.
    heads: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Server {
    /// Answers each request with the bytes of `answer`, which gets its number; `None` closes the connection.
    async fn start(answer: impl Fn(usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (listener, address) = listen().await;
        let heads = Arc::<Mutex<Vec<_>>>::default();
        let (seen, answer) = (Arc::clone(&heads), Arc::new(answer));
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer_all(stream, number, Arc::clone(&seen), Arc::clone(&answer)));
            }
        });
        Self { address, heads }
    }

    fn heads(&self) -> Vec<(usize, String)> {
        self.heads.lock().unwrap().clone()
    }
}

async fn answer_all(
    mut stream: TcpStream,
    number: usize,
    seen: Arc<Mutex<Vec<(usize, String)>>>,
    answer: Arc<impl Fn(usize) -> Option<Vec<u8>>>,
) {
    while let Some(head) = read_head(&mut stream).await {
        let request = {
            let mut seen = seen.lock().unwrap();
            seen.push((number, head));
            seen.len() - 1
        };
        let Some(bytes) = answer(request) else { return };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// A request's head; `None` at the connection's end.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

fn answered(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Waits for what another task does.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not so: {what}"));
}
