//! The monitor over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use sluicegate_table::watch::{EndpointState, UnhealthyReason};
use sluicegate_table::{ObjectKey, Table};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::resolve::Resolver;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that is well or not.
#[derive(Clone)]
struct Server {
    port: u16,
    well: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    paths: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, well: Arc::new(AtomicBool::new(true)), asked: Arc::default(), paths: Arc::default() };
        let this = server.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let this = this.clone();
                tokio::spawn(async move {
                    let mut head = [0; 1024];
                    while let Ok(read @ 1..) = stream.read(&mut head).await {
                        let head = String::from_utf8_lossy(&head[..read]).into_owned();
                        this.paths.lock().unwrap().push(head.split(' ').nth(1).unwrap().to_owned());
                        this.asked.fetch_add(1, Ordering::SeqCst);
                        let status = if this.well.load(Ordering::SeqCst) { "200 OK" } else { "500 Sorry" };
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn set(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }

    fn target(&self) -> Value {
        json!({ "host": "127.0.0.1", "port": self.port, "protocol": "HTTP" })
    }
}

/// A check that follows another after at most 30 ms.
fn active(path: &str) -> Value {
    let time = |milliseconds| json!(Duration::from_millis(milliseconds));
    let probe = json!({ "method": "GET", "path": path, "expectedStatuses": [{ "from": 200, "to": 299 }] });
    json!({ "active": { "probe": { "HTTP": probe }, "interval": time(30), "timeout": time(20_000),
        "healthyThreshold": 2, "unhealthyThreshold": 3 } })
}

fn pool(targets: &[&str], checks: &Value) -> Value {
    let members: Vec<_> =
        targets.iter().map(|target| json!({ "target": format!("default/{target}"), "weight": 1 })).collect();
    json!({ "algorithm": "Random", "levels": [{ "priority": 0, "members": members }], "healthChecks": checks })
}

/// A table of these Targets and pools.
fn table(targets: &[(&str, Value)], pools: &[(&str, Value)]) -> Arc<Table> {
    let keyed = |entries: &[(&str, Value)]| -> Value {
        entries
            .iter()
            .map(|(name, entry)| (format!("default/{name}"), entry.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    Arc::new(
        serde_json::from_value(json!({ "version": 1, "routes": {}, "targets": keyed(targets), "pools": keyed(pools) }))
            .unwrap(),
    )
}

struct Running {
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    fn start(table: Arc<Table>) -> Self {
        let (current, metrics) = (Arc::new(Current::default()), Metrics::new());
        assert!(current.apply(table).is_empty());
        let dialer = Dialer::new(Resolver::system(Handle::current()), Arc::default());
        let task = tokio::spawn(monitor(Arc::clone(&current), dialer, Arc::clone(&metrics)));
        Self { current, metrics, task }
    }

    fn apply(&self, table: Arc<Table>) {
        assert!(self.current.apply(table).is_empty());
    }

    /// Waits until exactly these endpoints are unhealthy, and why.
    async fn until_unwell(&self, expected: &[(&str, UnhealthyReason)]) {
        let expected: Vec<_> =
            expected.iter().map(|(target, reason)| (ObjectKey::new("default", *target), Some(*reason))).collect();
        let mut findings = self.current.findings().subscribe();
        let told = |found: &Found| {
            let unwell = found.endpoints.iter().map(|finding| &finding.report);
            unwell.clone().all(|report| report.state == EndpointState::Unhealthy)
                && unwell.map(|report| (report.target.clone(), report.reason)).eq(expected.iter().cloned())
        };
        let told = timeout(PATIENCE, findings.wait_for(told)).await.map(|found| found.is_ok());
        assert_eq!(told, Ok(true), "{expected:?} instead of {:?}", self.current.findings().now());
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not so: {what}"));
}

#[tokio::test]
async fn what_checks_find_is_told_and_outlives_edits() {
    let (one, two) = (Server::start().await, Server::start().await);
    let targets = [("one", one.target()), ("two", two.target())];
    let checked = |names: &[&str]| table(&targets, &[("p", pool(names, &active("/h")))]);
    let running = Running::start(checked(&["one", "two"]));
    until("both have passed", || one.asked().min(two.asked()) >= 2).await;
    running.until_unwell(&[]).await;
    one.set(false);
    running.until_unwell(&[("one", UnhealthyReason::FailedChecks)]).await;

    // An edit of the pool leaves what was found: nothing is told anew, and `two` needs no first success.
    let edited = table(&targets, &[("p", pool(&["two", "one"], &active("/h"))), ("q", pool(&["two"], &json!({})))]);
    let mut findings = running.current.findings().subscribe();
    findings.mark_unchanged();
    running.apply(edited);
    let asked = one.asked();
    until("it is asked after the edit", || one.asked() > asked + 2).await;
    assert!(!findings.has_changed().unwrap());

    one.set(true);
    running.until_unwell(&[]).await;
    let text = running.metrics.scrape(Arc::clone(&running.current) as _, crate::observe::metrics::Format::Prometheus);
    let text = text.unwrap();
    // It became healthy by its first success, too.
    for (from, to, reason, count) in [("Healthy", "Unhealthy", "FailedChecks", 1), ("Unhealthy", "Healthy", "", 2)] {
        let labels = format!(r#"target="default/one",address="",from="{from}",to="{to}",reason="{reason}"}} {count}"#);
        assert!(text.contains(&labels), "{labels} in {text}");
    }
}

#[tokio::test]
async fn checks_begin_and_end_with_their_endpoints() {
    let (one, two) = (Server::start().await, Server::start().await);
    let targets = [("one", one.target()), ("two", two.target())];
    let running = Running::start(table(&targets, &[("p", pool(&["one"], &active("/h")))]));
    until("the first is asked", || one.asked() >= 3).await;
    assert_eq!(two.asked(), 0);

    running.apply(table(&targets, &[("p", pool(&["two"], &active("/h")))]));
    until("the second is asked", || two.asked() >= 3).await;
    let asked = one.asked();
    until("the second is asked again", || two.asked() >= 9).await;
    // One check may have been under way when the edit came.
    assert!(one.asked() <= asked + 1, "{} and {asked}", one.asked());

    // An endpoint that is not healthy is told of no more once it is gone.
    two.set(false);
    running.until_unwell(&[("two", UnhealthyReason::FailedChecks)]).await;
    running.apply(table(&targets, &[("p", pool(&["one"], &json!({})))]));
    running.until_unwell(&[]).await;
}

#[tokio::test]
async fn a_new_endpoint_is_not_healthy_before_its_first_success() {
    // Nobody accepts, so that the first check does not end.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = json!({ "host": "127.0.0.1", "port": silent.local_addr().unwrap().port(), "protocol": "HTTP" });
    let running = Running::start(table(&[("one", target)], &[("p", pool(&["one"], &active("/h")))]));
    running.until_unwell(&[("one", UnhealthyReason::NotChecked)]).await;
}

#[tokio::test]
async fn a_targets_own_checks_go_before_its_pools() {
    let server = Server::start().await;
    let mut target = server.target();
    target["healthChecks"] = active("/mine");
    let pools = [("p", pool(&["one"], &active("/theirs"))), ("q", pool(&["one"], &active("/others")))];
    let running = Running::start(table(&[("one", target)], &pools));
    until("it is asked", || server.asked() >= 6).await;
    drop(running);
    assert!(server.paths.lock().unwrap().iter().all(|path| path == "/mine"));
}

#[tokio::test]
async fn pools_that_check_alike_share_a_check_and_others_have_their_own() {
    let server = Server::start().await;
    let pools = ["/a", "/a", "/b"].map(|path| pool(&["one"], &active(path)));
    let pools: Vec<_> = ["p", "q", "r"].into_iter().zip(pools).collect();
    let running = Running::start(table(&[("one", server.target())], &pools));
    let count = |path: &str| server.paths.lock().unwrap().iter().filter(|asked| *asked == path).count();
    until("both are asked", || count("/a").min(count("/b")) >= 20).await;
    drop(running);
    // The same interval for both: two checks of `/a` would have been asked twice as often.
    let (a, b) = (count("/a"), count("/b"));
    assert!(a < b * 3 / 2 && b < a * 3 / 2, "{a} and {b}");
}

#[tokio::test]
async fn what_one_way_tells_says_nothing_about_another() {
    let server = Server::start().await;
    // Bound, so that its port is nobody else's, and no listener.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut through = pool(&["one"], &active("/h"));
    through["egressProxy"] = json!({ "host": "127.0.0.1", "port": nobody.local_addr().unwrap().port() });
    let pools = [("direct", pool(&["one"], &active("/h"))), ("through", through)];
    let running = Running::start(table(&[("one", server.target())], &pools));
    running.until_unwell(&[("one", UnhealthyReason::FailedChecks)]).await;
    until("it passes directly", || server.asked() >= 2).await;
    let members = crate::observe::metrics::Gauges::members(&*running.current);
    let told: Vec<_> = members.iter().map(|member| (member.upstream.name.as_str(), member.healthy)).collect();
    assert_eq!(told, [("direct", true), ("through", false)]);
}

#[tokio::test]
async fn targets_written_in_a_rule_are_checked_too() {
    let server = Server::start().await;
    let running = Running::start(Arc::default());
    let rule = |path: &str| {
        let targets = json!([["default/r[0]", server.target()]]);
        let pool = json!({ "algorithm": "Random", "healthChecks": active(path),
            "levels": [{ "priority": 0, "members": [{ "target": "default/r[0]", "weight": 100 }] }] });
        let backend = json!({ "inline": { "pool": pool, "targets": targets } });
        let route = json!({ "matches": [{ "path": { "Prefix": "/" } }], "bufferSize": 1024, "backend": backend });
        json!({ "version": 1, "routes": { "default/r": route }, "targets": {}, "pools": {} })
    };
    let count = |path: &str| server.paths.lock().unwrap().iter().filter(|asked| *asked == path).count();
    running.apply(Arc::new(serde_json::from_value(rule("/a")).unwrap()));
    until("it is asked", || count("/a") >= 3).await;
    running.apply(Arc::new(serde_json::from_value(rule("/b")).unwrap()));
    until("it is asked otherwise", || count("/b") >= 3).await;
    let before = count("/a");
    running.apply(Arc::default());
    until("nobody uses it", || running.current.load().pools().next().is_none()).await;
    assert_eq!(count("/a"), before);
}
