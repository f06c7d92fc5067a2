//! Averages and what is picked by them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sluicegate_table::Algorithm;

use super::{PeakEwma, TIME_CONSTANT, Tick, UNMEASURED, WORST};
use crate::endpoint::InFlight;
use crate::pick::Balancer;
use crate::pick::fast_random;
use crate::pick::fixture::{Client, Fixture, count};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A pool whose members answer after these times, seen by a clock that only the test moves.
struct Scene {
    fixture: Fixture,
    balancer: Balancer,
    times: Vec<Duration>,
    client: Client,
}

impl Scene {
    fn new(weights: &[u8], milliseconds: &[u32]) -> Self {
        let fixture = Fixture::new(Algorithm::LeastLatency, weights);
        let balancer = fixture.balancer();
        let times = milliseconds.iter().map(|time| MILLISECOND * *time).collect();
        // Ticks count from the first look at the clock; leave room before the first request.
        let _ = Tick::at(Instant::now());
        let mut client = Client::default();
        client.after(Duration::from_secs(1));
        Self { fixture, balancer, times, client }
    }

    /// One request, answered before the next.
    fn request(&mut self) -> usize {
        let picked = self.client.pick(&self.balancer);
        let _in_flight = InFlight::begin(self.fixture.load(picked));
        self.client.after(self.times[picked]);
        self.fixture.load(picked).latency.observe(self.times[picked], self.client.received);
        picked
    }

    fn requests(&mut self, count: usize) -> Vec<usize> {
        self::count(self.times.len(), count, || self.request())
    }
}

#[test]
fn each_is_tried_once_and_then_the_fast_one_is_used() {
    let mut scene = Scene::new(&[1; 3], &[200, 5, 80]);
    let mut first = [scene.request(), scene.request(), scene.request()];
    first.sort_unstable();
    assert_eq!(first, [0, 1, 2]);
    assert_eq!(scene.requests(100), [0, 100, 0]);
}

#[test]
fn one_that_another_upstream_has_used_is_tried_at_once() {
    let mut scene = Scene::new(&[1; 2], &[100, 5]);
    (0..2).for_each(|member| drop(InFlight::begin(scene.fixture.load(member))));
    let mut first = [scene.request(), scene.request()];
    first.sort_unstable();
    assert_eq!(first, [0, 1]);
    assert_eq!(scene.requests(100), [0, 100]);
}

#[test]
fn the_first_answer_takes_the_place_of_what_was_expected() {
    let mut scene = Scene::new(&[1; 2], &[200, 5]);
    // A start under load: both are picked before either answers, and a third request compares them.
    let in_flight: Vec<_> = (0..3)
        .map(|_| {
            let picked = scene.client.pick(&scene.balancer);
            InFlight::begin(scene.fixture.load(picked))
        })
        .collect();
    for member in 0..2 {
        scene.client.after(MILLISECOND);
        scene.fixture.load(member).latency.observe(scene.times[member], scene.client.received);
        let seconds = scene.fixture.load(member).latency.seconds(Tick::at(scene.client.received)).unwrap();
        assert!((seconds - scene.times[member].as_secs_f32()).abs() < 1e-3, "{member}: {seconds}");
    }
    drop(in_flight);
    assert_eq!(scene.requests(100), [0, 100]);
}

#[test]
fn only_its_pools_want_times() {
    assert!(Scene::new(&[100], &[1]).balancer.compares_latency());
    assert!(!Fixture::new(Algorithm::LeastConnections, &[100]).balancer().compares_latency());
}

#[test]
fn requests_in_flight_count() {
    let mut scene = Scene::new(&[1; 2], &[10, 25]);
    scene.requests(4);
    let fast = scene.fixture.load(0);
    // 10 ms × 2 is still less than 25 ms × 1, 10 ms × 3 is not.
    let first = InFlight::begin(fast);
    assert_eq!(scene.client.pick(&scene.balancer), 0);
    let second = InFlight::begin(fast);
    assert_eq!(scene.client.pick(&scene.balancer), 1);
    drop((first, second));
    assert_eq!(scene.client.pick(&scene.balancer), 0);
}

#[test]
fn weights_count() {
    let mut scene = Scene::new(&[80, 20], &[40, 20]);
    scene.requests(2);
    // 40 ms ÷ 80 is less than 20 ms ÷ 20.
    assert_eq!(scene.requests(50), [50, 0]);
}

#[test]
fn weight_0_is_not_even_tried() {
    let mut scene = Scene::new(&[50, 0, 50], &[500, 1, 500]);
    assert_eq!(scene.requests(100)[1], 0);
}

#[test]
fn a_slow_one_is_tried_again_after_a_while() {
    let mut scene = Scene::new(&[1; 2], &[10, 1000]);
    scene.requests(10);
    scene.times[1] = Duration::from_millis(2);
    // 1 s fades below 10 ms within ln 100 time constants; until then nothing is sent there.
    scene.times[0] = Duration::from_millis(10);
    let start = scene.client.received;
    while scene.request() == 0 {
        scene.client.after(Duration::from_millis(90));
    }
    let waited = scene.client.received - start;
    assert!(waited > TIME_CONSTANT * 3 && waited < TIME_CONSTANT * 6, "{waited:?}");
    // Measured anew it is as good as it is: the average follows within a few time constants.
    for _ in 0..5 {
        scene.client.after(TIME_CONSTANT);
        scene.request();
    }
    assert_eq!(scene.requests(20), [0, 20]);
}

#[test]
fn one_that_never_answers_attracts_nothing() {
    let mut scene = Scene::new(&[1; 2], &[10, 10]);
    let silent = usize::from(scene.request() == 0);
    // It is picked once, and given up without an answer or a failure: a client that went away.
    assert_eq!(scene.client.pick(&scene.balancer), silent);
    drop(InFlight::begin(scene.fixture.load(silent)));
    assert_eq!(scene.requests(200)[silent], 0);
    // It is not forgotten for ever.
    scene.client.after(TIME_CONSTANT * 10);
    scene.fixture.load(1 - silent).latency.observe(scene.times[0], scene.client.received);
    assert_eq!(scene.request(), silent);
}

#[test]
fn failing_fast_is_not_being_fast() {
    let mut scene = Scene::new(&[1; 2], &[10, 10]);
    scene.requests(10);
    let now = scene.client.received;
    scene.fixture.load(0).latency.observe_failure(now);
    assert_eq!(scene.requests(50), [0, 50]);
}

#[test]
fn a_large_pool_prefers_the_fast() {
    fast_random::seed(6);
    let times: Vec<u32> = (0..100).map(|member| if member % 2 == 0 { 5 } else { 50 }).collect();
    let mut scene = Scene::new(&[1; 100], &times);
    scene.requests(1000);
    let counts = scene.requests(4000);
    let slow: usize = counts.iter().skip(1).step_by(2).sum();
    // Two slow ones are drawn together a quarter of the time.
    assert!(slow < 4000 * 3 / 10, "{slow}");
    assert!(counts.iter().step_by(2).all(|count| *count > 0));
}

#[test]
fn an_average_rises_at_once_and_falls_with_time() {
    let average = PeakEwma::default();
    let start = Instant::now() + Duration::from_secs(1);
    let seconds = |now| average.seconds(Tick::at(now)).unwrap();
    assert!(average.seconds(Tick::at(start)).is_none());
    average.observe(Duration::from_millis(100), start);
    assert!((seconds(start) - 0.1).abs() < 1e-6);
    average.observe(Duration::from_secs(2), start + MILLISECOND);
    assert!((seconds(start + MILLISECOND) - 2.0).abs() < 1e-6);
    // After one time constant: the old value weighs 1/e, the new one the rest.
    let later = start + MILLISECOND + TIME_CONSTANT;
    average.observe(Duration::from_millis(100), later);
    let e = std::f32::consts::E;
    assert!((seconds(later) - (2.0 / e + 0.1 * (1.0 - 1.0 / e))).abs() < 1e-3);
    // Unmeasured, it fades.
    assert!((seconds(later + TIME_CONSTANT) - seconds(later) / e).abs() < 1e-3);
}

#[test]
fn failures_double_an_average_within_bounds() {
    let average = PeakEwma::default();
    let now = Instant::now() + Duration::from_secs(1);
    average.observe_failure(now);
    assert_eq!(average.seconds(Tick::at(now)), Some(UNMEASURED.as_secs_f32()));
    average.observe_failure(now);
    assert_eq!(average.seconds(Tick::at(now)), Some(2.0 * UNMEASURED.as_secs_f32()));
    for _ in 0..10 {
        average.observe_failure(now);
    }
    assert_eq!(average.seconds(Tick::at(now)), Some(WORST.as_secs_f32()));
}

#[test]
fn a_late_writer_does_not_turn_back_time() {
    let average = PeakEwma::default();
    let start = Instant::now() + Duration::from_secs(1);
    average.observe(Duration::from_millis(100), start + TIME_CONSTANT);
    average.observe(Duration::from_millis(50), start);
    let seconds = average.seconds(Tick::at(start + TIME_CONSTANT)).unwrap();
    assert!((seconds - 0.1).abs() < 1e-6, "{seconds}");
}

#[test]
fn ticks_wrap() {
    assert_eq!(Tick(u32::MAX).until(Tick(4)), Some(5));
    assert_eq!(Tick(4).until(Tick(u32::MAX)), None);
}

#[test]
fn threads_lose_no_peak() {
    let average = PeakEwma::default();
    let now = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        for thread in 1..=8 {
            let average = &average;
            scope.spawn(move || (0..1000).for_each(|_| average.observe(MILLISECOND * thread, now)));
        }
    });
    assert_eq!(average.seconds(Tick::at(now)), Some(0.008));
}

proptest! {
    /// Whatever is measured and when, an average stays between the least and the greatest.
    #[test]
    fn an_average_stays_within_what_was_measured(samples in proptest::collection::vec((1..5000_u32, 0..20_000_u32), 1..50)) {
        let average = PeakEwma::default();
        let mut now = Instant::now() + Duration::from_secs(1);
        for (time, pause) in &samples {
            now += MILLISECOND * *pause;
            average.observe(MILLISECOND * *time, now);
        }
        let seconds = average.seconds(Tick::at(now)).unwrap();
        let times = samples.iter().map(|(time, _)| *time as f32 / 1000.0);
        prop_assert!(seconds >= times.clone().fold(f32::INFINITY, f32::min) - 1e-5);
        prop_assert!(seconds <= times.fold(0.0, f32::max) + 1e-5);
    }
}
