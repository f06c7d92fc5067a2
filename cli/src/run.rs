//! `sluicegate run DIR`: everything in one process.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use sluicegate_controller::source::folder::{Folder, Watch, watch};
use sluicegate_proxy::config::{Config, Listener};
use sluicegate_proxy::observe::metrics::Metrics;
use sluicegate_proxy::receive::Current;
use sluicegate_table::Table;
use sluicegate_table::watch::Refusal;
use tokio::net::TcpListener;
use tokio::task::block_in_place;

use crate::arguments::Run;
use crate::descriptors;
use crate::echo;
use crate::loading::{CONFIGURATION, Loaded, configuration};
use crate::process::{Process, Signals, bind, on_control_runtime, say};
use crate::settings::Settings;
use crate::table_view::View;

/// Serves until a signal says to stop.
pub(crate) fn run(arguments: &Run) -> anyhow::Result<ExitCode> {
    let read = arguments.clone();
    let settings = Settings::read(arguments.dir.join(CONFIGURATION), move || configured(&read))?;
    descriptors::prepare();
    on_control_runtime(serve(&arguments.dir, settings))
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
    if config.controller.is_some() || config.saved_table.is_some() {
        bail!(
            "controller and savedTable are for `sluicegate proxy`: the table of `sluicegate run` comes from the folder"
        );
    }
    Ok(config)
}

async fn serve(dir: &Path, settings: Settings) -> anyhow::Result<ExitCode> {
    let signals = Signals::new()?;
    let mut folder = block_in_place(|| watch(dir))?;
    let metrics = Metrics::new();
    let mut served = Served::start(dir, &folder.current(), &metrics)?;
    let echoes = bind_echoes(settings.in_force()).await?;
    let process = Process::start(settings, &served.current, &metrics, signals).await?;

    let told = format!("{}{}", served.view.whole(), echo_places(&echoes)?);
    for (listener, name) in echoes {
        tokio::spawn(async move { echo::run(listener, &name).await });
    }
    process.serve(&told, served.follow(&mut folder, &metrics)).await
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
        report(&block_in_place(|| current.apply(Arc::clone(&table))));
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
            report(&self.current.apply(Arc::clone(&table)));
            tracing::info!(version = table.version, rules = table.routes.len(), "a table is in force");
        }
        let changes = view.changes_since(&self.view);
        if !changes.is_empty() {
            say(&format!("changed (table version {}):\n{changes}", table.version));
        }
        (self.table, self.view) = (table, view);
    }
}

/// Compile checks what a proxy needs, so that this says something only where the two disagree.
fn report(refused: &[Refusal]) {
    for Refusal { id, reason } in refused {
        tracing::error!(entry = %id, %reason, "an entry cannot be served; what was in force in its place stays in force");
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

fn echo_places(echoes: &[(TcpListener, String)]) -> io::Result<String> {
    echoes.iter().map(|(listener, name)| Ok(format!("echo server {name} on {}\n", listener.local_addr()?))).collect()
}
