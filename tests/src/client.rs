//! A client that sends exactly the bytes that a test wrote.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::http1::{Message, Wire};
use crate::wait::PATIENCE;

/// One connection to the program.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    /// The connection.
    pub wire: Wire<S>,
}

impl Client {
    /// Connects in clear text.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// Connects in clear text, where somebody may not be listening.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { wire: Wire::new(tcp(address)?) })
    }

    /// Ends its own side; the other goes on.
    pub fn finish(&self) {
        self.wire.stream.shutdown(Shutdown::Write).expect("the connection is open");
    }

    /// The client's own address.
    pub fn address(&self) -> SocketAddr {
        self.wire.stream.local_addr().expect("a connected socket has an address")
    }
}

impl Client<StreamOwned<ClientConnection, TcpStream>> {
    /// Connects over TLS, naming `server`.
    pub fn connect_tls(address: SocketAddr, server: &str, config: Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from(server.to_owned()).expect("a server name");
        let session = ClientConnection::new(config, name).expect("a TLS client");
        let stream = tcp(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"));
        Self { wire: Wire::new(StreamOwned::new(session, stream)) }
    }
}

impl<S: Read + Write> Client<S> {
    /// Sends the bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.wire.send(bytes).expect("the bytes can be sent");
        self
    }

    /// Sends the bytes, of which the other side may not want to read all.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        drop(self.wire.send(bytes));
        self
    }

    /// The next answer to a request that was no HEAD.
    pub fn answer(&mut self) -> Message {
        self.wire.answer("GET").expect("an answer")
    }

    /// The next answer to a HEAD.
    pub fn answer_to_head(&mut self) -> Message {
        self.wire.answer("HEAD").expect("an answer")
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.send(request).answer()
    }

    /// A GET of this path for the host `test`.
    pub fn get(&mut self, path: &str) -> Message {
        self.ask(get(path))
    }

    /// Everything that still comes before the other side ends the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        self.wire.rest().expect("the connection ends")
    }

    /// Checks that the other side ends the connection without another byte.
    pub fn ends(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "nothing more was expected: {:?}", String::from_utf8_lossy(&rest));
    }
}

/// The bytes of a GET of this path for the host `test`.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

/// A GET of the admin listener at this address, on a connection of its own. It answers to no name but localhost.
pub fn admin(address: SocketAddr, path: &str) -> Message {
    Client::connect(address).ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
}

/// The bytes of a POST of this body for the host `test`.
pub fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
