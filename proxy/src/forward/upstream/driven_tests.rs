#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::future::pending;

use sluicegate_table::{Algorithm, Pool, Protocol, Target};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, yield_now};

use super::*;
use crate::forward::clock::{Clock, TICK};

const LIMIT: Duration = Duration::from_secs(30);

fn link() -> Arc<Link> {
    let pool = Pool::new(Algorithm::RoundRobin, Vec::new());
    Link::shared_or_new(&Target::new("orders", 80, Protocol::Http), None, &pool, None)
}

/// A worker's ticks, for as long as a test says.
struct Ticks {
    driven: Rc<Driven>,
    clock: Rc<Clock>,
}

impl Ticks {
    fn new() -> Self {
        Self { driven: Rc::default(), clock: Clock::new() }
    }

    async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            tokio::time::advance(TICK.min(left)).await;
            left = left.saturating_sub(TICK);
            self.clock.tick();
            self.driven.cut(self.clock.now(), LIMIT);
            yield_now().await;
        }
    }

    /// A connection that never ends by itself. The receiver fails once it is cut.
    fn connection(&self, link: &Arc<Link>) -> oneshot::Receiver<()> {
        let (kept, cut) = oneshot::channel::<()>();
        self.driven.drive(link, None, async move {
            let _kept = kept;
            pending::<()>().await;
        });
        cut
    }

    fn entered(&self) -> usize {
        self.driven.links.borrow().values().map(|of_link| of_link.open.len()).sum()
    }
}

fn is_cut(connection: &mut oneshot::Receiver<()>) -> bool {
    connection.try_recv() == Err(oneshot::error::TryRecvError::Closed)
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_over_a_link_that_leaves_is_cut_when_the_time_is_over_and_not_before() {
    let test = async {
        let ticks = Ticks::new();
        let (leaves, stays) = (link(), link());
        let (mut one, mut other) = (ticks.connection(&leaves), ticks.connection(&stays));
        ticks.pass(2 * LIMIT).await;
        assert!(!is_cut(&mut one));

        leaves.set_leaving(true);
        ticks.pass(LIMIT).await;
        assert!(!is_cut(&mut one), "early");
        ticks.pass(2 * TICK).await;
        assert!(is_cut(&mut one));
        assert!(!is_cut(&mut other));
        assert_eq!(ticks.entered(), 1, "what was cut is forgotten");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_comes_back_is_not_cut_and_has_the_whole_time_when_it_leaves_again() {
    let test = async {
        let ticks = Ticks::new();
        let link = link();
        let mut connection = ticks.connection(&link);
        link.set_leaving(true);
        ticks.pass(LIMIT.saturating_sub(TICK)).await;
        link.set_leaving(false);
        ticks.pass(LIMIT).await;
        link.set_leaving(true);
        ticks.pass(LIMIT.saturating_sub(TICK)).await;
        assert!(!is_cut(&mut connection), "the time before it came back does not count");
        ticks.pass(3 * TICK).await;
        assert!(is_cut(&mut connection));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn what_lies_beneath_is_cut_too_and_what_has_ended_is_forgotten() {
    let test = async {
        let ticks = Ticks::new();
        let link = link();
        let (kept, mut beneath) = oneshot::channel::<()>();
        let task = tokio::task::spawn_local(async move {
            let _kept = kept;
            pending::<()>().await;
        });
        ticks.driven.drive(&link, Some(task.abort_handle()), pending());
        let (end, ended) = oneshot::channel::<()>();
        ticks.driven.drive(&link, None, async move { drop(ended.await) });
        assert_eq!(ticks.entered(), 2);
        drop(end);
        ticks.pass(TICK).await;
        assert_eq!(ticks.entered(), 1);

        link.set_leaving(true);
        ticks.pass(LIMIT + 2 * TICK).await;
        assert!(is_cut(&mut beneath));
        assert_eq!(ticks.entered(), 0);
    };
    LocalSet::new().run_until(test).await;
}
