//! The task that writes statuses: it takes in what is said, and keeps a bounded number of writes under way.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, interval_at, sleep_until, timeout};
use tracing::{debug, warn};

use super::book::{Book, SWEEP};
use super::events::{EventSink, transitions};
use super::job::{Change, Job, Outcome};
use super::object::Known;
use super::store::{Store, WriteError};
use super::{ClusterStore, Recorder, Verdicts};
use crate::collect::Fleet;
use crate::lead::Leadership;
use crate::objects::ObjectId;
use crate::source::cluster::{Cluster, ReadyProxies};

/// The most writes under way at once.
const MOST_WRITES: usize = 24;
/// How long one may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// What is said where it takes longer.
const LATE: &str = "the API server did not answer in time";
/// How often some objects are looked at in turn.
const SWEEP_TURN: Duration = Duration::from_secs(3);
/// The least time between two looks at the proxies' reports, which come with every version from every proxy.
const LISTENING_INTERVAL: Duration = Duration::from_millis(20);

/// What the writer works on.
pub struct Inputs<S, E> {
    /// What compile says, version by version. Where it ends, the writer does.
    pub verdicts: mpsc::UnboundedReceiver<Verdicts>,
    /// What the proxies report.
    pub fleet: Arc<Fleet>,
    /// The ready proxies.
    pub proxies: watch::Receiver<Option<Arc<ReadyProxies>>>,
    /// Asked before each write.
    pub leadership: Leadership,
    /// The objects.
    pub store: S,
    /// Where Events go.
    pub events: E,
}

/// The task that writes statuses. Dropping it ends it, with what is under way.
#[derive(Debug)]
pub struct Writer(JoinHandle<()>);

impl Writer {
    /// Starts it.
    pub fn start<S: Store, E: EventSink>(inputs: Inputs<S, E>) -> Self {
        Self(tokio::spawn(run(inputs)))
    }

    /// Returns when it ends, which it does not by itself: what it panicked with.
    pub async fn ended(&mut self) -> Option<JoinError> {
        (&mut self.0).await.err()
    }

    /// Starts it over a cluster. `pod`: this controller's.
    pub fn over_cluster(
        client: &Client,
        pod: &str,
        cluster: Arc<Cluster>,
        verdicts: mpsc::UnboundedReceiver<Verdicts>,
        fleet: Arc<Fleet>,
        leadership: Leadership,
    ) -> Self {
        let proxies = cluster.proxies();
        let events = Recorder::start(client.clone(), pod, leadership.clone());
        let store = ClusterStore::new(client.clone(), cluster);
        Self::start(Inputs { verdicts, fleet, proxies, leadership, store, events })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came of a write, and what changed where it was one.
struct Done {
    id: ObjectId,
    outcome: Outcome,
    change: Option<Change>,
}

async fn run<S: Store, E: EventSink>(inputs: Inputs<S, E>) {
    let Inputs { mut verdicts, fleet, mut proxies, leadership, store, events } = inputs;
    let store = Arc::new(store);
    let known = |id: &ObjectId| store.known(id);
    let mut book = Book::default();
    let mut writes: JoinSet<Done> = JoinSet::new();
    let mut sweeps = interval_at(Instant::now() + SWEEP_TURN, SWEEP_TURN);
    let turns = (SWEEP.as_secs() / SWEEP_TURN.as_secs()) as usize;
    let mut listens = Instant::now();
    loop {
        let now = Instant::now();
        while writes.len() < MOST_WRITES
            && let Some(job) = book.next_job(&known, now)
        {
            writes.spawn(write(Arc::clone(&store), leadership.clone(), job));
        }
        for change in book.found() {
            tell(&events, &change);
        }
        let wakes = book.next_timer();
        let news = async {
            sleep_until(listens).await;
            tokio::select! {
                () = fleet.changed() => true,
                changed = proxies.changed() => changed.is_ok(),
            }
        };
        tokio::select! {
            said = verdicts.recv() => match said {
                Some(said) => {
                    book.take(said, Instant::now());
                    let ready = proxies.borrow().clone();
                    hear(&mut book, ready.as_ref(), &fleet, &known);
                }
                None => return,
            },
            sources_live = news => {
                let ready = proxies.borrow_and_update().clone();
                hear(&mut book, ready.as_ref(), &fleet, &known);
                // A source of readiness that has ended would be "changed" for ever.
                listens = Instant::now() + if sources_live { LISTENING_INTERVAL } else { SWEEP };
            }
            Some(done) = writes.join_next() => match done {
                Ok(Done { id, outcome, change }) => {
                    if let Some(change) = change {
                        tell(&events, &change);
                    }
                    book.done(&id, outcome, &known, Instant::now());
                }
                Err(error) => warn!(%error, "a write of a status has ended unexpectedly"),
            },
            () = sleep_until(wakes.unwrap_or(now)), if wakes.is_some() => book.wake(&known, Instant::now()),
            _ = sweeps.tick() => book.sweep(turns, &known, Instant::now()),
        }
    }
}

fn tell(events: &impl EventSink, change: &Change) {
    let Change { id, uid, before, after } = change;
    for transition in transitions(id, uid, before, after) {
        events.publish(transition);
    }
}

fn hear(
    book: &mut Book,
    ready: Option<&Arc<ReadyProxies>>,
    fleet: &Fleet,
    known: &impl Fn(&ObjectId) -> Option<Known>,
) {
    book.hear(ready.map(|ready| ready.keys()), &fleet.proxies(), known, Instant::now());
}

/// Writes one status. Where the object has changed meanwhile, it is read instead, to be compared anew.
async fn write<S: Store>(store: Arc<S>, leadership: Leadership, job: Job) -> Done {
    let Job { id, known, status, before } = job;
    if !leadership.leads() {
        return Done { id, outcome: Outcome::Failed(known), change: None };
    }
    let written = timeout(WRITE_TIMEOUT, store.write(&id, &known, &status)).await;
    let outcome = match written {
        Ok(Ok(written)) => {
            let change = Change { id: id.clone(), uid: written.uid.clone(), before, after: status };
            return Done { id, outcome: Outcome::Written(written), change: Some(change) };
        }
        Ok(Err(WriteError::Conflict)) => match timeout(WRITE_TIMEOUT, store.read(&id)).await {
            Ok(Ok(Some(known))) => Outcome::Outdated(known),
            Ok(Ok(None) | Err(WriteError::Gone)) => Outcome::Gone,
            Ok(Err(error)) => failed(&id, known, &error.to_string()),
            Err(_) => failed(&id, known, LATE),
        },
        Ok(Err(WriteError::Gone)) => Outcome::Gone,
        Ok(Err(error)) => failed(&id, known, &error.to_string()),
        // It may have been written: then the next try meets a conflict and reads it, or the watch shows it before.
        Err(_) => failed(&id, known, LATE),
    };
    debug!(object = %id, ?outcome, "the status was not written");
    Done { id, outcome, change: None }
}

fn failed(id: &ObjectId, before: Known, error: &str) -> Outcome {
    warn!(object = %id, error, "the status could not be written; it will be tried again");
    Outcome::Failed(before)
}
