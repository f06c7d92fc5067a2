//! TCP connections to hosts: whoever sends requests to targets and whoever checks their health reaches them alike.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use crate::forward::error::ForwardError;
use crate::resolve::Resolver;

/// A TCP connection to the first address of `host` that takes one. Each address gets an equal part of the time `within`
/// which there is to be one, so that one that does not answer leaves some to the others.
pub(crate) async fn connect(
    resolver: &Resolver,
    host: &str,
    port: u16,
    within: Duration,
) -> Result<TcpStream, ForwardError> {
    let addresses = resolver
        .resolve(host)
        .await
        .map_err(|error| ForwardError::Resolve { host: host.to_owned(), message: error.to_string() })?;
    // Those who wait may stop at any moment, a limit of their own among the reasons.
    let mut reached = Reached { resolver, host, any: false };
    let share = within / u32::try_from(addresses.iter().count().max(1)).unwrap_or(u32::MAX);
    let mut failure = None;
    for address in addresses.iter() {
        match tokio::time::timeout(share, connect_to(address, port)).await {
            Ok(Ok(tcp)) => {
                reached.any = true;
                return Ok(tcp);
            }
            Ok(Err(error)) => failure = Some(ForwardError::Connect(error)),
            Err(_) => failure = Some(ForwardError::ConnectTimeout),
        }
    }
    Err(failure.unwrap_or_else(|| ForwardError::Resolve {
        host: host.to_owned(),
        message: "the name has no address".to_owned(),
    }))
}

/// A TCP connection to an address.
pub(crate) async fn connect_to(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.connect(SocketAddr::new(address, port)).await
}

/// Whether an address of a host took a connection. Tells the resolver when it is dropped and none did.
struct Reached<'a> {
    resolver: &'a Resolver,
    host: &'a str,
    any: bool,
}

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        if !self.any {
            self.resolver.doubt(self.host);
        }
    }
}
