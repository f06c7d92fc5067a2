//! Series as routes come and go, and exactness under threads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Barrier;
use std::thread;

use http::{Method, StatusCode};
use sluicegate_table::ObjectKey;

use super::*;
use crate::observe::metrics::Metrics;
use crate::observe::metrics::requests::RouteTotals;

fn requests(totals: &RouteTotals) -> u64 {
    totals.outcomes.values().sum()
}

#[test]
fn counts_of_many_workers_add_up_exactly() {
    const WORKERS: u64 = 4;
    const REQUESTS: u64 = 20_000;
    let metrics = Metrics::new();
    let start = Barrier::new(WORKERS as usize + 1);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (metrics, start) = (&metrics, &start);
            scope.spawn(move || {
                let shard = metrics.worker().route(&ObjectKey::new("default", "api"), "default/chat");
                start.wait();
                for number in 0..REQUESTS {
                    let status = StatusCode::from_u16(200 + u16::try_from(number % 50).unwrap()).unwrap();
                    shard.record(&Method::GET, status, Duration::from_millis(worker));
                }
            });
        }
        start.wait();
        // A scrape in the middle may miss requests, but counts never fall.
        let mut last = 0;
        for _ in 0..50 {
            let now = metrics.routes.totals(Instant::now()).first().map_or(0, |(_, totals)| requests(totals));
            assert!(now >= last && now <= WORKERS * REQUESTS, "{last} then {now}");
            last = now;
        }
    });
    let totals = metrics.routes.totals(Instant::now());
    let [(key, totals)] = totals.as_slice() else { panic!("{totals:?}") };
    assert_eq!((key.0.as_str(), key.1.as_str()), ("default/api", "default/chat"));
    assert_eq!(requests(totals), WORKERS * REQUESTS);
    assert_eq!(totals.outcomes.len(), 50);
    assert!(totals.outcomes.values().all(|count| *count == WORKERS * REQUESTS / 50));
    assert_eq!(totals.buckets.iter().sum::<u64>(), WORKERS * REQUESTS);
    // 0 ms in the first bucket, 1 ms in the second, 2 ms in the third, 3 ms in the fourth.
    assert_eq!(totals.buckets[..4], [REQUESTS; 4]);
    assert_eq!(totals.nanoseconds, u128::from(REQUESTS) * 6 * 1_000_000);
}

#[test]
fn a_worker_that_asks_again_gets_the_same_counters() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    let key = ObjectKey::new("default", "api");
    for _ in 0..3 {
        worker.route(&key, "default/chat").record(&Method::GET, StatusCode::OK, Duration::ZERO);
    }
    let (first, second) = (worker.route(&key, "default/chat"), worker.route(&key, "default/chat"));
    first.record(&Method::GET, StatusCode::OK, Duration::ZERO);
    second.record(&Method::GET, StatusCode::OK, Duration::ZERO);
    let totals = metrics.routes.totals(Instant::now());
    assert_eq!(totals.len(), 1);
    assert_eq!(requests(&totals[0].1), 5);
}

#[test]
fn a_removed_route_is_shown_for_a_while_and_then_forgotten() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    let kept = worker.route(&ObjectKey::new("default", "kept"), "default/chat");
    let removed = worker.route(&ObjectKey::new("default", "removed"), "default/chat");
    kept.record(&Method::GET, StatusCode::OK, Duration::ZERO);
    removed.record(&Method::GET, StatusCode::OK, Duration::ZERO);
    drop(removed);
    let start = Instant::now();
    let names = |at| metrics.routes.totals(at).into_iter().map(|((route, _), _)| route).collect::<Vec<_>>();
    assert_eq!(names(start), ["default/kept", "default/removed"]);
    assert_eq!(names(start + KEPT / 2), ["default/kept", "default/removed"]);
    assert_eq!(names(start + KEPT), ["default/kept"]);
}

#[test]
fn a_route_that_comes_back_in_time_goes_on_counting() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    let key = ObjectKey::new("default", "api");
    worker.route(&key, "default/chat").record(&Method::GET, StatusCode::OK, Duration::ZERO);
    let start = Instant::now();
    metrics.routes.totals(start);
    let again = worker.route(&key, "default/chat");
    again.record(&Method::GET, StatusCode::OK, Duration::ZERO);
    let totals = metrics.routes.totals(start + KEPT * 2);
    assert_eq!(requests(&totals[0].1), 2);
}

#[test]
fn memory_is_bounded_without_any_scrape() {
    let metrics = Metrics::new();
    let worker = metrics.worker();
    for number in 0..3 * MOST_KEPT {
        drop(worker.route(&ObjectKey::new("default", format!("rule-{number}")), "default/chat"));
    }
    let held = metrics.routes.0.lock().unwrap().series.len();
    assert!(held <= 2 * MOST_KEPT + 256, "{held} series");
    assert_eq!(metrics.routes.totals(Instant::now()).len(), MOST_KEPT);
}
