//! 1,000 Rules at once, then quiet, then a restart of the controller: what it all costs in status writes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use http::StatusCode;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use sluicegate_crds::Rule;
use tokio::net::TcpStream;

use super::cluster::{Setting, until};
use super::latency::ask;
use super::report::{Report, complain};
use super::rules;

const RULES: usize = 1_000;
const PROGRAMMED_WITHIN: Duration = Duration::from_secs(3);
/// How long nothing may be written while nothing happens.
const QUIET: Duration = Duration::from_secs(20);
/// How long a controller that has started may take to find out that all is as it was: the proxies have 30 seconds to report.
const SETTLED: Duration = Duration::from_secs(35);

pub(super) fn measure(setting: &mut Setting<'_>, report: &mut Report) -> anyhow::Result<()> {
    let channel = setting.controller.channel;
    let proxies = [setting.installation.proxy("proxy-1", channel), setting.installation.proxy("proxy-2", channel)];
    let seen = Seen::default();
    setting.runtime.spawn(seen.clone().watch(setting.rules()));
    setting.create(rules::inline_rules("burst", RULES, setting.origin.address)?)?;
    let created = Instant::now();
    until("all Rules are programmed", || seen.programmed() == RULES)?;
    let took = created.elapsed();
    report.held(
        "1,000 Rules at once: all Programmed after the last create",
        format!("{:.2} s", took.as_secs_f64()),
        "3 s",
        took <= PROGRAMMED_WITHIN,
    );
    // What was on its way when the last one was programmed is counted, too.
    std::thread::sleep(Duration::from_secs(2));
    let most = seen.most_writes();
    report.held("status writes a Rule, at most", most.to_string(), "1", most <= 1);

    let before = seen.writes();
    std::thread::sleep(QUIET);
    let quiet = seen.writes() - before;
    report.held("writes in 20 quiet seconds", quiet.to_string(), "0", quiet == 0);

    let asking = Asking::start(setting, proxies.each_ref().map(|proxy| proxy.listen));
    let before = seen.writes();
    setting.controller.start_again();
    setting.controller.wait_until_it_leads();
    std::thread::sleep(SETTLED);
    let writes = seen.writes() - before;
    let (requests, failed) = asking.stop();
    report.held("controller restarted: writes", writes.to_string(), "0", writes == 0);
    report.held(format!("controller restarted: failed of {requests} requests"), failed.to_string(), "0", failed == 0);
    Ok(())
}

/// What a watch has seen of each Rule.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, OfRule>>>);

#[derive(Clone, Copy, Debug, Default)]
struct OfRule {
    writes: u64,
    programmed: bool,
}

impl Seen {
    async fn watch(self, rules: Api<Rule>) {
        let mut version = String::new();
        loop {
            if version.is_empty() {
                // There is none yet: the list only says from where to watch.
                let Ok(list) = rules.list(&ListParams::default()).await else { continue };
                version = list.metadata.resource_version.unwrap_or_default();
            }
            let parameters = WatchParams::default().timeout(290);
            let Ok(events) = rules.watch(&parameters, &version).await else { continue };
            let mut events = std::pin::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                match event {
                    WatchEvent::Added(rule) | WatchEvent::Modified(rule) => {
                        version = rule.metadata.resource_version.clone().unwrap_or(version);
                        self.take(&rule);
                    }
                    WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                    WatchEvent::Deleted(_) => {}
                    WatchEvent::Error(error) => complain(&format!("the watch says {error:?}")),
                }
            }
        }
    }

    fn take(&self, rule: &Rule) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = &rule.status else { return };
        let of_rule = all.entry(rule.metadata.name.clone().unwrap_or_default()).or_default();
        of_rule.writes += 1;
        of_rule.programmed = status.conditions.iter().any(|said| said.type_ == "Programmed" && said.status == "True");
    }

    fn sum<T: std::iter::Sum>(&self, of: impl Fn(&OfRule) -> T) -> T {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(of).sum()
    }

    fn programmed(&self) -> usize {
        self.sum(|rule| usize::from(rule.programmed))
    }

    fn writes(&self) -> u64 {
        self.sum(|rule| rule.writes)
    }

    fn most_writes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(|rule| rule.writes).max().unwrap_or_default()
    }
}

/// Requests that go on until they are stopped.
struct Asking {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Asking {
    fn start(setting: &Setting<'_>, proxies: [SocketAddr; 2]) -> Self {
        let asking = Self { stop: Arc::default(), requests: Arc::default(), failed: Arc::default() };
        for proxy in proxies {
            let (stop, requests, failed) = (asking.stop.clone(), asking.requests.clone(), asking.failed.clone());
            setting.runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    // A connection that ends is a failure, and is made anew.
                    if let Err(error) = ask_on(proxy, &stop, &requests).await {
                        complain(&format!("a request failed: {error:#}"));
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        asking
    }

    fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        (self.requests.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

async fn ask_on(proxy: SocketAddr, stop: &AtomicBool, requests: &AtomicU64) -> anyhow::Result<()> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(TcpStream::connect(proxy).await?)).await?;
    tokio::spawn(connection);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number = (number + 7) % RULES;
        requests.fetch_add(1, Ordering::Relaxed);
        let status = ask(&mut sender, &rules::host(&format!("burst-{number}"))).await?;
        anyhow::ensure!(status == StatusCode::OK, "answered with {status}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
