//! `sluicegate controller`: from what a cluster holds to what its proxies obey and its people read.

use std::process::ExitCode;

use anyhow::Context as _;
use sluicegate_controller::config::Config;
use sluicegate_controller::kubernetes;
use sluicegate_controller::run::{Place, run};
use sluicegate_proxy::observe::admin::for_this_machine;

use crate::arguments::Controller;
use crate::descriptors;
use crate::process::{Signals, on_control_runtime};

/// Runs a controller until a signal says to stop.
pub(crate) fn controller(arguments: &Controller) -> anyhow::Result<ExitCode> {
    let config = match &arguments.config {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    let place = Place {
        namespace: told("POD_NAMESPACE", "the controller's namespace")?,
        pod: told("POD_NAME", "the controller's pod")?,
        address: told("POD_IP", "the address of the controller's pod")?,
    };
    descriptors::raise_limit();
    on_control_runtime(async move {
        let mut signals = Signals::new()?;
        let client = kubernetes::client().await?;
        run(client, config, place, for_this_machine, signals.next()).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What the downward API tells in an environment variable.
fn told(variable: &str, what: &str) -> anyhow::Result<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    value.with_context(|| format!("the environment variable {variable} must name {what}, as the chart has it"))
}
