//! `sluicegate proxy`: serves the table that a controller sends.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use sluicegate_proxy::config::Config;
use sluicegate_proxy::observe::metrics::Metrics;
use sluicegate_proxy::receive::Current;
use sluicegate_proxy::receive::channel::{Channel, ChannelSettings};

use crate::arguments::Proxy;
use crate::descriptors;
use crate::process::{Process, Signals, on_control_runtime};

/// Serves until a signal says to stop.
pub(crate) fn proxy(arguments: &Proxy) -> anyhow::Result<ExitCode> {
    let config = Config::read(&arguments.config)?;
    let controller = config.controller.clone().with_context(|| {
        let file = arguments.config.display();
        format!("{file}: controller is missing: a proxy needs to know where its table comes from")
    })?;
    descriptors::prepare();
    on_control_runtime(async move {
        let signals = Signals::new()?;
        let metrics = Metrics::new();
        let current = Arc::new(Current::default());
        let process = Process::start(&config, &current, &metrics, signals).await?;
        let settings = ChannelSettings::new(controller, config.saved_table.clone());
        let channel = Channel::new(settings, current);
        process.serve("", Box::pin(channel.run())).await
    })
}
