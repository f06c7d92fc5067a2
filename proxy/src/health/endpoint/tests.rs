//! What is due happens by itself, and what waits for it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::health::Timekeeper;
use crate::health::fixture::passive;

#[tokio::test(start_paused = true)]
async fn what_is_due_first_happens_first() {
    let shared = Arc::default();
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&shared));
    let [late, early] = [60, 10].map(|interval| {
        let endpoint = EndpointHealth::new(&shared);
        endpoint.fail(&passive(1, interval), || true);
        endpoint
    });
    assert!(late.word().has(Word::EJECTED) && early.word().has(Word::EJECTED));
    // The task sleeps until the first, and is woken by one that is earlier still.
    sleep(Duration::from_secs(1)).await;
    let earliest = EndpointHealth::new(&shared);
    earliest.rest(Duration::from_secs(2), &passive(1, 60));
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!((earliest.word(), early.word(), late.word()), (Word::default(), Word::EJECTED, Word::EJECTED));
    sleep(Duration::from_secs(7)).await;
    assert_eq!((early.word().marks(), late.word()), (Word::default(), Word::EJECTED));
    sleep(Duration::from_secs(61)).await;
    assert_eq!((early.word(), late.word(), late.view().share), (Word::default(), Word::default(), View::WHOLE));
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_and_steps_of_a_ramp_are_not() {
    let shared = Arc::default();
    let _timekeeper = Timekeeper::start(&Handle::current(), Arc::clone(&shared));
    let endpoint = EndpointHealth::new(&shared);
    let mut changes = shared.changes();
    let mut told = async || timeout(Duration::from_secs(5), changes.changed()).await.is_ok();
    assert!(!told().await);
    endpoint.fail(&passive(2, 8), || true);
    assert!(!told().await, "one failure changes nothing");
    endpoint.fail(&passive(2, 8), || true);
    assert!(told().await);
    assert!(!told().await && told().await, "it returns after eight seconds");
    assert!(!told().await, "its share grows");
}

#[test]
fn a_refused_ejection_is_asked_for_again() {
    let endpoint = EndpointHealth::new(&Arc::default());
    let check = passive(1, 60);
    endpoint.fail(&check, || false);
    assert!(endpoint.view().ejected_until.is_none());
    endpoint.fail(&check, || true);
    assert!(endpoint.view().ejected_until.is_some());
    endpoint.fail(&check, || panic!("it is ejected already"));
}

#[test]
fn checks_that_pass_again_are_followed_by_a_ramp() {
    let settings = ActiveCheck {
        probe: sluicegate_table::Probe::Tcp,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy_threshold: 1,
        unhealthy_threshold: 1,
    };
    let endpoint = EndpointHealth::new(&Arc::default());
    endpoint.recovers_over(Duration::from_secs(10));
    let check = endpoint.check(&settings, None);
    check.set(true, Instant::now());
    assert_eq!(endpoint.view().share, View::WHOLE, "the first time is no return");
    check.set(false, Instant::now());
    check.set(true, Instant::now());
    assert_eq!(endpoint.view().share * 10 / View::WHOLE, 0);
}
