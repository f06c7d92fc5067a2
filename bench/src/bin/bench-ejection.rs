//! How long it takes from the failure that ejects an endpoint until no worker picks it any more; prints it as JSON.
//!
//! Each round has an endpoint of its own, alone in its level, and one to stand in below it: until it is ejected every pick
//! gives it, and from then on none does. The workers pick all the time, one of them judges the failure, as the worker does
//! whose request it was. A round has two figures, both of its slowest worker: when the last pick began that still gave the
//! endpoint, and when the first was done that gave the other. The second holds the time, too, in which the machine did not
//! let a worker run.

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::HeaderMap;
use serde_json::{Value, json};
use sluicegate_bench::request::view;
use sluicegate_proxy::endpoint::{Endpoint, InFlight, Load, TargetRuntime};
use sluicegate_proxy::health::Outcome;
use sluicegate_proxy::pick::{Balancer, MemberIndex};
use sluicegate_proxy::request::IdentityHeaders;
use sluicegate_table::{Algorithm, Level, Member, ObjectKey, PassiveCheck, Pool, Protocol, Target, Weight};

const WORKERS: usize = 4;
/// The first rounds warm the caches up.
const WARM_UP: usize = 500;

const FAILING: MemberIndex = MemberIndex(0);

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(Ok(5_000), |text| text.parse().context("the number of rounds"))?;
    let rounds = (0..WARM_UP + rounds).map(|_| Round::new()).collect::<Result<Vec<Round>>>()?;
    let (failed, workers): (Vec<Instant>, Vec<Vec<Seen>>) = thread::scope(|scope| {
        let others: Vec<_> = (1..WORKERS).map(|_| scope.spawn(|| rounds.iter().map(Round::pick).collect())).collect();
        let (failed, own) = rounds.iter().map(Round::judge).unzip();
        (failed, others.into_iter().filter_map(|thread| thread.join().ok()).chain([own]).collect())
    });
    ensure!(workers.len() == WORKERS, "a worker panicked");
    let slowest = |moment: fn(&Seen) -> Instant| {
        let rounds = failed.iter().enumerate().skip(WARM_UP);
        let last = |round: usize| workers.iter().filter_map(|seen| seen.get(round)).map(moment).max();
        let delays = rounds.filter_map(|(round, failed)| Some(last(round)?.saturating_duration_since(*failed)));
        micros(delays.collect())
    };
    let report = json!({
        "workers": WORKERS,
        "rounds": rounds.len() - WARM_UP,
        "lastGiven": slowest(|seen| seen.last_given),
        "leftOut": slowest(|seen| seen.left_out),
    });
    println!("{report}");
    Ok(())
}

/// Median, 99th percentile and maximum in microseconds.
fn micros(mut delays: Vec<Duration>) -> Value {
    delays.sort_unstable();
    let at = |percent: usize| {
        let place = (delays.len() * percent / 100).min(delays.len().saturating_sub(1));
        delays.get(place).map(|delay| delay.as_nanos() as f64 / 1000.0)
    };
    json!({ "median": at(50), "p99": at(99), "maximum": at(100) })
}

/// What one worker saw of an ejection.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When its last pick began that gave the failing endpoint; long ago where none did.
    last_given: Instant,
    /// When its first pick was done that gave the other.
    left_out: Instant,
}

/// A pool, and how far its workers are.
struct Round {
    made: Instant,
    balancer: Balancer,
    failing: Arc<Load>,
    /// Workers that have been given the failing endpoint.
    picking: AtomicUsize,
    /// Workers that have been given the other one.
    done: AtomicUsize,
}

impl Round {
    fn new() -> Result<Self> {
        let target = Arc::new(Target::new("127.0.0.1", 80, Protocol::Http));
        let weight = Weight::try_from(100).context("a weight")?;
        let name = |number: u16| ObjectKey::new("default", format!("target-{number}"));
        let level = |priority| Level { priority, members: vec![Member { target: name(priority), weight }] };
        let mut pool = Pool::new(Algorithm::RoundRobin, vec![level(1), level(2)]);
        pool.health_checks.passive = Some(PassiveCheck::default());
        let loads = [1, 2].map(|number| (name(number), Arc::new(Load::default())));
        let runtime = |(key, load): &(ObjectKey, Arc<Load>)| {
            let (key, load) = (key.clone(), Arc::clone(load));
            let endpoint = Endpoint { key, address: None, target: Arc::clone(&target), load };
            let endpoints = Box::from([Arc::new(endpoint)]);
            Some(Arc::new(TargetRuntime { target: Arc::clone(&target), addresses: None, endpoints }))
        };
        let balancer = Balancer::new(&pool, &loads.each_ref().map(runtime), None);
        let [(_, failing), _] = loads;
        Ok(Self { made: Instant::now(), balancer, failing, picking: AtomicUsize::new(0), done: AtomicUsize::new(0) })
    }

    /// Picks until the failing endpoint is left out.
    fn pick(&self) -> Seen {
        let (headers, identity) = (HeaderMap::new(), IdentityHeaders::default());
        let request = view(&headers, &identity, 1);
        let (mut told, mut last_given) = (false, self.made);
        let left_out = loop {
            let begun = Instant::now();
            if self.balancer.pick(&request, &[]).is_ok_and(|picked| picked.member != FAILING) {
                break Instant::now();
            }
            last_given = begun;
            if !told {
                self.picking.fetch_add(1, Ordering::Relaxed);
                told = true;
            }
        };
        self.done.fetch_add(1, Ordering::Relaxed);
        // Nobody is ahead of the others.
        wait(&self.done, WORKERS);
        Seen { last_given, left_out }
    }

    /// Judges the failures once all others pick, and picks itself; when the last failure came, and as [`Self::pick`].
    fn judge(&self) -> (Instant, Seen) {
        let in_flight: Vec<InFlight> =
            (0..PassiveCheck::default().threshold).map(|_| InFlight::begin(&self.failing)).collect();
        let [before @ .., deciding] = in_flight.as_slice() else { unreachable!("thresholds are above 0") };
        for in_flight in before {
            self.balancer.judge(FAILING, in_flight, Outcome::Reset);
        }
        wait(&self.picking, WORKERS - 1);
        let begun = Instant::now();
        self.balancer.judge(FAILING, deciding, Outcome::Reset);
        (begun, self.pick())
    }
}

/// Until a count is reached. A worker that shares its core lets the others have it.
fn wait(count: &AtomicUsize, until: usize) {
    while count.load(Ordering::Relaxed) < until {
        thread::yield_now();
    }
}
