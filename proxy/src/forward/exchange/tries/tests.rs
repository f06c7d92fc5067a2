//! When a request is tried again, on a paused clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use http::StatusCode;
use sluicegate_table::{Backoff, PassiveCheck, Retry, Timeouts};

use super::*;
use crate::forward::clock::TICK;
use crate::forward::exchange::fixture::{Fixture, retry};
use crate::health::Outcome;

const FAILURE: Failure = Failure::Status(StatusCode::SERVICE_UNAVAILABLE);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn linear(interval: u64) -> Backoff {
    Backoff::Linear { interval: ms(interval), jitter: false }
}

/// Doubles from 100 ms up to this.
fn exponential(max: u64) -> Backoff {
    Backoff::Exponential { base: ms(100), max: ms(max), multiplier_thousandths: 2000, jitter: false }
}

fn fixture(targets: usize, attempts: u32, backoff: Backoff) -> Fixture {
    Fixture::new(targets, Some(retry(attempts, backoff)), Timeouts::default(), |_| {})
}

/// What is decided about one more attempt, and after how many milliseconds.
async fn next(fixture: &Fixture, tries: &mut Tries, deadline: Option<&Deadline>) -> (Result<u32, RetryDecision>, u128) {
    decided(fixture, tries, deadline, MayRepeat::YES).await
}

async fn decided(
    fixture: &Fixture,
    tries: &mut Tries,
    deadline: Option<&Deadline>,
    may: MayRepeat,
) -> (Result<u32, RetryDecision>, u128) {
    let request = fixture.request();
    let wish = Wish { request: &request, routed: fixture.routed(), deadline };
    let (decision, took) = fixture.timed(tries.decide(wish, FAILURE, may)).await;
    (decision.unwrap().map(|picked| picked.member.0), took.as_millis())
}

/// The waits before each of so many retries, in milliseconds.
async fn waits(backoff: Backoff, attempts: u32) -> Vec<u128> {
    let (fixture, mut tries) = (fixture(1, attempts, backoff), Tries::default());
    let mut waits = Vec::new();
    loop {
        match next(&fixture, &mut tries, None).await {
            (Ok(_), wait) => waits.push(wait),
            (Err(decision), wait) => {
                assert_eq!((decision, wait), (RetryDecision::Attempts, 0));
                return waits;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waits_follow_the_backoff_and_the_last_retry_is_followed_by_none() {
    assert_eq!(waits(exponential(500), 6).await, [100, 200, 400, 500, 500, 500]);
    assert_eq!(waits(linear(70), 3).await, [70, 70, 70]);
}

#[tokio::test(start_paused = true)]
async fn jitter_takes_a_part_of_each_wait_and_each_time_another() {
    let most = [1000, 2000, 2500];
    let mut first = Vec::new();
    for _ in 0..100 {
        let backoff =
            Backoff::Exponential { base: ms(1000), max: ms(2500), multiplier_thousandths: 2000, jitter: true };
        let waits = waits(backoff, 3).await;
        assert!(waits.iter().zip(most).all(|(wait, most)| *wait <= most), "{waits:?}");
        first.push(waits[0]);
    }
    // That a hundred random parts of a second are all on one side of its half happens once in 10 to the 29.
    assert!(first.iter().any(|wait| *wait < 500) && first.iter().any(|wait| *wait > 500), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lone_target_gets_the_rest_that_it_asked_for_and_others_need_not_wait_for_it() {
    let (lone, mut tries) = (fixture(1, 3, linear(50)), Tries::default());
    tries.tried.push(MemberIndex(0));
    tries.rests(MemberIndex(0), ms(700));
    assert_eq!(next(&lone, &mut tries, None).await, (Ok(0), 700));
    // It is over, so that the backoff alone counts again.
    assert_eq!(next(&lone, &mut tries, None).await, (Ok(0), 50));

    let (two, mut tries) = (fixture(2, 3, linear(50)), Tries::default());
    tries.tried.push(MemberIndex(0));
    tries.rests(MemberIndex(0), ms(700));
    assert_eq!(next(&two, &mut tries, None).await, (Ok(1), 50));
}

#[tokio::test(start_paused = true)]
async fn a_rest_shorter_than_the_backoff_makes_no_wait_longer() {
    let (lone, mut tries) = (fixture(1, 1, linear(400)), Tries::default());
    tries.rests(MemberIndex(0), ms(100));
    assert_eq!(next(&lone, &mut tries, None).await, (Ok(0), 400));
}

#[tokio::test(start_paused = true)]
async fn a_rest_above_the_longest_wait_is_not_begun() {
    // The backoff's `max`, or 5 s where it names none. Picks may be a moment late to see that a rest is over.
    for (backoff, longest) in [(exponential(1000), 1000), (linear(50), 5000)] {
        let (lone, mut tries) = (fixture(1, 9, backoff), Tries::default());
        tries.rests(MemberIndex(0), ms(longest));
        assert_eq!(next(&lone, &mut tries, None).await, (Ok(0), u128::from(longest)));
        tries.rests(MemberIndex(0), ms(longest) + REST_OVER + ms(1));
        assert_eq!(next(&lone, &mut tries, None).await, (Err(RetryDecision::Wait), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_begun_that_would_not_end_within_the_whole_request() {
    let (fixture, mut tries) = (fixture(1, 9, exponential(5000)), Tries::default());
    let deadline = fixture.deadline(ms(500));
    let mut passed = 0;
    for wait in [100, 200] {
        assert_eq!(next(&fixture, &mut tries, Some(&deadline)).await, (Ok(0), wait));
        passed += wait;
    }
    // 200 ms are left and as much as deadlines may be late, and 400 would be waited.
    assert!(deadline.remaining() <= ms(500 - passed as u64) + 2 * TICK);
    assert_eq!(next(&fixture, &mut tries, Some(&deadline)).await, (Err(RetryDecision::Wait), 0));
}

#[tokio::test(start_paused = true)]
async fn a_rest_is_waited_for_within_the_whole_request_only() {
    for (rest, decision) in [(300, (Ok(0), 300)), (700, (Err(RetryDecision::Wait), 0))] {
        let (fixture, mut tries) = (fixture(1, 9, linear(10)), Tries::default());
        let deadline = fixture.deadline(ms(500));
        tries.rests(MemberIndex(0), ms(rest));
        assert_eq!(next(&fixture, &mut tries, Some(&deadline)).await, decision, "{rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_where_nothing_follows() {
    let waits_long = || linear(10_000);
    let (fixture, mut tries) = (fixture(1, 1, waits_long()), Tries::default());
    for (may, decision) in [
        (MayRepeat { allowed: false, body: true }, RetryDecision::Excluded),
        (MayRepeat { allowed: true, body: false }, RetryDecision::Body),
    ] {
        assert_eq!(decided(&fixture, &mut tries, None, may).await, (Err(decision), 0));
    }
    assert!(next(&fixture, &mut tries, None).await.0.is_ok());
    assert_eq!(next(&fixture, &mut tries, None).await, (Err(RetryDecision::Attempts), 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_while_the_budget_is_spent() {
    let fixture = fixture(1, 9, linear(2_000));
    // Each keeps its part of the budget until it is settled. No other request is under way: the floor is all there is.
    let mut others: Vec<Tries> = (0..Retry::FLOOR).map(|_| Tries::default()).collect();
    for tries in &mut others {
        assert_eq!(next(&fixture, tries, None).await, (Ok(0), 2_000));
    }
    let mut tries = Tries::default();
    assert_eq!(next(&fixture, &mut tries, None).await, (Err(RetryDecision::Budget), 0));
    others[0].settle();
    assert_eq!(next(&fixture, &mut tries, None).await, (Ok(0), 2_000));
}

#[tokio::test(start_paused = true)]
async fn who_waits_holds_no_place_for_a_probe() {
    let (fixture, mut tries) = (fixture(1, 9, linear(10_000)), Tries::default());
    fixture.half_open(ms(30_000)).await;
    let others = async {
        tokio::time::sleep(ms(5_000)).await;
        assert!(fixture.begin().is_some(), "the place is free");
    };
    let ((decision, _), ()) = tokio::join!(next(&fixture, &mut tries, None), others);
    assert_eq!(decision, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn each_target_is_tried_before_one_is_tried_again() {
    let (fixture, mut tries) = (fixture(3, 9, linear(5)), Tries::default());
    tries.tried.push(MemberIndex(1));
    let mut members = vec![1];
    for _ in 0..5 {
        let (member, wait) = next(&fixture, &mut tries, None).await;
        assert_eq!(wait, 5);
        members.push(member.unwrap());
        tries.tried.push(MemberIndex(*members.last().unwrap()));
    }
    let round = |members: &[u32]| {
        let mut members = members.to_vec();
        members.sort_unstable();
        members
    };
    assert_eq!(round(&members[..3]), [0, 1, 2]);
    assert_eq!(round(&members[3..]), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn while_every_target_rests_a_retry_waits_for_the_first_that_returns() {
    let passive = |pool: &mut sluicegate_table::Pool| pool.health_checks.passive = Some(PassiveCheck::default());
    let resting = |fixture: &Fixture| {
        for (member, seconds) in [(0, 3), (1, 2)] {
            let (status, retry_after) = (StatusCode::TOO_MANY_REQUESTS, Some(Duration::from_secs(seconds)));
            fixture.judge(MemberIndex(member), Outcome::Answered { status, retry_after });
        }
    };
    let fixture = |backoff| Fixture::new(2, Some(retry(3, backoff)), Timeouts::default(), passive);

    let waiting = fixture(linear(10));
    resting(&waiting);
    assert_eq!(next(&waiting, &mut Tries::default(), None).await, (Ok(1), 2_000 + REST_OVER.as_millis()));

    let hasty = fixture(exponential(1_000));
    resting(&hasty);
    assert_eq!(next(&hasty, &mut Tries::default(), None).await, (Err(RetryDecision::Wait), 0));
}
