//! One edit a second while a proxy is under load: no failed request, and a tail like that of a quiet run.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::cluster::Setting;
use super::report::{Report, millis, quantile};
use super::rules;

const RULES: usize = 1_000;
const ROUNDS: usize = 5;
const SECONDS: usize = 10;
/// Requests a second: well below what one worker can do, so that the tail is the proxy's and not a queue's.
const RATE: usize = 5_000;
const CONNECTIONS: usize = 50;

pub(super) fn measure(setting: &mut Setting<'_>, report: &mut Report) -> anyhow::Result<()> {
    let proxy = setting.installation.proxy("proxy-1", setting.controller.channel);
    setting.create(rules::inline_rules("load", RULES, setting.origin.address)?)?;
    proxy.until_status(&rules::host("load-0"), "/", 200);
    let (mut quiet, mut edited, mut failed) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let run = load(setting, proxy.listen)?;
        failed += run.failed;
        quiet.push(run.tail);
        let editing = setting.runtime.spawn(edit_each_second(setting.rules()));
        let run = load(setting, proxy.listen)?;
        editing.abort();
        failed += run.failed;
        edited.push(run.tail);
    }
    quiet.sort_unstable();
    edited.sort_unstable();
    let (quiet, edited) = (quantile(&quiet, 0.5), quantile(&edited, 0.5));
    report.held("one edit a second under load: failed requests", failed.to_string(), "0", failed == 0);
    report.held(
        "one edit a second under load: p99, and that of quiet runs (medians of 5 alternating rounds)",
        format!("{} and {}", millis(edited), millis(quiet)),
        "within 10 %",
        edited.as_secs_f64() <= quiet.as_secs_f64() * 1.1,
    );
    Ok(())
}

async fn edit_each_second(rules: kube::Api<sluicegate_crds::Rule>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for number in 0_u64.. {
        ticks.tick().await;
        let edit = json!({"spec": {"requestHeaders": {"set": {"X-Edit": number.to_string()}}}});
        let name = format!("load-{}", number % RULES as u64);
        if let Err(error) = rules.patch(&name, &PatchParams::default(), &Patch::Merge(&edit)).await {
            super::report::complain(&format!("an edit failed: {error}"));
        }
    }
}

struct Run {
    failed: usize,
    tail: Duration,
}

/// Runs h2load at a fixed rate.
fn load(setting: &Setting<'_>, proxy: SocketAddr) -> anyhow::Result<Run> {
    let log = setting.installation.file("h2load.log");
    // It appends.
    drop(std::fs::remove_file(&log));
    let began = Instant::now();
    let output = Command::new("h2load")
        .args(["--h1", "--threads=1", "--clients", &CONNECTIONS.to_string(), "--duration", &SECONDS.to_string()])
        .args(["--rps", &(RATE / CONNECTIONS).to_string(), "--log-file"])
        .arg(&log)
        .arg(format!("--connect-to={proxy}"))
        .arg(format!("http://{}/", rules::host("load-0")))
        .output()
        .context("h2load, of Debian's package nghttp2-client")?;
    ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
    ensure!(began.elapsed() >= Duration::from_secs(SECONDS as u64 - 1), "h2load ended early");
    // A line a request: start in microseconds, status, duration in microseconds.
    let text = std::fs::read_to_string(&log).context("h2load's log")?;
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split('\t').skip(1);
        Some((fields.next()?, fields.next()?.parse().ok()?))
    });
    let (good, bad): (Vec<_>, Vec<_>) = lines.partition(|(status, _)| *status == "200");
    let mut times: Vec<Duration> = good.into_iter().map(|(_, micros)| Duration::from_micros(micros)).collect();
    ensure!(times.len() >= RATE * SECONDS / 2, "h2load made {} requests only", times.len());
    times.sort_unstable();
    Ok(Run { failed: bad.len(), tail: quantile(&times, 0.99) })
}
