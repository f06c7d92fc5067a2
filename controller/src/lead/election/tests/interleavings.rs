//! Whatever is slow, lost or frozen: never do two lead.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::Sleep;

use super::*;

/// What becomes of one request.
#[derive(Clone, Debug)]
enum Fate {
    /// It arrives and is answered after these milliseconds.
    Answered { there: u64, back: u64 },
    /// It never arrives.
    Lost,
    /// It arrives after these milliseconds, even if nobody waits any more, and the answer is lost.
    Unanswered { there: u64 },
    /// The API server refuses it.
    Refused,
}

fn fate() -> impl Strategy<Value = Fate> {
    let quick = 0_u64..50;
    let slow = 0_u64..20_000;
    prop_oneof![
        6 => (quick.clone(), quick).prop_map(|(there, back)| Fate::Answered { there, back }),
        2 => (slow.clone(), slow.clone()).prop_map(|(there, back)| Fate::Answered { there, back }),
        1 => Just(Fate::Lost),
        1 => slow.prop_map(|there| Fate::Unanswered { there }),
        1 => Just(Fate::Refused),
    ]
}

/// A way to the store on which each request meets the next fate.
struct Unsteady {
    store: Shared,
    fates: Vec<Fate>,
    next: AtomicUsize,
}

impl Unsteady {
    async fn meet<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Store) -> Result<T, LeaseError> + Send + 'static,
    ) -> Result<T, LeaseError> {
        let fate = self.fates[self.next.fetch_add(1, Ordering::Relaxed) % self.fates.len()].clone();
        let store = self.store.clone();
        // Spawned: a request that is under way arrives even where its sender has given it up.
        let arriving = |there: u64| {
            tokio::spawn(async move {
                sleep(Duration::from_millis(there)).await;
                request(&mut store.lock())
            })
        };
        match fate {
            Fate::Answered { there, back } => {
                let answer = arriving(there).await.unwrap();
                sleep(Duration::from_millis(back)).await;
                answer
            }
            Fate::Unanswered { there } => {
                drop(arriving(there).await);
                pending().await
            }
            Fate::Lost => pending().await,
            Fate::Refused => Err(LeaseError::Unavailable(Box::new(kube::Error::LinesCodecMaxLineLengthExceeded))),
        }
    }
}

impl Leases for Unsteady {
    async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        self.meet(|store| Ok(store.lease.clone())).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let lease = lease.clone();
        self.meet(move |store| store.write(&lease, None)).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let lease = lease.clone();
        self.meet(move |store| store.write(&lease, lease.metadata.resource_version.as_deref())).await
    }
}

/// A process that does not run in some periods (from, for; in milliseconds since it began), and then goes on as if nothing
/// had been.
struct Freezing<F> {
    process: Pin<Box<F>>,
    begun: Instant,
    frozen: Vec<(u64, u64)>,
    thaw: Pin<Box<Sleep>>,
}

impl<F: Future<Output = ()>> Future for Freezing<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let elapsed = self.begun.elapsed().as_millis() as u64;
        let thaws = self.frozen.iter().filter(|(from, long)| (*from..from + long).contains(&elapsed));
        if let Some(thaw) = thaws.map(|(from, long)| from + long).max() {
            let at = self.begun + Duration::from_millis(thaw);
            self.thaw.as_mut().reset(at);
            if self.thaw.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.process.as_mut().poll(context)
    }
}

#[derive(Clone, Debug)]
struct Life {
    fates: Vec<Fate>,
    frozen: Vec<(u64, u64)>,
    starts: u64,
    /// When it is stopped cleanly.
    stops: u64,
}

fn life() -> impl Strategy<Value = Life> {
    let frozen = vec((0_u64..120_000, 1_u64..40_000), 0..4);
    (vec(fate(), 1..40), frozen, 0_u64..20_000, 60_000_u64..200_000).prop_map(|(fates, frozen, starts, stops)| Life {
        fates,
        frozen,
        starts,
        stops,
    })
}

/// How many of 3,500 samples, 50 ms apart, had a leader.
async fn lead_and_follow(lives: Vec<Life>) -> usize {
    let store = Shared::default();
    let mut views = Vec::new();
    for (number, life) in lives.into_iter().enumerate() {
        let leases = Unsteady { store: store.clone(), fates: life.fates, next: AtomicUsize::new(0) };
        let (election, view) = Election::new(leases, &identity(&format!("pod-{number}")), settings());
        views.push(view);
        let process = async move {
            sleep(Duration::from_millis(life.starts)).await;
            let mut stop = pin!(sleep(Duration::from_millis(life.stops)));
            election.run(async { stop.as_mut().await }).await;
        };
        tokio::spawn(Freezing {
            process: Box::pin(process),
            begun: Instant::now(),
            frozen: life.frozen,
            thaw: Box::pin(sleep(Duration::ZERO)),
        });
    }
    let mut led = 0;
    for _ in 0..3_500 {
        sleep(Duration::from_millis(50)).await;
        let leaders = views.iter().filter(|view| view.leads()).count();
        assert!(leaders <= 1, "{leaders} lead at once");
        led += leaders;
    }
    led
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn never_do_two_lead(lives in vec(life(), 2..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(lead_and_follow(lives));
    }
}

/// The property above could hold because nobody ever leads.
#[tokio::test(start_paused = true)]
async fn with_some_trouble_there_is_a_leader_most_of_the_time() {
    let good = Fate::Answered { there: 5, back: 5 };
    let life = |frozen, starts| Life {
        fates: vec![good.clone(), good.clone(), good.clone(), Fate::Refused],
        frozen,
        starts,
        stops: 190_000,
    };
    let led = lead_and_follow(vec![life(vec![(40_000, 30_000)], 0), life(vec![], 1_000)]).await;
    assert!((2_800..3_500).contains(&led), "{led} of 3500 samples");
}
