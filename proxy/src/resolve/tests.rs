#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::advance;

use super::*;

/// A name server that says what the test wants.
#[derive(Clone)]
struct Server {
    outcome: Arc<Mutex<Outcome>>,
    delay: Arc<Mutex<Duration>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn new() -> (Self, Resolver) {
        let server = Self {
            outcome: Arc::new(Mutex::new(Err(Unfound::Failed("nothing set".into())))),
            delay: Arc::default(),
            asked: Arc::default(),
        };
        let inner = server.clone();
        let lookup: Lookup = Box::new(move |_| {
            inner.asked.fetch_add(1, Ordering::Relaxed);
            let (outcome, delay) = (inner.outcome.lock().unwrap().clone(), *inner.delay.lock().unwrap());
            Box::pin(async move {
                tokio::time::sleep(delay).await;
                outcome
            })
        });
        (server, Resolver::with_lookup(Handle::current(), lookup))
    }

    fn says(&self, addresses: &[&str], ttl: u64) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        *self.outcome.lock().unwrap() = Ok(Found { addresses, ttl: Duration::from_secs(ttl) });
    }

    fn fails(&self, unfound: Unfound) {
        *self.outcome.lock().unwrap() = Err(unfound);
    }

    fn takes(&self, seconds: u64) {
        *self.delay.lock().unwrap() = Duration::from_secs(seconds);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn addresses(resolver: &Resolver) -> Result<Vec<String>, ResolveError> {
    let mut addresses: Vec<String> =
        resolver.resolve("a.example").await?.iter().map(|address| address.to_string()).collect();
    addresses.sort();
    Ok(addresses)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn broken() -> Unfound {
    Unfound::Failed("no answer".into())
}

#[tokio::test(start_paused = true)]
async fn addresses_and_localhost_need_no_lookup() {
    let (server, resolver) = Server::new();
    for (host, expected) in [
        ("192.0.2.7", vec!["192.0.2.7"]),
        ("2001:db8::1", vec!["2001:db8::1"]),
        ("localhost", vec!["127.0.0.1", "::1"]),
        ("LocalHost.", vec!["127.0.0.1", "::1"]),
        ("db.localhost", vec!["127.0.0.1", "::1"]),
    ] {
        let found: Vec<String> = resolver.resolve(host).await.unwrap().iter().map(|ip| ip.to_string()).collect();
        assert_eq!(found, expected, "{host}");
    }
    assert_eq!(server.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn addresses_count_for_their_ttl_and_never_beyond_five_minutes() {
    let (server, resolver) = Server::new();
    for (ttl, counts) in [(0, 1), (30, 30), (86_400, 300)] {
        server.says(&["192.0.2.1"], ttl);
        advance(seconds(400)).await;
        let asked = server.asked();
        assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.1"]);
        advance(Duration::from_millis(counts * 1000 - 10)).await;
        addresses(&resolver).await.unwrap();
        assert_eq!(server.asked(), asked + 1, "{ttl}");
        server.says(&["192.0.2.2"], ttl);
        advance(Duration::from_millis(20)).await;
        assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.2"]);
        assert_eq!(server.asked(), asked + 2, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_connects_ask_once() {
    let (server, resolver) = Server::new();
    server.says(&["192.0.2.1"], 60);
    server.takes(3);
    let all = futures_util::future::join_all((0..50).map(|_| addresses(&resolver))).await;
    assert!(all.iter().all(|found| found.as_ref().unwrap() == &["192.0.2.1"]));
    assert_eq!(server.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn connections_spread_over_the_addresses_of_a_kind() {
    let (server, resolver) = Server::new();
    server.says(&["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"], 60);
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let found: Vec<IpAddr> = resolver.resolve("a.example").await.unwrap().iter().collect();
        assert_eq!(found.len(), 4);
        assert!(found[..3].iter().all(IpAddr::is_ipv4) && found[3].is_ipv6(), "{found:?}");
        firsts.push(found[0].to_string());
    }
    firsts.sort();
    assert_eq!(firsts, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_name_server_leaves_the_last_addresses_for_an_hour() {
    let (server, resolver) = Server::new();
    server.says(&["192.0.2.1"], 30);
    addresses(&resolver).await.unwrap();
    server.fails(broken());
    advance(seconds(31)).await;
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.1"]);
    assert_eq!(server.asked(), 2);
    // It is not asked again for five seconds.
    advance(seconds(4)).await;
    addresses(&resolver).await.unwrap();
    assert_eq!(server.asked(), 2);
    advance(seconds(2)).await;
    addresses(&resolver).await.unwrap();
    assert_eq!(server.asked(), 3);
    advance(STALE).await;
    let error = addresses(&resolver).await.unwrap_err();
    assert_eq!(error.to_string(), "`a.example` could not be looked up: no answer");
    server.says(&["192.0.2.2"], 30);
    advance(seconds(6)).await;
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.2"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_name_server_holds_up_nobody_who_has_addresses() {
    let (server, resolver) = Server::new();
    server.says(&["192.0.2.1"], 30);
    addresses(&resolver).await.unwrap();
    advance(seconds(31)).await;
    server.says(&["192.0.2.2"], 30);
    server.takes(4);
    let began = Instant::now();
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.1"]);
    assert_eq!(began.elapsed(), PATIENCE);
    // The next one finds that the lookup is late already.
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.1"]);
    assert_eq!(began.elapsed(), PATIENCE);
    advance(seconds(4)).await;
    tokio::task::yield_now().await;
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.2"]);
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_never_was_is_remembered_for_its_negative_ttl() {
    let (server, resolver) = Server::new();
    for (ttl, counts) in [(0, 1), (20, 20), (3600, 60)] {
        server.fails(Unfound::NoSuchName(seconds(ttl)));
        advance(seconds(100)).await;
        let asked = server.asked();
        assert_eq!(addresses(&resolver).await, Err(ResolveError::NotFound("a.example".into())));
        advance(Duration::from_millis(counts * 1000 - 10)).await;
        addresses(&resolver).await.unwrap_err();
        assert_eq!(server.asked(), asked + 1, "{ttl}");
        advance(Duration::from_millis(20)).await;
        addresses(&resolver).await.unwrap_err();
        assert_eq!(server.asked(), asked + 2, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_there_is_gone_when_said_twice() {
    let (server, resolver) = Server::new();
    server.says(&["192.0.2.1"], 30);
    addresses(&resolver).await.unwrap();
    server.fails(Unfound::NoSuchName(seconds(60)));
    advance(seconds(31)).await;
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.1"]);
    advance(RETRY).await;
    assert_eq!(addresses(&resolver).await, Err(ResolveError::NotFound("a.example".into())));
    assert_eq!(server.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn addresses_that_nobody_could_be_reached_at_are_asked_for_again_now_and_then() {
    let (server, resolver) = Server::new();
    server.says(&["192.0.2.1"], 300);
    addresses(&resolver).await.unwrap();
    server.says(&["192.0.2.2"], 300);
    // Just learned: another answer is not to be expected.
    advance(RETRY.saturating_sub(seconds(1))).await;
    resolver.doubt("a.example");
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.1"]);
    advance(seconds(1)).await;
    for host in ["a.example", "other.example", "192.0.2.1"] {
        resolver.doubt(host);
    }
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.2"]);
    assert_eq!(server.asked(), 2);

    // While the name server is away they are better than none.
    advance(RETRY).await;
    server.fails(broken());
    resolver.doubt("a.example");
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.2"]);
    resolver.doubt("a.example");
    assert_eq!(addresses(&resolver).await.unwrap(), ["192.0.2.2"]);
    assert_eq!(server.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_asks_for_are_forgotten() {
    let (server, resolver) = Server::new();
    server.says(&["192.0.2.1"], 30);
    addresses(&resolver).await.unwrap();
    assert_eq!(resolver.0.names().len(), 1);
    advance(STALE + seconds(31)).await;
    resolver.resolve("b.example").await.unwrap();
    assert_eq!(resolver.0.names().keys().collect::<Vec<_>>(), ["b.example"]);
}

#[test]
fn workers_on_other_runtimes_share_what_is_known() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, resolver) = control.block_on(async { Server::new() });
    server.says(&["192.0.2.1"], 60);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let resolver = resolver.clone();
            // Without a timer or I/O of its own: a worker needs neither for this.
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            std::thread::spawn(move || runtime.block_on(addresses(&resolver)).unwrap())
        })
        .collect();
    for worker in workers {
        assert_eq!(worker.join().unwrap(), ["192.0.2.1"]);
    }
    assert_eq!(server.asked(), 1);
}
