//! A controller's end of the channel, and proxies that follow it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use sluicegate_controller::collect::{Fleet, Proxy, ProxyId};
use sluicegate_controller::lead::{Leadership, Standing};
use sluicegate_controller::publish::Published;
use sluicegate_controller::push::authenticate::{Authenticator, Review, Reviewer, Reviewing};
use sluicegate_controller::push::clock::Clock;
use sluicegate_controller::push::{Certificates, Server, Settings};
use sluicegate_proxy::config::Controller;
use sluicegate_proxy::receive::Current;
use sluicegate_proxy::receive::channel::{Channel, ChannelSettings};
use sluicegate_table::{Algorithm, Backend, Match, ObjectKey, PathMatch, Pool, Route, Table};
use sluicegate_tests::certificates;
use sluicegate_tests::wait::PATIENCE;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The name in the controllers' certificates.
pub(crate) const NAME: &str = "localhost";

/// A made-up Kubernetes: says whose token it is.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: Mutex<BTreeMap<String, Review>>,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
}

impl Tokens {
    /// Takes a token for known.
    pub(crate) fn add(&self, token: &str, review: Review) {
        self.known.lock().unwrap().insert(token.to_owned(), review);
    }
}

impl Reviewer for Tokens {
    fn review<'a>(&'a self, token: &'a str) -> Reviewing<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let review = self.known.lock().unwrap().get(token).cloned().unwrap_or_default();
        Box::pin(async { Ok(review) })
    }
}

/// What Kubernetes says of a proxy's token.
pub(crate) fn proxy_review(pod: &str) -> Review {
    Review {
        authenticated: true,
        audiences: vec!["sluicegate".to_owned()],
        user: "system:serviceaccount:gate:sluicegate-proxy".to_owned(),
        pod_name: Some(pod.to_owned()),
        pod_uid: Some(format!("uid-of-{pod}")),
    }
}

/// A controller's end of the channel.
pub(crate) struct Controlled {
    pub(crate) published: watch::Sender<Published>,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) certificates: certificates::Certificates,
    pub(crate) files: TempDir,
    server: Option<Server>,
    address: SocketAddr,
}

impl Controlled {
    /// One that leads and has nothing to publish yet.
    pub(crate) async fn start() -> Self {
        Self::with(&certificates::Certificates::new(&[NAME]), Duration::from_secs(15)).await
    }

    /// As [`start`](Self::start), with a certificate and a time between heartbeats.
    pub(crate) async fn with(certificates: &certificates::Certificates, heartbeat: Duration) -> Self {
        let files = TempDir::new().unwrap();
        std::fs::write(files.path().join("ca.crt"), &certificates.authority).unwrap();
        let until = Instant::now() + Duration::from_hours(1);
        let mut controlled = Self {
            published: watch::channel(Published::default()).0,
            fleet: Arc::default(),
            standing: watch::channel(Standing::Leads { term: 1, until }).0,
            tokens: Arc::default(),
            certificates: certificates.clone(),
            files,
            server: None,
            address: "127.0.0.1:0".parse().unwrap(),
        };
        controlled.listen(heartbeat).await;
        controlled
    }

    /// Starts the server; on the same port as before, if there was one.
    pub(crate) async fn listen(&mut self, heartbeat: Duration) {
        let certificates = Certificates::default();
        certificates.set(self.certificates.certificate.as_bytes(), self.certificates.key.as_bytes()).unwrap();
        let reviewer: Arc<dyn Reviewer> = Arc::clone(&self.tokens) as Arc<dyn Reviewer>;
        let settings = Settings { heartbeat, ..Settings::new(self.address) };
        let server = Server::start(
            &settings,
            self.published.subscribe(),
            Arc::clone(&self.fleet),
            Leadership::new(self.standing.subscribe()),
            Authenticator::new(reviewer, "sluicegate", "gate", "sluicegate-proxy", Clock::new(SystemTime::now)),
            &certificates,
        );
        let server = server.await.unwrap();
        self.address = server.address();
        self.server = Some(server);
    }

    /// Ends the server and all its connections.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Publishes the next version: what `change` makes of the last one.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Published)) {
        self.published.send_modify(|published| {
            if published.epoch.is_empty() {
                "one".clone_into(&mut published.epoch);
            }
            published.table.version += 1;
            change(published);
        });
    }

    /// A file that holds a token which is a pod's.
    pub(crate) fn token_file(&self, pod: &str) -> PathBuf {
        let token = format!("token-of-{pod}");
        self.tokens.add(&token, proxy_review(pod));
        let file = self.files.path().join(&token);
        std::fs::write(&file, token).unwrap();
        file
    }

    /// How a proxy in that pod follows this controller.
    pub(crate) fn settings(&self, pod: &str) -> ChannelSettings {
        let controller = Controller {
            url: format!("https://{NAME}:{}", self.address.port()).parse().unwrap(),
            ca_file: self.files.path().join("ca.crt"),
            token_file: self.token_file(pod),
        };
        ChannelSettings {
            shortest_wait: Duration::from_millis(5),
            longest_wait: Duration::from_millis(50),
            ..ChannelSettings::new(controller, None)
        }
    }

    /// A proxy in that pod.
    pub(crate) fn proxy(&self, pod: &str) -> Following {
        Following::start(self.settings(pod))
    }

    /// What is known of a proxy.
    pub(crate) fn known(&self, pod: &str) -> Option<Proxy> {
        self.fleet.proxies().remove(&ProxyId(format!("uid-of-{pod}")))
    }

    /// Waits until a proxy has reported the version in force, and gives what it reported.
    pub(crate) async fn reported(&self, pod: &str) -> Proxy {
        let version = self.published.borrow().version();
        until(&format!("{pod} reports {version}"), || {
            self.known(pod).filter(|proxy| proxy.report.applied.as_ref() == Some(&version))
        })
        .await
    }
}

/// A proxy's end of the channel; it ends when dropped.
pub(crate) struct Following {
    pub(crate) current: Arc<Current>,
    task: JoinHandle<()>,
}

impl Following {
    pub(crate) fn start(settings: ChannelSettings) -> Self {
        let current = Arc::new(Current::default());
        let channel = Channel::new(settings, Arc::clone(&current));
        Self { current, task: tokio::spawn(channel.run()) }
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.current.load().table)
    }

    /// Waits until the table is as it should be.
    pub(crate) async fn has(&self, what: &str, holds: impl Fn(&Table) -> bool) -> Arc<Table> {
        until(what, || Some(self.table()).filter(|table| self.current.generation() > 0 && holds(table))).await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tries until there is a value.
pub(crate) async fn until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let give_up = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(std::time::Instant::now() < give_up, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A route for a path.
pub(crate) fn route(path: &str) -> Arc<Route> {
    let path = PathMatch::Exact(path.to_owned());
    Arc::new(Route { buffer_size: 0, ..Route::new(vec![Match::new(path)], Backend::Pool(key("pool"))) })
}

/// A pool without members.
pub(crate) fn pool() -> Arc<Pool> {
    Arc::new(Pool::new(Algorithm::RoundRobin, Vec::new()))
}

/// A token that says when it ends.
pub(crate) fn jwt(expiry: SystemTime) -> String {
    let seconds = expiry.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("{{\"exp\":{seconds}}}"));
    format!("header.{claims}.signature")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("team", name)
}
