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
use crate::settings::Settings;

/// Serves until a signal says to stop.
pub(crate) fn proxy(arguments: &Proxy) -> anyhow::Result<ExitCode> {
    let file = arguments.config.clone();
    let settings = Settings::read(file.clone(), move || Ok(Config::read(&file)?))?;
    let controller = settings.in_force().controller.clone().with_context(|| {
        let file = arguments.config.display();
        format!("{file}: controller is missing: a proxy needs to know where its table comes from")
    })?;
    descriptors::prepare();
    on_control_runtime(async move {
        let signals = Signals::new()?;
        let metrics = Metrics::new();
        let current = Arc::new(Current::default());
        let channel = ChannelSettings::new(controller, settings.in_force().saved_table.clone());
        let process = Process::start(settings, &current, &metrics, signals).await?;
        let channel = Channel::new(channel, current);
        process.serve("", Box::pin(channel.run())).await
    })
}
