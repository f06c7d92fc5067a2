//! A process that serves: the data plane, the endpoints that show it, signals, and an orderly end. `run` and `proxy` differ
//! only in where their table comes from.
//!
//! The data plane has threads of its own. What is here runs on a small control runtime beside it.

use std::future::pending;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use sluicegate_proxy::observe::access_log::AccessLog;
use sluicegate_proxy::observe::admin::{self, Observed};
use sluicegate_proxy::observe::metrics::Metrics;
use sluicegate_proxy::receive::Current;
use sluicegate_proxy::serve::DataPlane;
use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{block_in_place, spawn_blocking};

use crate::settings::Settings;
use crate::startup_code;

/// Threads of the control runtime: a long scrape must not hold up a change of the table.
const CONTROL_THREADS: usize = 2;

/// Runs a process's work on its control runtime.
pub(crate) fn on_control_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control threads")?;
    let result = runtime.block_on(work);
    // Scrapes and echoes that still run are of no use to anybody now.
    runtime.shutdown_background();
    result
}

/// A process that serves.
pub(crate) struct Process {
    settings: Settings,
    signals: Signals,
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    access_log: AccessLog,
    observed: Observed,
    admin: SocketAddr,
    observe: Option<SocketAddr>,
}

impl Process {
    /// Binds the endpoints that show the process, and serves them from here on.
    pub(crate) async fn start(
        settings: Settings,
        current: &Arc<Current>,
        metrics: &Arc<Metrics>,
        signals: Signals,
    ) -> anyhow::Result<Self> {
        let config = settings.in_force();
        let access_log =
            AccessLog::start(config.access_log.sample, io::stdout()).context("cannot start the access log")?;
        metrics.watch_access_log(&access_log);
        let observed = Observed::new(Arc::clone(current), Arc::clone(metrics), config.identity.clone());
        let listener = bind(config.admin, "the admin endpoints").await?;
        let admin = listener.local_addr()?;
        tokio::spawn(axum::serve(listener, admin::admin(observed.clone())).into_future());
        let mut observe = None;
        if let Some(address) = config.observe {
            let listener = bind(address, "the observe endpoints").await?;
            observe = Some(listener.local_addr()?);
            tokio::spawn(axum::serve(listener, admin::observe(observed.clone())).into_future());
        }
        let (current, metrics) = (Arc::clone(current), Arc::clone(metrics));
        Ok(Self { settings, signals, current, metrics, access_log, observed, admin, observe })
    }

    /// Serves what is in force in `current`, now and later, until a signal says to stop; then ends in order: no new
    /// requests, those in flight may finish. Until something is in force it listens nowhere, so that clients go elsewhere.
    /// `work` runs meanwhile and does not return. `told` is what to say before where everything is.
    pub(crate) async fn serve(mut self, told: &str, work: impl Future<Output = ()>) -> anyhow::Result<ExitCode> {
        let mut work = pin!(async {
            tokio::join!(work, self.settings.watch(&self.metrics));
            pending::<()>().await;
        });
        tokio::select! {
            () = in_force(&self.current) => {}
            () = self.signals.next() => return Ok(ExitCode::SUCCESS),
            () = &mut work => {}
        }
        let data_plane = block_in_place(|| {
            DataPlane::start(
                &Handle::current(),
                self.settings.in_force(),
                &self.current,
                &self.metrics,
                &self.access_log,
            )
        })?;
        self.observed.listens();
        startup_code::give_back();
        say(&format!("{told}{}", self.places(&data_plane)));
        tokio::select! {
            () = self.signals.next() => {}
            () = &mut work => {}
        }
        self.observed.stop();
        say("stopping: requests in flight may finish; a second signal ends them\n");
        let stopped = spawn_blocking(move || data_plane.stop());
        tokio::select! {
            result = stopped => result.context("the data plane could not be stopped")?,
            () = self.signals.next() => return Ok(ExitCode::FAILURE),
            // A controller is told that this proxy stops, and what is in flight goes by changes that come now.
            () = &mut work => {}
        }
        let access_log = self.access_log;
        block_in_place(|| access_log.finish());
        Ok(ExitCode::SUCCESS)
    }

    /// Where everything is, a line each, with the ports that the system chose.
    fn places(&self, data_plane: &DataPlane) -> String {
        let mut places: Vec<String> =
            data_plane.addresses().iter().map(|address| format!("serving on {address}")).collect();
        places.push(format!("admin on http://{}/", self.admin));
        places.extend(self.observe.map(|observe| format!("observe on http://{observe}/")));
        places.join("\n") + "\n"
    }
}

/// Returns once a table is in force.
async fn in_force(current: &Current) {
    loop {
        let mut changed = pin!(current.changed());
        // Whatever is put in force between the look and the wait must not be missed.
        changed.as_mut().enable();
        if current.generation() > 0 {
            return;
        }
        changed.await;
    }
}

/// Binds a listener of the control runtime.
pub(crate) async fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "cannot listen on {address} for {what}: the port is in use; stop what uses it or choose another address"
        ),
        Err(error) => bail!("cannot listen on {address} for {what}: {error}"),
    }
}

/// Tells people. A standard error that is closed is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The signals that mean stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on a signal means an orderly end.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let both =
            || Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? });
        both().map_err(|error: io::Error| anyhow::anyhow!("cannot listen to signals: {error}"))
    }

    /// Returns at the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
