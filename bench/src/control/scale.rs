//! 5,000 Rules, 1,000 Upstreams, 3,000 Targets: memory, and what one edit sends.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use sluicegate_tests::relay::Relay;

use super::cluster::{Setting, until};
use super::report::Report;
use super::rules;

const RULES: usize = 5_000;
const UPSTREAMS: usize = 1_000;
const TARGETS: usize = 3_000;
const MEBI: f64 = 1024.0 * 1024.0;

pub(super) fn measure(setting: &mut Setting<'_>, report: &mut Report) -> anyhow::Result<()> {
    let relay = Relay::to(setting.controller.channel);
    let proxy = setting.installation.proxy("proxy-1", relay.address);
    let target = setting.origin.address;
    setting.create(vec![rules::target("target-0", target)?])?;
    setting.create(vec![rules::upstream("upstream-0", &["target-0".to_owned()])?])?;
    setting.create(vec![rules::rule("rule-0", "upstream-0")?])?;
    until("the first Rule is in force", || setting.controller.status()["rules"] == 1)?;
    let empty = proxy.program.own_memory();
    let small = one_edit(setting, &relay, "before")?;

    setting.create((1..TARGETS).map(|n| rules::target(&format!("target-{n}"), target)).collect::<Result<_, _>>()?)?;
    let members = |n: usize| (0..3).map(|k| format!("target-{}", (n * 3 + k) % TARGETS)).collect::<Vec<_>>();
    let upstream = |n: usize| rules::upstream(&format!("upstream-{n}"), &members(n));
    setting.create((1..UPSTREAMS).map(upstream).collect::<Result<_, _>>()?)?;
    let rule = |n: usize| rules::rule(&format!("rule-{n}"), &format!("upstream-{}", n % UPSTREAMS));
    setting.create((1..RULES).map(rule).collect::<Result<_, _>>()?)?;
    let is_there = |status: &Value| status["rules"] == RULES && status["targets"] == TARGETS;
    until("everything is in force", || {
        let status = setting.controller.status();
        is_there(&status) && status["proxies"]["proxy-1"]["applied"] == status["version"]
    })?;

    // The allocators give back what building took and nobody needs any more after ten seconds.
    std::thread::sleep(Duration::from_secs(15));
    let controller = setting.controller.program.resident() as f64 / MEBI;
    report.held(
        "controller at 5,000/1,000/3,000",
        format!("{controller:.0} MiB"),
        "150 MB",
        controller * MEBI <= 150e6,
    );
    let table = proxy.program.own_memory().saturating_sub(empty) as f64 / MEBI;
    report.held("a proxy's table at 5,000/1,000/3,000", format!("{table:.0} MiB"), "40 MB", table * MEBI <= 40e6);
    let large = one_edit(setting, &relay, "after")?;
    report.held(
        "bytes pushed for one edit, with 1 and with 5,000 Rules",
        format!("{small} and {large}"),
        "within 20 %",
        large * 10 <= small * 12,
    );
    Ok(())
}

/// Edits a Rule, and returns how many bytes the controller sent a proxy for it.
fn one_edit(setting: &Setting<'_>, relay: &Relay, word: &str) -> anyhow::Result<u64> {
    let version = || setting.controller.status()["version"].clone();
    let (before, was) = (relay.from_server(), version());
    let edit = json!({"spec": {"requestHeaders": {"set": {"X-Edit": word}}}});
    let rules = setting.rules();
    setting.runtime.block_on(rules.patch("rule-0", &PatchParams::default(), &Patch::Merge(&edit)))?;
    until("the edit is in force and sent", || {
        let status = setting.controller.status();
        version() != was && status["proxies"]["proxy-1"]["applied"] == status["version"]
    })?;
    Ok(relay.from_server() - before)
}
