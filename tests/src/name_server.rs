//! A name server that knows one name and says of it what a test wants, from one question to the next.
//!
//! `resolv.conf` has no place for a port, so that it listens on port 53, of a loopback address of its own.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinEncodable};

/// How long it is remembered that there is no such name, in seconds.
const NEGATIVE_TTL: u32 = 1;

/// What it says of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// These addresses, for so many seconds.
    Addresses(Vec<Ipv4Addr>, u32),
    /// There is no such name.
    NoSuchName,
    /// It cannot tell.
    ServerFailure,
    /// Nothing at all.
    Nothing,
}

/// A name server.
#[derive(Debug)]
pub struct NameServer {
    address: Ipv4Addr,
    state: Arc<State>,
    answering: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    name: Name,
    says: Mutex<Says>,
    asked: AtomicUsize,
    stop: AtomicBool,
}

impl NameServer {
    /// One that says this of a name.
    pub fn start(name: &str, says: Says) -> Self {
        let (socket, address) = bind();
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
        let state = Arc::new(State {
            name: Name::from_ascii(format!("{name}.")).expect("a name"),
            says: Mutex::new(says),
            asked: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let serving = Arc::clone(&state);
        let answering = Some(thread::spawn(move || serving.serve(&socket)));
        Self { address, state, answering }
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Says something else from now on.
    pub fn says(&self, says: Says) {
        *self.state.says.lock().unwrap() = says;
    }

    /// How often it was asked for IPv4 addresses of its name, answered or not.
    pub fn asked(&self) -> usize {
        self.state.asked.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        if let Some(answering) = self.answering.take() {
            // A panic in there has failed the test already.
            drop(answering.join());
        }
    }
}

/// Port 53 of a loopback address that no other test has.
fn bind() -> (UdpSocket, Ipv4Addr) {
    let first = std::process::id() & 0xffff;
    for number in (first..0xffff).chain(1..first) {
        let [.., high, low] = number.to_be_bytes();
        let address = Ipv4Addr::new(127, 53, high, low);
        match UdpSocket::bind((address, 53)) {
            Ok(socket) => return (socket, address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => {
                panic!("port 53 of {address} (needs root, or net.ipv4.ip_unprivileged_port_start=53): {error}")
            }
        }
    }
    panic!("all of 127.53.0.0/16 is taken")
}

impl State {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; 1024];
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
            let question = Message::from_bytes(&buffer[..length]).expect("a question");
            if let Some(answer) = self.answer(&question) {
                socket.send_to(&answer.to_bytes().expect("a message"), client).expect("loopback takes it");
            }
        }
    }

    fn answer(&self, question: &Message) -> Option<Message> {
        let query: Query = question.queries[0].clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        let of_ours = *query.name() == self.name;
        let says = self.says.lock().unwrap().clone();
        self.asked.fetch_add(usize::from(of_ours && query.query_type() == RecordType::A), Ordering::SeqCst);
        match says {
            Says::Nothing => return None,
            Says::ServerFailure => answer.metadata.response_code = ResponseCode::ServFail,
            Says::Addresses(addresses, ttl) if of_ours => {
                if query.query_type() == RecordType::A {
                    for address in addresses {
                        answer.add_answer(Record::from_rdata(query.name().clone(), ttl, RData::A(A(address))));
                    }
                } else {
                    answer.add_authority(nothing());
                }
            }
            Says::NoSuchName | Says::Addresses(..) => {
                answer.metadata.response_code = ResponseCode::NXDomain;
                answer.add_authority(nothing());
            }
        }
        answer.add_query(query);
        Some(answer)
    }
}

/// For how long there is nothing (RFC 2308).
fn nothing() -> Record {
    let zone = Name::root();
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 60, 60, 60, NEGATIVE_TTL);
    Record::from_rdata(zone, NEGATIVE_TTL, RData::SOA(soa))
}
