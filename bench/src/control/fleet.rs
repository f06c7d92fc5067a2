//! 100 proxies that watch: whether an edit is still as fast.

use std::sync::Arc;

use anyhow::Context as _;
use sluicegate_proxy::config::Controller;
use sluicegate_proxy::receive::Current;
use sluicegate_proxy::receive::channel::{Channel, ChannelSettings};
use sluicegate_tests::kubernetes::Installation;

use super::cluster::{Setting, until};
use super::latency::{hold, sample};
use super::report::Report;

/// Proxies that only watch: the channel's client as proxies have it, without traffic. The one that is measured is a whole one.
const WATCHERS: usize = 100;
const SAMPLES: usize = 100;

pub(super) fn measure(setting: &mut Setting<'_>, report: &mut Report) -> anyhow::Result<()> {
    let proxy = setting.installation.proxy("proxy-1", setting.controller.channel);
    let watchers: Vec<Arc<Current>> =
        (0..WATCHERS).map(|number| watcher(setting, &setting.installation, number)).collect::<Result<_, _>>()?;
    let connected = || setting.controller.status()["proxies"].as_object().map_or(0, serde_json::Map::len);
    until("all proxies watch", || connected() == WATCHERS + 1)?;
    let times = sample(setting, "fleet", proxy.listen, SAMPLES)?;
    hold(report, "create → first 200, 100 more proxies watch", &times, 2);
    let all_have = || watchers.iter().all(|current| current.load().table.routes.len() == SAMPLES);
    until("every proxy has every Rule", all_have)
}

fn watcher(setting: &Setting<'_>, installation: &Installation<'_>, number: usize) -> anyhow::Result<Arc<Current>> {
    let name = format!("watcher-{number}");
    let uid = installation.namespace.pod(&name, "sluicegate-proxy");
    let token_file = installation.file(&format!("{name}.token"));
    std::fs::write(&token_file, installation.token(&name)).context("write a token")?;
    installation.slice(&name, &uid, Some(true));
    let url = format!("https://localhost:{}", setting.controller.channel.port()).parse()?;
    let controller = Controller { url, ca_file: installation.ca_file(), token_file };
    let current = Arc::new(Current::default());
    let of_channel = Arc::clone(&current);
    setting.runtime.spawn(async move {
        Channel::new(ChannelSettings::new(controller, None), of_channel).run().await;
    });
    Ok(current)
}
