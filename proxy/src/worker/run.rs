//! A worker's thread, from its start to its drained end.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

use super::{Settings, Worker, WorkerId};
use crate::forward::client::{Listener, accept};
use crate::forward::clock::TICK;
use crate::forward::last_good::LastGood;
use crate::forward::late_writes::write_late;
use crate::forward::upstream::Dialer;
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::Metrics;
use crate::receive::Current;
use crate::resolve::Resolver;
use crate::tls::TargetTlsCache;

/// What a worker starts with.
pub(crate) struct WorkerStart {
    pub(crate) id: WorkerId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) current: Arc<Current>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) access_log: AccessLog,
    pub(crate) last_good: Arc<LastGood>,
    pub(crate) resolver: Resolver,
    pub(crate) tls: Arc<TargetTlsCache>,
    pub(crate) sockets: Vec<Socket>,
    /// Turns `true` when the worker is to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

/// A bound socket of a listener, one per worker.
pub(crate) struct Socket {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
}

/// How many tasks may run before the driver is asked for more: all that are ready, as a rule. Asked more often, it has
/// less to give each time, and peers that could be kept busy fall asleep in between.
const TURN: u32 = 1024;

impl WorkerStart {
    /// Starts the worker's thread. It ends when the worker has stopped.
    pub(crate) fn spawn(self) -> io::Result<thread::JoinHandle<io::Result<()>>> {
        thread::Builder::new().name(format!("worker-{}", self.id.0)).spawn(move || {
            let runtime =
                Builder::new_current_thread().event_interval(TURN).enable_all().build_local(LocalOptions::default())?;
            runtime.block_on(self.run())
        })
    }

    async fn run(mut self) -> io::Result<()> {
        let metrics = self.metrics.worker();
        let listeners = self
            .sockets
            .drain(..)
            .map(|Socket { socket, tls }| {
                let metrics = metrics.listener(&socket.local_addr()?.to_string());
                socket.set_nonblocking(true)?;
                Ok(Listener { socket: tokio::net::TcpListener::from_std(socket)?, tls, metrics })
            })
            .collect::<io::Result<Vec<Listener>>>()?;
        let dialer = Dialer::new(self.resolver, self.tls);
        let access_log = self.access_log.worker();
        let worker = Worker::new(self.id, self.settings, self.current, dialer, metrics, access_log, self.last_good);
        let accepting: Vec<JoinHandle<()>> = listeners
            .into_iter()
            .map(|listener| tokio::task::spawn_local(accept(Rc::clone(&worker), listener)))
            .collect();
        let writing = tokio::task::spawn_local(write_late());
        let ticking = tokio::task::spawn_local(tick(Rc::clone(&worker)));
        // An error means that whoever could say so has gone, which is as good as a word to stop.
        let _ = self.stop.wait_for(|stop| *stop).await;
        accepting.iter().for_each(JoinHandle::abort);
        worker.drain();
        let quiet = tokio::time::timeout(worker.settings().drain_timeout, worker.until_quiet()).await;
        if quiet.is_err() {
            tracing::warn!(worker = self.id.0, "requests did not finish within shutdown.drainTimeout; they are cut");
        }
        ticking.abort();
        writing.abort();
        Ok(())
    }
}

async fn tick(worker: Rc<Worker>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        worker.tick();
    }
}
