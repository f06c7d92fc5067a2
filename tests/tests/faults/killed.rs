//! Targets that are killed and come back under load: callers that may retry notice nothing.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use sluicegate_tests::load::{Asked, Load, Plan, shares};
use sluicegate_tests::manifests::{rule, target, upstream};
use sluicegate_tests::ports::Port;
use sluicegate_tests::program::{Program, program};
use sluicegate_tests::{Client, Setup, until};

/// Requests a second, of both kinds together.
const RATE: u32 = 2_000;
/// Clients of each kind.
const CLIENTS: u32 = 8;
const WEIGHTS: [(&str, usize); 3] = [("one", 50), ("two", 30), ("three", 20)];
/// `healthChecks.passive.interval` and `.recovery`.
const SECOND: Duration = Duration::from_secs(1);

/// An echo server, a process of its own.
struct Echo {
    name: &'static str,
    port: Port,
    program: Program,
}

impl Echo {
    fn start(name: &'static str) -> Self {
        let port = Port::free();
        let program = Self::process(name, port.address());
        Self { name, port, program }
    }

    fn process(name: &str, address: SocketAddr) -> Program {
        let mut command = Command::new(program());
        let program = Program::start(command.args(["echo", "--name", name, "--listen"]).arg(address.to_string()));
        until("the echo server listens", || Client::try_connect(address).ok());
        program
    }

    fn start_again(&mut self) {
        self.program = Self::process(self.name, self.port.address());
    }
}

fn manifests(echoes: &[Echo; 3]) -> String {
    let targets: String = echoes.iter().map(|echo| target(echo.name, echo.port.address().port(), "")).collect();
    let members = WEIGHTS.map(|(name, weight)| format!("{name}, weight: {weight}"));
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let health = "healthChecks: {passive: {threshold: 3, interval: 1s, recovery: 1s}}";
    let retry = "retry: {attempts: 3, backoff: {type: Linear, interval: 10ms}}";
    [
        targets,
        upstream("pool", &members, health),
        rule("retried", &format!("matches: [{{methods: [GET]}}]\nupstream: pool\n{retry}")),
        rule("not-retried", "matches: [{methods: [POST]}]\nupstream: pool"),
    ]
    .concat()
}

fn plan(address: SocketAddr, method: &'static str) -> Plan {
    Plan {
        clients: CLIENTS as usize,
        pause: SECOND * 2 * CLIENTS / RATE,
        method,
        keep_alive: true,
        ..Plan::of(&[address], "test")
    }
}

/// Whether the shares of what was asked since then are the weights. Both methods are one order of picks: either alone may
/// have any part of it.
fn are_the_weights<'a>(asked: impl Iterator<Item = &'a Asked>, since: Instant) -> bool {
    let recent: Vec<&Asked> = asked.filter(|asked| asked.at > since).collect();
    let shares = shares(recent.iter().copied());
    recent.len() >= 1_000
        && WEIGHTS.iter().all(|(name, weight)| {
            let (share, exact) = (shares.get(*name).copied().unwrap_or_default(), recent.len() * weight / 100);
            share.abs_diff(exact) <= 20
        })
}

/// Waits until the shares are the weights again.
fn until_the_weights_hold(gets: &Load, posts: &Load) {
    until("the shares are the weights again", || {
        let since = Instant::now();
        gets.more(1_000);
        let (gets, posts) = (gets.so_far(), posts.so_far());
        are_the_weights(gets.iter().chain(posts.iter()), since).then_some(())
    });
}

#[test]
fn targets_that_are_killed_and_stopped_under_load_cost_callers_that_retry_nothing() {
    let mut echoes = WEIGHTS.map(|(name, _)| Echo::start(name));
    let gate = Setup::new(&manifests(&echoes)).configuration("accessLog: {sample: 0}").start();
    let (gets, posts) = (Load::start(&plan(gate.listen, "GET")), Load::start(&plan(gate.listen, "POST")));
    until_the_weights_hold(&gets, &posts);

    let mut moments = Vec::new();
    for (which, signal) in [(0, "KILL"), (1, "TERM")] {
        let before = Instant::now();
        echoes[which].program.signal(signal);
        echoes[which].program.ended();
        moments.push((before, Instant::now()));
        // Long enough for the others to have all of it, and for ejections to come and go.
        gets.more(1_500);
        let since = Instant::now();
        gets.more(500);
        let answered = shares(gets.so_far().iter().filter(|asked| asked.at > since));
        assert_eq!(answered.get(echoes[which].name), None, "{signal}: {answered:?}");
        echoes[which].start_again();
        until_the_weights_hold(&gets, &posts);
    }

    let (gets, posts) = (gets.end(), posts.end());
    let failed: Vec<&Asked> = gets.iter().filter(|asked| !asked.is_ok()).collect();
    assert!(failed.is_empty(), "{} of {} GETs failed: {:?}", failed.len(), gets.len(), failed[0]);

    // A POST is not sent twice, so those on their way to the target at that moment are lost; no others.
    let failed: Vec<&Asked> = posts.iter().filter(|asked| !asked.is_ok()).collect();
    assert!(failed.len() <= 2 * CLIENTS as usize, "{} of {} POSTs failed: {:?}", failed.len(), posts.len(), failed[0]);
    for asked in failed {
        let reply = asked.answer.as_ref().expect("an answer of the proxy's own");
        assert_eq!((reply.status, reply.reason.as_deref()), (502, Some("upstream-reset")), "{asked:?}");
        let near = |(before, after): &(Instant, Instant)| asked.at < *after + SECOND && asked.at + asked.took > *before;
        assert!(moments.iter().any(near), "long after: {asked:?}");
    }
}
