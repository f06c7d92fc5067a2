//! A target that fails in the way that a test says, and in another from one moment to the next.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};

use crate::http1::{Message, Wire};
use crate::origin::{answer, ok};
use crate::ports::Port;
use crate::wait::PATIENCE;

/// What a target does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers 200 with its name.
    None,
    /// Takes no connection, and has cut those that were open.
    Refused,
    /// Takes connections and requests, and never answers.
    BlackHole,
    /// Resets the connection when it has the request.
    ResetBeforeHead,
    /// Resets it within the answer's head.
    ResetInHead,
    /// Resets it within a chunked body.
    ResetInBody,
    /// Sends the answer's head byte by byte, with this pause between two.
    SlowHead(Duration),
    /// Sends the answer's body byte by byte, with this pause between two.
    SlowBody(Duration),
    /// Answers with this status, an empty body and these fields (each with its line end).
    Status(u16, &'static str),
    /// Says that the body is longer than it is, and closes.
    LengthTooLong,
    /// Says that the body is shorter than it is.
    LengthTooShort,
    /// Answers with what is no HTTP.
    Garbage,
    /// Answers whatever opens a connection with clear text, and has cut those that were open.
    NoTls,
    /// Answers every second request as it should.
    EverySecond(Box<Fault>),
}

/// A target that fails.
#[derive(Debug)]
pub struct Faulty {
    port: Port,
    state: Arc<State>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct State {
    name: String,
    tls: Option<Arc<ServerConfig>>,
    fault: Mutex<Fault>,
    stop: AtomicBool,
    requests: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    connections: AtomicUsize,
}

impl Faulty {
    /// A target in clear text that does not fail yet.
    pub fn start(name: &str) -> Self {
        Self::with_tls(name, None)
    }

    /// The same over TLS, if need be.
    pub fn with_tls(name: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        Self::on(name, Port::free(), tls)
    }

    /// A target in clear text at this address.
    pub fn at(name: &str, address: SocketAddr) -> Self {
        Self::on(name, Port::at(address), None)
    }

    fn on(name: &str, port: Port, tls: Option<Arc<ServerConfig>>) -> Self {
        let state = State {
            name: name.to_owned(),
            tls,
            fault: Mutex::new(Fault::None),
            stop: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            open: Mutex::default(),
            connections: AtomicUsize::new(0),
        };
        let faulty = Self { port, state: Arc::new(state), accepting: Mutex::default() };
        faulty.listen();
        faulty
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Requests that it has got, whatever became of them.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Connections that it has taken.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Fails in this way from the next request on.
    pub fn fail(&self, fault: Fault) {
        let (refused, no_tls) = (fault == Fault::Refused, fault == Fault::NoTls);
        *self.state.fault.lock().unwrap() = fault;
        if refused {
            self.close();
        } else {
            self.listen();
        }
        if no_tls {
            self.cut();
        }
    }

    fn listen(&self) {
        let mut accepting = self.accepting.lock().unwrap();
        if accepting.is_some() {
            return;
        }
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        socket.set_reuse_port(true).expect("SO_REUSEPORT");
        socket.bind(&self.address().into()).expect("a port that is kept");
        socket.listen(1024).expect("a listener");
        self.state.stop.store(false, Ordering::SeqCst);
        let state = Arc::clone(&self.state);
        *accepting = Some(thread::spawn(move || state.accept(&socket.into())));
    }

    fn close(&self) {
        let Some(accepting) = self.accepting.lock().unwrap().take() else { return };
        self.state.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address()));
        accepting.join().expect("it only accepts");
        self.cut();
    }

    fn cut(&self) {
        for (_, stream) in self.state.open.lock().unwrap().drain() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection, whether in clear text or over TLS.
trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl State {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            stream.set_nodelay(true).expect("TCP_NODELAY");
            stream.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            self.open.lock().unwrap().insert(number, stream.try_clone().expect("a second handle"));
            let state = Arc::clone(self);
            thread::spawn(move || {
                // A connection that breaks off is what this is for.
                drop(state.serve(stream, number));
                state.open.lock().unwrap().remove(&number);
            });
        }
    }

    fn serve(&self, mut stream: TcpStream, number: usize) -> io::Result<()> {
        if *self.fault.lock().unwrap() == Fault::NoTls {
            let _hello = stream.read(&mut [0; 1024])?;
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
        let handle = stream.try_clone()?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(tls)).expect("a TLS server"), stream))
            }
        };
        let mut wire = Wire::new(stream);
        while let Some(request) = wire.request()? {
            let count = self.requests.fetch_add(1, Ordering::SeqCst);
            let fault = match self.fault.lock().unwrap().clone() {
                Fault::EverySecond(fault) if count % 2 == 1 => *fault,
                Fault::EverySecond(_) => Fault::None,
                fault => fault,
            };
            match self.answer(&mut wire, &fault, &request) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) => {
                    // Closing the last handle of a socket that does not linger is a reset.
                    self.open.lock().unwrap().remove(&number);
                    return SockRef::from(&handle).set_linger(Some(Duration::ZERO));
                }
            }
        }
        Ok(())
    }

    /// Whether the connection goes on; an error resets it.
    fn answer(&self, wire: &mut Wire<Box<dyn Stream>>, fault: &Fault, request: &Message) -> io::Result<bool> {
        let good = ok(if request.method() == "HEAD" { "" } else { &self.name });
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        match fault {
            Fault::None | Fault::Refused | Fault::NoTls | Fault::EverySecond(_) => wire.send(good)?,
            Fault::BlackHole => {
                wire.rest()?;
                return Ok(false);
            }
            Fault::ResetBeforeHead => return Err(reset()),
            Fault::ResetInHead => {
                wire.send(&good[..20])?;
                return Err(reset());
            }
            Fault::ResetInBody => {
                wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n")?;
                // What has arrived before a reset is still there to be read: so it is on Linux.
                return Err(reset());
            }
            Fault::SlowHead(pause) => slowly(wire, &good, *pause)?,
            Fault::SlowBody(pause) => {
                let head = good.len() - self.name.len();
                wire.send(&good[..head])?;
                slowly(wire, &good[head..], *pause)?;
            }
            Fault::Status(status, fields) => {
                wire.send(format!("HTTP/1.1 {status} Fault\r\ncontent-length: 0\r\n{fields}\r\n"))?;
            }
            Fault::LengthTooLong => {
                wire.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nshort")?;
                return Ok(false);
            }
            Fault::LengthTooShort => {
                wire.send([answer("200 OK", &self.name), b"and more".to_vec()].concat())?;
            }
            Fault::Garbage => {
                wire.send("\x16\x03\x01 this is no HTTP\r\n\r\n")?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn slowly(wire: &mut Wire<Box<dyn Stream>>, bytes: &[u8], pause: Duration) -> io::Result<()> {
    for byte in bytes {
        wire.send([*byte])?;
        thread::sleep(pause);
    }
    Ok(())
}
