//! `sluicegate run DIR`: everything in one process.
//!
//! The data plane has threads of its own. What is here runs on a small control runtime beside it: the folder's changes,
//! the admin endpoints, echo servers and signals.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use sluicegate_controller::source::folder::{Folder, Watch, watch};
use sluicegate_proxy::config::{Config, Listener};
use sluicegate_proxy::observe::access_log::AccessLog;
use sluicegate_proxy::observe::admin::{self, Observed};
use sluicegate_proxy::observe::metrics::Metrics;
use sluicegate_proxy::receive::Current;
use sluicegate_proxy::serve::DataPlane;
use sluicegate_table::Table;
use tokio::net::TcpListener;
use tokio::runtime::{self, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{block_in_place, spawn_blocking};

use crate::arguments::Run;
use crate::echo;
use crate::loading::{Loaded, configuration};
use crate::table_view::View;

/// Threads of the control runtime: a long scrape must not hold up a change of the folder.
const CONTROL_THREADS: usize = 2;

/// Serves until a signal says to stop.
pub(crate) fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let config = configured(arguments)?;
    raise_file_limit();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .context("cannot start the control threads")?;
    let result = runtime.block_on(serve(&arguments.dir, &config));
    // Scrapes and echoes that still run are of no use to anybody now.
    runtime.shutdown_background();
    result
}

/// The folder's configuration with the command line's flags over it.
fn configured(arguments: &Run) -> anyhow::Result<Config> {
    let mut config = configuration(&arguments.dir)?;
    if !arguments.listen.is_empty() {
        let clear = |address: &SocketAddr| Listener { address: *address, certificates: Vec::new() };
        config.listeners = arguments.listen.iter().map(clear).collect();
    }
    config.admin = arguments.admin.unwrap_or(config.admin);
    config.workers = arguments.workers.unwrap_or(config.workers);
    Ok(config)
}

async fn serve(dir: &Path, config: &Config) -> anyhow::Result<ExitCode> {
    // From here on a signal means an orderly end.
    let mut signals = Signals::new().context("cannot listen to signals")?;
    let mut folder = block_in_place(|| watch(dir))?;
    let metrics = Metrics::new();
    let mut served = Served::start(dir, &folder.current(), &metrics)?;

    let access_log = AccessLog::start(config.access_log.sample, io::stdout()).context("cannot start the access log")?;
    metrics.watch_access_log(&access_log);
    let observed = Observed::new(Arc::clone(&served.current), Arc::clone(&metrics), config.identity.clone());
    let echoes = bind_echoes(config).await?;
    let admin = bind(config.admin, "the admin endpoints").await?;
    let observe = match config.observe {
        Some(address) => Some(bind(address, "the observe endpoints").await?),
        None => None,
    };
    let data_plane =
        block_in_place(|| DataPlane::start(&Handle::current(), config, &served.current, &metrics, &access_log))?;

    say(&format!("{}{}", served.view.whole(), places(&data_plane, &admin, observe.as_ref(), &echoes)?));
    for (listener, name) in echoes {
        tokio::spawn(async move { echo::run(listener, &name).await });
    }
    tokio::spawn(axum::serve(admin, admin::admin(observed.clone())).into_future());
    if let Some(observe) = observe {
        tokio::spawn(axum::serve(observe, admin::observe(observed.clone())).into_future());
    }

    tokio::select! {
        () = signals.next() => {}
        () = served.follow(&mut folder, &metrics) => {}
    }
    observed.stop();
    say("stopping: requests in flight may finish; a second signal ends them\n");
    let stopped = spawn_blocking(move || data_plane.stop());
    tokio::select! {
        result = stopped => result.context("the data plane could not be stopped")?,
        () = signals.next() => return Ok(ExitCode::FAILURE),
    }
    block_in_place(|| access_log.finish());
    Ok(ExitCode::SUCCESS)
}

/// What is in force, and how it was printed.
struct Served {
    current: Arc<Current>,
    table: Arc<Table>,
    view: View,
}

impl Served {
    fn start(dir: &Path, folder: &Folder, metrics: &Metrics) -> anyhow::Result<Self> {
        let loaded = block_in_place(|| Loaded::new(folder, &Table::default()));
        let (errors, warnings) = loaded.counts();
        let view = loaded.view();
        if !loaded.has_rules() {
            say(&view.notices());
            let dir = dir.display();
            if errors == 0 {
                bail!("{dir} holds no Rule, so there is nothing to serve");
            }
            bail!(
                "{dir} holds no valid Rule, so there is nothing to serve: `sluicegate check {dir}` shows what is wrong"
            );
        }
        let table = Arc::new(loaded.compiled.table);
        let current = Arc::new(Current::default());
        block_in_place(|| current.apply(Arc::clone(&table)))?;
        metrics.configuration_read(errors, warnings);
        tracing::info!(version = table.version, rules = table.routes.len(), "a table is in force");
        Ok(Self { current, table, view })
    }

    /// Puts the folder's changes in force as they come. Does not return: should the watching end, what is in force stays
    /// in force.
    async fn follow(&mut self, folder: &mut Watch, metrics: &Metrics) {
        while let Some(folder) = folder.changed().await {
            block_in_place(|| self.take(&folder, metrics));
        }
        tracing::error!("the folder is no longer watched: changes take effect after a restart");
        std::future::pending::<()>().await;
    }

    fn take(&mut self, folder: &Folder, metrics: &Metrics) {
        let loaded = Loaded::new(folder, &self.table);
        let (errors, warnings) = loaded.counts();
        metrics.configuration_read(errors, warnings);
        let view = loaded.view();
        let table = Arc::new(loaded.compiled.table);
        if table.version != self.table.version {
            if let Err(error) = self.current.apply(Arc::clone(&table)) {
                tracing::error!(%error, "the folder's change cannot be served; what was in force stays in force");
                return;
            }
            tracing::info!(version = table.version, rules = table.routes.len(), "a table is in force");
        }
        let changes = view.changes_since(&self.view);
        if !changes.is_empty() {
            say(&format!("changed (table version {}):\n{changes}", table.version));
        }
        (self.table, self.view) = (table, view);
    }
}

async fn bind_echoes(config: &Config) -> anyhow::Result<Vec<(TcpListener, String)>> {
    let mut echoes = Vec::new();
    for echo in &config.echo {
        let listener = bind(echo.address, &format!("the echo server {}", echo.name)).await?;
        echoes.push((listener, echo.name.clone()));
    }
    Ok(echoes)
}

async fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "cannot listen on {address} for {what}: the port is in use; stop what uses it or choose another address"
        ),
        Err(error) => bail!("cannot listen on {address} for {what}: {error}"),
    }
}

/// Where everything is, with the ports that the system chose.
fn places(
    data_plane: &DataPlane,
    admin: &TcpListener,
    observe: Option<&TcpListener>,
    echoes: &[(TcpListener, String)],
) -> io::Result<String> {
    let mut places: Vec<String> =
        data_plane.addresses().iter().map(|address| format!("serving on {address}")).collect();
    places.push(format!("admin on http://{}/", admin.local_addr()?));
    if let Some(observe) = observe {
        places.push(format!("observe on http://{}/", observe.local_addr()?));
    }
    for (listener, name) in echoes {
        places.push(format!("echo server {name} on {}", listener.local_addr()?));
    }
    Ok(places.join("\n") + "\n")
}

/// Tells people. A standard error that is closed is nobody to tell.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The signals that mean stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Two descriptors a proxied connection go past the usual limit of 1,024 quickly; the hard limit is what the
/// administrator set.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::info!(%error, "the limit on open files stays as it is");
        }
    }
}
