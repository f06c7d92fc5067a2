//! Which limit ends an attempt, on a paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::future::pending;

use sluicegate_table::watch::BreakerState;
use sluicegate_table::{CircuitBreaker, Timeouts};
use tokio::time::sleep;

use super::*;
use crate::endpoint::InFlight;
use crate::forward::clock::TICK;
use crate::forward::exchange::fixture::Fixture;
use crate::forward::upstream::Connections;
use crate::pick::MemberIndex;
use crate::pick::least_latency::PeakEwma;
use crate::worker::WorkerId;

const MEMBER: MemberIndex = MemberIndex(0);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A route with these limits in milliseconds, and a breaker that opens at the first attempt that is so slow.
fn fixture(request: Option<u64>, per_try: Option<u64>, slow: Option<u64>) -> Fixture {
    let timeouts = Timeouts { request: request.map(ms), per_try: per_try.map(ms), idle: None };
    Fixture::new(1, None, timeouts, |pool| {
        pool.circuit_breaker =
            slow.map(|slow| CircuitBreaker { timeout: ms(slow), failure_threshold: 1, ..CircuitBreaker::default() });
    })
}

fn reached(fixture: &Fixture) -> Reached<'_> {
    let (routed, reach) = (fixture.routed(), fixture.reach(MEMBER));
    Reached {
        routed,
        member: MEMBER,
        connections: Connections::new(&reach.link, WorkerId(0)),
        checkout: None,
        upgrade: false,
        in_flight: InFlight::begin(&reach.endpoint.load),
        began: fixture.clock().now(),
        set_cookie: None,
        deadline: routed.route.route.timeouts.request.map(|limit| fixture.deadline(limit)),
        tries: None,
    }
}

/// The time of a slow target begins when the client has given all, and no client's own time counts.
#[tokio::test(start_paused = true)]
async fn an_upload_longer_than_the_breakers_timeout_is_judged_by_what_comes_after_it() {
    for (uploads, answers, opens) in [(1000, 1200, false), (1000, 1500, true), (100, 300, false)] {
        let fixture = fixture(None, None, Some(300));
        let reached = reached(&fixture);
        let watch = BodyWatch::new(fixture.clock(), 0, ms(60_000));
        let answering = async {
            watch.wait_for_client(true);
            sleep(ms(uploads)).await;
            watch.wait_for_client(false);
            sleep(ms(answers - uploads)).await;
        };
        let limits = Limits::begin(fixture.clock(), &reached, Some(&watch));
        fixture.timed(limits.hold(answering)).await.0.unwrap();
        assert_eq!(is_open(&fixture), opens, "{uploads} ms, then {answers} ms");
    }
    // A target that takes no more of what the client would give is slow as well.
    let fixture = fixture(None, None, Some(300));
    let reached = reached(&fixture);
    let watch = BodyWatch::new(fixture.clock(), 0, ms(60_000));
    let limits = Limits::begin(fixture.clock(), &reached, Some(&watch));
    fixture.timed(limits.hold(sleep(ms(500)))).await.0.unwrap();
    assert!(is_open(&fixture));
}

/// A limit that passes in the middle of an upload is the failure of whoever was waited for.
#[tokio::test(start_paused = true)]
async fn a_target_that_stops_reading_is_judged_and_one_that_waits_for_the_client_is_not() {
    // How long after the beginning the target takes what has come, and when the client gives more that it does not take.
    for (limit, takes, gives, judged) in [
        (500, None, None, true),
        (500, Some(0), None, false),
        (500, Some(0), Some(100), true),
        (500, Some(0), Some(400), false),
        (500, Some(400), None, false),
        (20_000, Some(0), Some(18_000), true),
        (20_000, Some(0), Some(19_500), false),
    ] {
        for cause in [ForwardError::TryTimeout, ForwardError::RequestTimeout] {
            let per_try = matches!(cause, ForwardError::TryTimeout).then_some(limit);
            let request = per_try.is_none().then_some(limit);
            let fixture = fixture(request, per_try, Some(60_000));
            let reached = reached(&fixture);
            let watch = BodyWatch::new(fixture.clock(), 0, ms(60_000));
            let answering = async {
                let mut turns: Vec<_> =
                    [(takes, true), (gives, false)].into_iter().filter_map(|(at, waits)| Some((at?, waits))).collect();
                turns.sort_unstable();
                let begun = tokio::time::Instant::now();
                for (at, waits) in turns {
                    tokio::time::sleep_until(begun + ms(at)).await;
                    watch.wait_for_client(waits);
                }
                pending::<()>().await;
            };
            let limits = Limits::begin(fixture.clock(), &reached, Some(&watch));
            let ended = fixture.timed(limits.hold(answering)).await.0.unwrap_err();
            assert_eq!(ended.to_string(), cause.to_string());
            failed_for(ended.into(), &reached, Some(&watch), fixture.clock().since(reached.began), false);
            assert_eq!(is_open(&fixture), judged, "{cause}: {limit} ms, takes {takes:?}, gives {gives:?}");
        }
    }
}

/// Nor does a slow client make its target look slow among others.
#[tokio::test(start_paused = true)]
async fn what_a_client_lets_pass_is_no_latency_of_its_target() {
    for (waits, counts) in [(true, false), (false, true)] {
        let fixture = fixture(None, Some(500), None);
        let reached = reached(&fixture);
        let watch = BodyWatch::new(fixture.clock(), 0, ms(60_000));
        watch.wait_for_client(waits);
        fixture.timed(sleep(ms(500))).await;
        failed_for(ForwardError::TryTimeout.into(), &reached, Some(&watch), ms(500), true);
        let latency = format!("{:?}", fixture.reach(MEMBER).endpoint.load.latency);
        assert_eq!(latency != format!("{:?}", PeakEwma::default()), counts, "{latency}");
    }
}

/// The limit of the whole request is the failure of a target that had enough of it, not of one that got the rest.
#[tokio::test(start_paused = true)]
async fn a_target_that_got_what_others_had_left_of_the_time_is_not_judged_by_it() {
    for (request, left, judged) in [(2000, 2000, true), (2000, 300, false), (2000, 1100, true), (20_000, 1200, true)] {
        let fixture = fixture(Some(request), None, Some(60_000));
        let reached = Reached { deadline: Some(fixture.deadline(ms(left))), ..reached(&fixture) };
        let (ended, _) = sent(&fixture, &reached, None).await;
        let had = fixture.clock().since(reached.began);
        failed_for(ended.unwrap_err().into(), &reached, None, had, false);
        assert_eq!(is_open(&fixture), judged, "{left} of {request} ms");
    }
}

/// What an earlier attempt was waiting for says nothing of the next one, which is given what has come once more.
#[tokio::test(start_paused = true)]
async fn each_attempt_begins_with_the_targets_turn() {
    let fixture = fixture(None, Some(500), Some(60_000));
    let reached = reached(&fixture);
    let watch = BodyWatch::new(fixture.clock(), 0, ms(60_000));
    watch.wait_for_client(true);
    let limits = Limits::begin(fixture.clock(), &reached, Some(&watch));
    let ended = fixture.timed(limits.hold(pending::<()>())).await.0.unwrap_err();
    failed_for(ended.into(), &reached, Some(&watch), fixture.clock().since(reached.began), false);
    assert!(is_open(&fixture));
}

/// The place of a probe is held no longer than the breaker's `timeout`, in a pool without time limits of its own, too.
#[tokio::test(start_paused = true)]
async fn a_probe_without_an_answer_fails_and_one_whose_client_is_slow_lets_go_of_its_place() {
    const TIMEOUT: u64 = 2000;
    /// When the client has given all, and what has become of the breaker a moment after this many milliseconds.
    struct Case(Option<u64>, &'static [(u64, BreakerState, bool)]);
    for Case(ends, then) in [
        Case(Some(0), &[(TIMEOUT - 200, BreakerState::HalfOpen, false), (TIMEOUT, BreakerState::Open, false)]),
        Case(None, &[(TIMEOUT - 200, BreakerState::HalfOpen, false), (TIMEOUT, BreakerState::HalfOpen, true)]),
        // It has the rest of its time once all is given in time.
        Case(
            Some(TIMEOUT - 500),
            &[(2 * TIMEOUT - 700, BreakerState::HalfOpen, false), (2 * TIMEOUT - 500, BreakerState::Open, false)],
        ),
    ] {
        let fixture = fixture(None, None, None);
        fixture.half_open(ms(TIMEOUT)).await;
        let reached = Reached { in_flight: fixture.begin().unwrap(), ..reached(&fixture) };
        let watch = BodyWatch::new(fixture.clock(), 0, ms(60_000));
        let limits = Limits::begin(fixture.clock(), &reached, (ends != Some(0)).then_some(&*watch));
        let answering = async {
            watch.wait_for_client(true);
            sleep(ms(ends.unwrap_or(3_600_000))).await;
            watch.wait_for_client(false);
            pending::<()>().await;
        };
        let begun = tokio::time::Instant::now();
        let looks = async {
            for (at, state, free) in then {
                tokio::time::sleep_until(begun + ms(*at) + 3 * TICK).await;
                assert_eq!(fixture.breaker(), *state, "{ends:?}: after {at} ms");
                assert_eq!(fixture.begin().is_some(), *free, "{ends:?}: after {at} ms");
            }
        };
        let all = async {
            tokio::select! {
                _ = limits.hold(answering) => unreachable!("nothing limits it"),
                () = looks => {}
            }
        };
        fixture.timed(all).await;
    }
}

/// How sending ends whose answer takes so many milliseconds (`None`: for ever), and after how long.
async fn sent(fixture: &Fixture, reached: &Reached<'_>, answer: Option<u64>) -> (Result<(), ForwardError>, Duration) {
    let limits = Limits::begin(fixture.clock(), reached, None);
    let answering = async {
        match answer {
            Some(after) => sleep(ms(after)).await,
            None => pending().await,
        }
    };
    fixture.timed(limits.hold(answering)).await
}

/// Deadlines are never early, and at most two ticks late.
fn is_after(took: Duration, limit: u64) -> bool {
    took >= ms(limit) && took <= ms(limit) + 2 * TICK
}

fn is_open(fixture: &Fixture) -> bool {
    fixture.breaker() == BreakerState::Open
}

#[tokio::test(start_paused = true)]
async fn the_limit_that_comes_first_ends_an_attempt_and_says_which_it_was() {
    for (request, per_try, limit) in [(Some(2000), Some(500), 500), (None, Some(500), 500)] {
        let fixture = fixture(request, per_try, None);
        let (ended, took) = sent(&fixture, &reached(&fixture), None).await;
        assert!(matches!(ended, Err(ForwardError::TryTimeout)), "{ended:?}");
        assert!(is_after(took, limit), "{took:?}");
    }
    for (request, per_try) in [(Some(500), None), (Some(500), Some(500))] {
        let fixture = fixture(request, per_try, None);
        let (ended, took) = sent(&fixture, &reached(&fixture), None).await;
        assert!(matches!(ended, Err(ForwardError::RequestTimeout)), "{ended:?}");
        assert!(is_after(took, 500), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_request_has_one_limit_over_all_attempts() {
    let fixture = fixture(Some(1000), Some(400), None);
    let reached = reached(&fixture);
    let begun = tokio::time::Instant::now();
    for _ in 0..2 {
        let (ended, took) = sent(&fixture, &reached, None).await;
        assert!(matches!(ended, Err(ForwardError::TryTimeout)), "{ended:?}");
        assert!(is_after(took, 400), "{took:?}");
    }
    let (ended, _) = sent(&fixture, &reached, None).await;
    assert!(matches!(ended, Err(ForwardError::RequestTimeout)), "{ended:?}");
    assert!(is_after(begun.elapsed(), 1000), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_not_held_up() {
    let fixture = fixture(Some(1000), Some(400), Some(300));
    let (ended, took) = sent(&fixture, &reached(&fixture), Some(250)).await;
    assert!(ended.is_ok() && took.as_millis() == 250, "{took:?}");
    assert!(!is_open(&fixture));
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_is_a_failure_for_its_breaker_and_goes_on() {
    let fixture = fixture(None, None, Some(300));
    let reached = reached(&fixture);
    assert!(!is_open(&fixture));
    let (ended, took) = sent(&fixture, &reached, Some(900)).await;
    assert!(ended.is_ok() && took.as_millis() == 900, "{took:?}");
    assert!(is_open(&fixture));
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_has_what_is_left_of_its_own_limit() {
    let fixture = fixture(Some(5000), Some(800), Some(300));
    let reached = reached(&fixture);
    let (ended, took) = sent(&fixture, &reached, None).await;
    assert!(matches!(ended, Err(ForwardError::TryTimeout)), "{ended:?}");
    // Two deadlines in a row may each be late.
    assert!(took >= ms(800) && took <= ms(800) + 4 * TICK, "{took:?}");
    assert!(is_open(&fixture));
}
