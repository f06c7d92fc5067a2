//! The running channel.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::authenticate::Authenticator;
use super::certificates::Certificates;
use super::connections;
use super::requests::Shared;
use super::wire::Wire;
use crate::collect::Fleet;
use crate::lead::Leadership;
use crate::publish::Published;

/// How the channel is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens; port 0: one that the system chooses.
    pub address: SocketAddr,
    /// How long there may be nothing to read on a watch. Proxies take a connection on which nothing came for three times
    /// the default for dead.
    pub heartbeat: Duration,
}

impl Settings {
    /// With the usual heartbeat.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, heartbeat: Duration::from_secs(15) }
    }
}

/// Why the channel could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be had.
    #[error("cannot listen on {address} for the watch channel: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The TLS library refused the settings.
    #[error("TLS cannot be set up for the watch channel: {0}")]
    Tls(#[from] rustls::Error),
}

/// The running channel; dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Server {
    /// Starts it on the current runtime. Proxies get `published` from its first version with an epoch on, for as long as
    /// `leadership` says that this controller leads.
    pub async fn start(
        settings: &Settings,
        published: watch::Receiver<Published>,
        fleet: Arc<Fleet>,
        leadership: Leadership,
        authenticator: Authenticator,
        certificates: &Certificates,
    ) -> Result<Self, StartError> {
        let failed = |error| StartError::Listen { address: settings.address, error };
        let tls = TlsAcceptor::from(certificates.server_config()?);
        let listener = TcpListener::bind(settings.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (encoded, wire) = watch::channel(Arc::new(Wire::default()));
        let shared = Shared { wire, fleet, leadership, authenticator, heartbeat: settings.heartbeat };
        let mut tasks = JoinSet::new();
        tasks.spawn(encode(published, encoded));
        tasks.spawn(connections::serve(listener, tls, Arc::new(shared)));
        Ok(Self { address, tasks })
    }

    /// Returns when a part of it ends, which none does by itself: what it panicked with.
    pub async fn ended(&mut self) -> Option<JoinError> {
        self.tasks.join_next().await.and_then(Result::err)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and returns when its address is free.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Encodes each version, once for all proxies. Those that come while one is being encoded are merged.
async fn encode(mut published: watch::Receiver<Published>, encoded: watch::Sender<Arc<Wire>>) {
    loop {
        let version = published.borrow_and_update().clone();
        if !version.epoch.is_empty() {
            let wire = encoded.borrow().next(&version);
            encoded.send_replace(Arc::new(wire));
        }
        if published.changed().await.is_err() {
            // Nothing new can come; what there is stays.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_noticed_while_the_others_go_on() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        tasks.spawn(async { panic!("a fault") });
        let mut server = Server { address: ([127, 0, 0, 1], 0).into(), tasks };
        assert!(server.ended().await.unwrap().is_panic());
        server.stop().await;
    }
}
