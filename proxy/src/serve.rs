//! Starting and stopping the data plane.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::config::{self, Config};
use crate::forward::last_good::LastGood;
use crate::health::monitor::monitor;
use crate::health::{Timekeeper, checks};
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::Metrics;
use crate::receive::Current;
use crate::resolve::Resolver;
use crate::tls::{self, CertificateWatch, ListenerTls, TargetTlsCache, TlsError};
use crate::worker::{Settings, Socket, WorkerId, WorkerStart};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;

/// The running data plane.
#[derive(Debug)]
pub struct DataPlane {
    workers: Vec<thread::JoinHandle<io::Result<()>>>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    /// Checks endpoints and tells of their health.
    monitor: JoinHandle<()>,
    /// Endpoints return, and circuit breakers let probes through, for as long as it is kept.
    _timekeeper: Timekeeper,
    /// New certificates are taken in for as long as it is kept.
    _certificates: CertificateWatch,
}

/// Why the data plane could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Another process listens there.
    #[error("cannot listen on {address}: the port is in use by another process; stop it or choose another address")]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system does not allow it.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A listener's certificates cannot be used.
    #[error(transparent)]
    Certificates(#[from] TlsError),
    /// The certificates' folders cannot be watched.
    #[error("cannot watch the certificates' files: {0}")]
    WatchCertificates(#[source] io::Error),
    /// The system would not start a thread.
    #[error("cannot start a worker: {0}")]
    Thread(#[source] io::Error),
}

impl DataPlane {
    /// Binds every listener and starts the workers. They serve what is in force in `current`, now and later. Names are
    /// resolved, endpoints watched and what health has due is done on the runtime of `control`.
    pub fn start(
        control: &Handle,
        config: &Config,
        current: &Arc<Current>,
        metrics: &Arc<Metrics>,
        access_log: &AccessLog,
    ) -> Result<Self, StartError> {
        let count = match config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let resolver = Resolver::system(control.clone());
        let target_tls = Arc::new(TargetTlsCache::default());
        let mut certificates = Vec::new();
        let mut addresses = Vec::new();
        let mut sockets: Vec<Vec<Socket>> = (0..count).map(|_| Vec::new()).collect();
        for listener in &config.listeners {
            let acceptor = acceptor(listener, &mut certificates)?;
            let bound = bind(listener.address, count)?;
            addresses.extend(bound.first().and_then(|socket| socket.local_addr().ok()));
            for (worker, socket) in sockets.iter_mut().zip(bound) {
                worker.push(Socket { socket, tls: acceptor.clone() });
            }
        }
        let watching = tls::watch(certificates).map_err(StartError::WatchCertificates)?;
        let checks = checks::Dialer::new(resolver.clone(), Arc::clone(&target_tls));
        let settings = Settings::of(config);
        let last_good = LastGood::new();
        let (stop, stopping) = watch::channel(false);
        let workers = sockets
            .into_iter()
            .enumerate()
            .map(|(id, sockets)| {
                let start = WorkerStart {
                    id: WorkerId(id),
                    settings: Arc::clone(&settings),
                    current: Arc::clone(current),
                    metrics: Arc::clone(metrics),
                    access_log: access_log.clone(),
                    last_good: Arc::clone(&last_good),
                    resolver: resolver.clone(),
                    tls: Arc::clone(&target_tls),
                    sockets,
                    stop: stopping.clone(),
                };
                start.spawn()
            })
            .collect::<io::Result<Vec<_>>>()
            .map_err(StartError::Thread)?;
        let monitor = control.spawn(monitor(Arc::clone(current), checks, Arc::clone(metrics)));
        let timekeeper = Timekeeper::start(control, Arc::clone(&current.load().health));
        Ok(Self { workers, addresses, stop, monitor, _timekeeper: timekeeper, _certificates: watching })
    }

    /// The listeners' addresses with the ports that the system chose, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, lets what is in flight finish within `shutdown.drainTimeout`, and returns when all workers have
    /// ended. Blocks the thread.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for worker in self.workers {
            match worker.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker failed"),
                Err(_) => tracing::error!("a worker panicked"),
            }
        }
        self.monitor.abort();
    }
}

fn acceptor(listener: &config::Listener, kept: &mut Vec<ListenerTls>) -> Result<Option<TlsAcceptor>, StartError> {
    if listener.certificates.is_empty() {
        return Ok(None);
    }
    let tls = ListenerTls::load(&listener.certificates)?;
    let acceptor = tls.acceptor();
    kept.push(tls);
    Ok(Some(acceptor))
}

/// One socket per worker on the same address; the system spreads new connections over them.
fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, StartError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { address },
        _ => StartError::Listen { address, error },
    };
    // Sharing a port works across processes too. A socket that shares nothing finds out whether another one has it.
    let probe = socket(address, false).map_err(failed)?;
    let actual = probe.local_addr().map_err(failed)?;
    drop(probe);
    (0..count).map(|_| socket(actual, true).map_err(failed)).collect()
}

fn socket(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
