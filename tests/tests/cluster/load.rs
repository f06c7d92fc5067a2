//! Requests without pause, each on a connection of its own, while something else is changed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

/// Clients at a time: enough that some request is under way at every moment.
const CLIENTS: usize = 4;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an echo server behind the proxies answered: its name. Whatever else comes of the request is an error.
pub(crate) fn ask(address: SocketAddr, host: &str) -> Result<String, String> {
    let attempt = || {
        let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        write!(connection, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = attempt().map_err(|error: std::io::Error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("half an answer: {answer:?}"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(answer);
    }
    let body: Value = serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))?;
    body["name"].as_str().map(str::to_owned).ok_or(answer)
}

/// Who answers how many of so many requests.
pub(crate) fn shares(address: SocketAddr, host: &str, requests: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        let name = ask(address, host).unwrap_or_else(|error| panic!("{error}"));
        *shares.entry(name).or_default() += 1;
    }
    shares
}

/// Requests that are being made.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    failed: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<usize>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, host: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let failed = Arc::new(Mutex::new(Vec::new()));
        let client = |_| {
            let (stop, failed) = (Arc::clone(&stop), Arc::clone(&failed));
            thread::spawn(move || {
                let mut answered = 0;
                while !stop.load(Ordering::Relaxed) {
                    match ask(address, host) {
                        Ok(_) => answered += 1,
                        Err(error) => failed.lock().unwrap().push(error),
                    }
                    // A busy loop would take the node's processors from what is tested.
                    thread::sleep(Duration::from_millis(5));
                }
                answered
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, failed, clients }
    }

    /// Ends it, and holds it to not one failed request while `what` was done.
    pub(crate) fn end_without_failure(self, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let answered: usize = self.clients.into_iter().map(|client| client.join().unwrap()).sum();
        let failed = self.failed.lock().unwrap();
        assert!(
            failed.is_empty(),
            "{what}: {} of {} failed, such as {:?}",
            failed.len(),
            answered + failed.len(),
            failed[0]
        );
        assert!(answered > 50, "{what}: only {answered} requests were made");
    }
}
