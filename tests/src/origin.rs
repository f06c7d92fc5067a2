//! A scripted target: answers what a test says, and remembers exactly what it was sent.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http1::{Message, Wire};
use crate::wait::{PATIENCE, until};

/// A target that speaks HTTP/1 in clear text.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    requests: Mutex<Vec<Message>>,
    connections: Mutex<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    open: bool,
}

/// One connection of an [`Origin`], seen from the target's side. What is read from it is remembered.
pub struct Tap {
    stream: Box<dyn Stream>,
    state: Arc<State>,
    /// Which connection, counted from 0.
    pub number: usize,
}

/// A connection, whether in clear text or over TLS.
trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl Tap {
    /// A second handle of the TCP connection, past what is remembered.
    pub fn tcp(&self) -> TcpStream {
        self.state.connections.lock().unwrap()[self.number].stream.try_clone().expect("a second handle")
    }
}

impl Read for Tap {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(piece)?;
        self.state.connections.lock().unwrap()[self.number].received.extend_from_slice(&piece[..length]);
        Ok(length)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let connection = &mut self.state.connections.lock().unwrap()[self.number];
        drop(connection.stream.shutdown(Shutdown::Both));
        connection.open = false;
    }
}

impl Origin {
    /// A target that answers each request with what `answer` makes of it: the bytes of a whole HTTP/1.1 answer.
    pub fn start<A: AsRef<[u8]>>(answer: impl Fn(&Message) -> A + Send + Sync + 'static) -> Self {
        Self::scripted(move |wire, request| wire.send(answer(request)))
    }

    /// A target that answers 200 with this text.
    pub fn text(text: &str) -> Self {
        let answer = ok(text);
        Self::start(move |_| answer.clone())
    }

    /// A target that answers 200 with what it was sent, head and body.
    pub fn echo() -> Self {
        Self::start(|request| ok([&request.head[..], &request.body[..]].concat()))
    }

    /// A target that lets `script` answer each request in as many steps as it likes. An error ends the connection.
    pub fn scripted(script: impl Fn(&mut Wire<Tap>, &Message) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::raw(move |wire, state| {
            while let Some(mut request) = wire.request()? {
                request.connection = wire.stream.number;
                state.lock().unwrap().push(request.clone());
                script(wire, &request)?;
            }
            Ok(())
        })
    }

    /// A target that does with each connection what `serve` says, from the first byte on; the list is where it puts the
    /// requests that the test shall see.
    pub fn raw(serve: impl Fn(&mut Wire<Tap>, &Mutex<Vec<Message>>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::accept(None, serve)
    }

    /// A target that speaks HTTP/1 over TLS and answers 200 with what it was sent.
    pub fn tls_echo(tls: Arc<ServerConfig>) -> Self {
        Self::accept(Some(tls), |wire, requests| {
            while let Some(request) = wire.request()? {
                requests.lock().unwrap().push(request.clone());
                wire.send(ok([&request.head[..], &request.body[..]].concat()))?;
            }
            Ok(())
        })
    }

    fn accept(
        tls: Option<Arc<ServerConfig>>,
        serve: impl Fn(&mut Wire<Tap>, &Mutex<Vec<Message>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State::default());
        let (accepting, serve) = (Arc::clone(&state), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                stream.set_nodelay(true).expect("TCP_NODELAY");
                stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
                let number = {
                    let mut connections = accepting.connections.lock().unwrap();
                    connections.push(Connection {
                        stream: stream.try_clone().expect("a second handle"),
                        received: Vec::new(),
                        open: true,
                    });
                    connections.len() - 1
                };
                let stream: Box<dyn Stream> = match &tls {
                    None => Box::new(stream),
                    Some(tls) => Box::new(StreamOwned::new(
                        ServerConnection::new(Arc::clone(tls)).expect("a TLS server"),
                        stream,
                    )),
                };
                let tap = Tap { stream, state: Arc::clone(&accepting), number };
                let (state, serve) = (Arc::clone(&accepting), Arc::clone(&serve));
                thread::spawn(move || {
                    let mut wire = Wire::new(tap);
                    // A connection that breaks off is an ordinary end: what it means is for the client's side to say.
                    drop(serve(&mut wire, &state.requests));
                });
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Message> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    pub fn request(&self) -> Message {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "the target should have got one request: {requests:#?}");
        requests.remove(0)
    }

    /// Waits until it has got this many requests.
    pub fn until_requests(&self, count: usize) -> Vec<Message> {
        until(&format!("the target gets {count} requests"), || {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    /// All bytes received so far, one entry a connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.state.connections.lock().unwrap().iter().map(|connection| connection.received.clone()).collect()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.state.connections.lock().unwrap().len()
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.state.connections.lock().unwrap().iter().filter(|connection| connection.open).count()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        for connection in self.state.connections.lock().unwrap().iter() {
            drop(connection.stream.shutdown(Shutdown::Both));
        }
    }
}

/// A 200 with this body and its length.
pub fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK", body)
}

/// An answer with this status and reason phrase, this body and its length.
pub fn answer(status: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Certificates;
    use crate::client::{Client, post};

    #[test]
    fn a_target_remembers_what_it_was_sent() {
        let origin = Origin::echo();
        let mut client = Client::connect(origin.address());
        let sent = post("/path", "body");
        assert_eq!(client.ask(&sent).text(), sent);
        assert_eq!(
            client
                .ask("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-t: 1\r\n\r\n")
                .status(),
            200
        );
        let requests = origin.requests();
        assert_eq!((requests[0].target(), requests[0].text()), ("/path".to_owned(), "body".to_owned()));
        assert_eq!((requests[1].text().as_str(), requests[1].trailer("x-t").as_deref()), ("abc", Some("1")));
        assert!(origin.received()[0].starts_with(sent.as_bytes()));
        drop(client);
        until("the connection ends", || (origin.open_connections() == 0).then_some(()));
    }

    #[test]
    fn a_target_speaks_tls() {
        let certificates = Certificates::new(&["test"]);
        let origin = Origin::tls_echo(certificates.server(&["http/1.1"]));
        let mut client = Client::connect_tls(origin.address(), "test", certificates.client(&["http/1.1"]));
        assert!(client.get("/inside").text().starts_with("GET /inside "));
    }
}
