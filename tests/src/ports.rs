//! Ports for the program, kept from everyone else until it listens on them.
//!
//! A port that is found free and let go may be taken by the next test, and the program's own listeners share theirs
//! (`SO_REUSEPORT`), so that two programs on one port would go unnoticed. A socket that is bound but does not listen
//! gets no connections and, having both options set, does not keep the program from binding; but the kernel hands its
//! port to no one who asks for any port.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port of the loopback address that is ours until this is dropped.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _bound: Socket,
}

impl Port {
    /// Any free port.
    pub fn free() -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// This one, of another loopback address say.
    pub fn at(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        socket.set_reuse_port(true).expect("SO_REUSEPORT");
        socket.bind(&address.into()).expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address").as_socket().expect("IPv4");
        Self { address, _bound: socket }
    }

    /// Address and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
