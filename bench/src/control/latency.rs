//! From the API server's answer to `create` until the Rule's first 200 through a proxy.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use kube::api::{ListParams, PostParams};
use tokio::net::TcpStream;

use super::cluster::{PATIENCE, Setting, until};
use super::report::{Report, millis, quantile};
use super::rules;

/// Rules that are created one after the other and timed.
const SAMPLES: usize = 200;
/// Rules that are there already.
const FEW: usize = 10;
const MANY: usize = 3_000;
/// The bars.
const HALF: Duration = Duration::from_millis(20);
const NEARLY_ALL: Duration = Duration::from_millis(60);

pub(super) fn measure(setting: &mut Setting<'_>, report: &mut Report) -> anyhow::Result<()> {
    let proxy = setting.installation.proxy("proxy-1", setting.controller.channel);
    let mut there = 0;
    for wanted in [FEW, MANY] {
        setting.create(rules::inline_rules(&format!("there-{wanted}"), wanted - there, setting.origin.address)?)?;
        until("all Rules are in force", || setting.controller.status()["rules"] == wanted)?;
        // What the many cost is measured elsewhere; here their statuses must have been written.
        until("all Rules are programmed", || {
            std::thread::sleep(Duration::from_secs(1));
            all_programmed(setting)
        })?;
        let times = sample(setting, &format!("new-{wanted}"), proxy.listen, SAMPLES)?;
        there = wanted + SAMPLES;
        hold(report, &format!("create → first 200, {wanted} Rules"), &times, 1);
    }
    Ok(())
}

fn all_programmed(setting: &Setting<'_>) -> bool {
    let rules = setting.rules();
    let Ok(list) = setting.runtime.block_on(rules.list(&ListParams::default())) else { return false };
    list.items.iter().all(|rule| {
        let said = rule.status.iter().flat_map(|status| &status.conditions);
        said.into_iter().any(|condition| condition.type_ == "Programmed" && condition.status == "True")
    })
}

/// Holds sorted times against `times` the bars.
pub(super) fn hold(report: &mut Report, what: &str, sorted: &[Duration], times: u32) {
    let (half, nearly) = (quantile(sorted, 0.5), quantile(sorted, 0.99));
    report.held(format!("{what}: p50"), millis(half), millis(HALF * times), half <= HALF * times);
    report.held(format!("{what}: p99"), millis(nearly), millis(NEARLY_ALL * times), nearly <= NEARLY_ALL * times);
}

/// Creates Rules one after the other, and returns the times until they answered, sorted. Every answer before must be 404,
/// and every one after it 200.
pub(super) fn sample(
    setting: &Setting<'_>,
    prefix: &str,
    proxy: SocketAddr,
    samples: usize,
) -> anyhow::Result<Vec<Duration>> {
    let rules = setting.rules();
    let mut times = Vec::with_capacity(samples);
    for number in 0..samples {
        let name = format!("{prefix}-{number}");
        let rule = rules::inline_rule(&name, setting.origin.address)?;
        let rules = rules.clone();
        let time = setting.runtime.block_on(async move {
            let first = tokio::spawn(first_answer(proxy, rules::host(&name)));
            rules.create(&PostParams::default(), &rule).await.context("create")?;
            let created = Instant::now();
            let answered = first.await??;
            // The proxy may well be told before the one who created it.
            anyhow::Ok(answered.saturating_duration_since(created))
        })?;
        times.push(time);
    }
    times.sort_unstable();
    Ok(times)
}

/// Asks until it is answered, and a few times more; returns when the first 200 came.
async fn first_answer(proxy: SocketAddr, host: String) -> anyhow::Result<Instant> {
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let give_up = Instant::now() + PATIENCE;
    loop {
        match ask(&mut sender, &host).await? {
            StatusCode::OK => break,
            StatusCode::NOT_FOUND if Instant::now() < give_up => tokio::time::sleep(Duration::from_micros(500)).await,
            status => bail!("{host} is answered with {status}, before it was with 200"),
        }
    }
    let answered = Instant::now();
    for _ in 0..5 {
        let status = ask(&mut sender, &host).await?;
        if status != StatusCode::OK {
            bail!("{host} is answered with {status} after it was with 200");
        }
    }
    Ok(answered)
}

/// The status of one GET.
pub(super) async fn ask(sender: &mut SendRequest<Empty<Bytes>>, host: &str) -> anyhow::Result<StatusCode> {
    let request = Request::get("/").header("host", host).body(Empty::new())?;
    sender.ready().await?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    answer.into_body().collect().await?;
    Ok(status)
}
