//! Targets by name, over a real name server: their name goes, comes back, leads elsewhere, or cannot be looked up.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sluicegate_tests::client::get;
use sluicegate_tests::manifests::{object, prefix, target, upstream};
use sluicegate_tests::{Fault, Faulty, Gate, Message, NameServer, Says, Setup, until};

use crate::checked::UNFAILING;
use crate::each_fault::SLACK;
use crate::ejected::is;

const NAME: &str = "model.test";
/// That a name is gone is believed when it is said twice, with this between.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long a connection waits for news of a name while the last addresses are at hand.
const PATIENCE: Duration = Duration::from_secs(1);

/// Two servers on one port, of which the name leads to either; each answers with its own name.
struct Places {
    old: Faulty,
    new: Faulty,
}

impl Places {
    const OLD: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    fn start() -> Self {
        let old = Faulty::start("old");
        let new = Faulty::at("new", SocketAddr::from((Self::NEW, old.port())));
        Self { old, new }
    }

    /// The Target that the name stands for.
    fn target(&self) -> String {
        object("Target", "named", &format!("host: {NAME}\nport: {}", self.old.port()))
    }

    /// A gate whose Upstream has this Target alone. A connection that is there needs no name: it keeps none.
    fn alone(&self, server: &NameServer) -> Gate {
        let pool = upstream("pool", &["named"], "connections: {keepAlive: false}");
        Setup::new(&[self.target(), pool, prefix("/", "pool")].concat()).name_server(server).start()
    }
}

fn at(addresses: &[Ipv4Addr], ttl: u32) -> Says {
    Says::Addresses(addresses.to_vec(), ttl)
}

fn is_from(answer: &Message, place: &str) -> bool {
    answer.status() == 200 && answer.text() == place
}

#[test]
fn a_name_that_goes_is_served_from_its_last_address_until_that_is_certain_and_again_when_it_is_back() {
    let places = Places::start();
    let server = NameServer::start(NAME, at(&[Places::OLD], 1));
    let gate = places.alone(&server);
    assert!(is_from(&gate.get("/"), "old"));

    let gone = Instant::now();
    server.says(Says::NoSuchName);
    until("its clients are told", || {
        let answer = gate.get("/");
        if is_from(&answer, "old") {
            return None;
        }
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("dns-failed")));
        Some(())
    });
    assert!(gone.elapsed() >= BELIEVED, "{:?}", gone.elapsed());
    let reached = places.old.requests();

    server.says(at(&[Places::NEW], 1));
    until("it is served where it is now", || {
        let answer = gate.get("/");
        if is_from(&answer, "new") {
            return Some(());
        }
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("dns-failed")));
        None
    });
    assert_eq!(places.old.requests(), reached);
}

/// Nobody notices beside another target; active checks tell that it is gone, and that it is back elsewhere.
#[test]
fn a_checked_target_whose_name_goes_leaves_and_returns_with_another_address() {
    let places = Places::start();
    let steady = Faulty::start("steady");
    let server = NameServer::start(NAME, at(&[Places::OLD], 1));
    let checks = "healthChecks: {active: {interval: 200ms, timeout: 200ms, unhealthyThreshold: 2}}\nconnections: {keepAlive: false}";
    let pool = upstream("pool", &["named", "steady"], checks);
    let steadily = target("steady", steady.port(), UNFAILING);
    let manifests = [places.target(), steadily, pool, prefix("/", "pool")].concat();
    let gate = Setup::new(&manifests).name_server(&server).start();
    let healthy = |what: &str| until(what, || is(&gate, "named", "Healthy", None).then_some(()));
    healthy("both were checked");
    until("both serve", || is_from(&gate.get("/"), "old").then_some(()));

    server.says(Says::NoSuchName);
    places.old.fail(Fault::Refused);
    until("it is out", || {
        let answer = gate.get("/");
        assert!(is_from(&answer, "steady"), "{}", answer.status());
        is(&gate, "named", "Unhealthy", Some("FailedChecks")).then_some(())
    });

    server.says(at(&[Places::NEW], 1));
    healthy("it is back");
    until("it is served where it is now", || {
        let answer = gate.get("/");
        assert!(is_from(&answer, "steady") || is_from(&answer, "new"), "{}", answer.status());
        is_from(&answer, "new").then_some(())
    });
}

#[test]
fn a_name_server_that_fails_or_is_silent_leaves_the_last_address_in_use() {
    let places = Places::start();
    let server = NameServer::start(NAME, at(&[Places::OLD], 1));
    let gate = places.alone(&server);
    assert!(is_from(&gate.get("/"), "old"));
    for says in [Says::ServerFailure, Says::Nothing] {
        server.says(says.clone());
        let asked = server.asked();
        until("it was asked again", || {
            let begun = Instant::now();
            assert!(is_from(&gate.get("/"), "old"), "{says:?}");
            assert!(begun.elapsed() < PATIENCE + SLACK, "{says:?}: {:?}", begun.elapsed());
            (server.asked() > asked + 1).then_some(())
        });
    }
    server.says(at(&[Places::NEW], 1));
    until("it is heard again", || is_from(&gate.get("/"), "new").then_some(()));
}

#[test]
fn of_two_addresses_both_are_used_and_one_that_is_taken_away_no_more() {
    let places = Places::start();
    let server = NameServer::start(NAME, at(&[Places::OLD, Places::NEW], 1));
    let gate = places.alone(&server);
    for place in ["old", "new"] {
        until("both are used", || is_from(&gate.get("/"), place).then_some(()));
    }
    server.says(at(&[Places::NEW], 1));
    until("one alone is used", || (0..20).all(|_| is_from(&gate.get("/"), "new")).then_some(()));
    let reached = [&places.old, &places.new].map(Faulty::requests);
    assert!((0..20).all(|_| is_from(&gate.get("/"), "new")));
    assert_eq!([&places.old, &places.new].map(Faulty::requests), [reached[0], reached[1] + 20]);
}

/// Five minutes are the longest that an answer counts for; nobody should wait for their end.
#[test]
fn a_host_that_moves_is_found_before_its_old_addresses_expire() {
    let places = Places::start();
    let server = NameServer::start(NAME, at(&[Places::OLD], 300));
    let gate = places.alone(&server);
    assert!(is_from(&gate.get("/"), "old"));

    server.says(at(&[Places::NEW], 300));
    places.old.fail(Fault::Refused);
    until("it is found", || {
        let answer = gate.get("/");
        if is_from(&answer, "new") {
            return Some(());
        }
        assert_eq!((answer.status(), answer.reason().as_deref()), (502, Some("upstream-connect-failed")));
        None
    });
}

/// A connection that is open goes on: what it needs was known when it was opened.
#[test]
fn a_connection_that_is_kept_needs_no_name() {
    let places = Places::start();
    let server = NameServer::start(NAME, at(&[Places::OLD], 1));
    let manifests = [places.target(), upstream("pool", &["named"], ""), prefix("/", "pool")].concat();
    let gate = Setup::new(&manifests).configuration("workers: 1").name_server(&server).start();
    let mut client = gate.client();
    assert_eq!(client.ask(get("/")).text(), "old");
    let asked = server.asked();
    server.says(Says::NoSuchName);
    for _ in 0..50 {
        assert_eq!(client.ask(get("/")).text(), "old");
    }
    assert_eq!((places.old.connections(), server.asked()), (1, asked));
}
