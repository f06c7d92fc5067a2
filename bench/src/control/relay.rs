//! A relay between a proxy and the controller that counts what the controller sends.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// It runs until the process ends.
#[derive(Debug)]
pub(super) struct Relay {
    /// Where it listens.
    pub(super) address: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Relay {
    pub(super) fn start(to: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let relay = Self { address: listener.local_addr()?, sent: Arc::default() };
        let sent = Arc::clone(&relay.sent);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A controller that is away is a connection that ends.
                let Ok(server) = TcpStream::connect(to) else { continue };
                let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let nobody = Arc::default();
                thread::spawn(move || pass(from_client, server, &nobody));
                let sent = Arc::clone(&sent);
                thread::spawn(move || pass(from_server, client, &sent));
            }
        });
        Ok(relay)
    }

    /// Bytes from the controller so far, TLS and HTTP/2 included.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        count.fetch_add(length as u64, Ordering::Relaxed);
        let Some(piece) = buffer.get(..length) else { break };
        if to.write_all(piece).is_err() {
            break;
        }
    }
    // The other direction may be over already.
    let _ = to.shutdown(Shutdown::Write);
}
