//! A network between clients and a server: it counts what passes, and can be cut.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes connections on until the process ends.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    network: Arc<Network>,
}

#[derive(Debug, Default)]
struct Network {
    cut: AtomicBool,
    from_server: AtomicU64,
    through: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A way to this server.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let relay = Self { address: listener.local_addr().expect("bound"), network: Arc::default() };
        let network = Arc::clone(&relay.network);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is away is a connection that ends.
                let Ok(server) = TcpStream::connect(server) else { continue };
                let second = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                network.through.lock().unwrap().extend([second(&client), second(&server)]);
                let (from_client, to_server) = (second(&client), second(&server));
                let (there, back) = (Arc::clone(&network), Arc::clone(&network));
                thread::spawn(move || there.pass(from_client, to_server, |_| {}));
                thread::spawn(move || {
                    back.pass(server, client, |bytes| {
                        back.from_server.fetch_add(bytes, Ordering::Relaxed);
                    });
                });
            }
        });
        relay
    }

    /// Bytes from the server so far.
    pub fn from_server(&self) -> u64 {
        self.network.from_server.load(Ordering::Relaxed)
    }

    /// Cuts the network: connections stand still, as over a lost link.
    pub fn cut(&self) {
        self.network.cut.store(true, Ordering::Relaxed);
    }

    /// Connections that stood still are gone; new ones get through.
    pub fn mend(&self) {
        self.network.cut.store(false, Ordering::Relaxed);
        for stream in self.network.through.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Network {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, count: impl Fn(u64)) {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            count(length as u64);
            // What is sent into a cut network is lost.
            if !self.cut.load(Ordering::Relaxed) && to.write_all(&piece[..length]).is_err() {
                return;
            }
        }
        if !self.cut.load(Ordering::Relaxed) {
            drop(to.shutdown(Shutdown::Write));
        }
    }
}
