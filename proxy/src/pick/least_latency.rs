//! `LeastLatency`: the least peak-EWMA latency times requests in flight, divided by weight.
//!
//! The average is over time, not over requests: it forgets with a time constant of [`TIME_CONSTANT`], whatever the rate. A
//! slower answer replaces it at once (peak), so that trouble is seen with the first request and forgiven slowly. It also
//! fades while nothing is measured, so that a target that was slow is tried again.
//!
//! A target that was never picked here goes first, once; from then on it counts as one of [`UNMEASURED`] until an answer
//! arrives. So a new target is tried at once, and one that never answers attracts nothing. Picks of Upstreams with another
//! algorithm do not count: nobody measures what follows them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::algorithm::{Algorithm, Choice};
use super::candidates::{Candidate, Candidates};
use super::least;
use super::sequence::Run;
use super::weighted_round_robin::WeightedRoundRobin;
use crate::endpoint::Load;

/// After this time without a measurement an average has faded to 1/e.
pub const TIME_CONSTANT: Duration = Duration::from_secs(10);

/// What a target counts as that was picked and has not answered yet.
pub const UNMEASURED: Duration = Duration::from_secs(1);

/// The most that repeated failures make of an average.
pub const WORST: Duration = Duration::from_mins(1);

/// The least peak-EWMA latency times requests in flight, divided by weight.
#[derive(Debug)]
pub(crate) struct LeastLatency {
    turns: WeightedRoundRobin,
}

impl LeastLatency {
    /// `turns` decide ties.
    pub(crate) fn new(turns: WeightedRoundRobin) -> Self {
        Self { turns }
    }
}

impl Algorithm for LeastLatency {
    fn choose(&self, among: &Candidates<'_>, run: Run) -> Option<Choice> {
        let now = Tick::at(among.now);
        let choice = least::choose(among, run, &self.turns, |candidate| score(candidate, now))?;
        if run == Run::Real
            && let Some(picked) = among.all.get(choice.position)
        {
            picked.load.latency.expect_answer(now);
        }
        Some(choice)
    }

    fn score(&self, candidate: &Candidate, now: Instant) -> Option<f64> {
        Some(score(candidate, Tick::at(now)))
    }
}

fn score(candidate: &Candidate, now: Tick) -> f64 {
    let load: &Load = &candidate.load;
    let seconds = load.latency.seconds(now).unwrap_or_default();
    f64::from(seconds) * (f64::from(load.in_flight()) + 1.0) / f64::from(candidate.weight)
}

/// A peak-sensitive moving average of a time, in one atomic: the bits of an `f32` of seconds, always above 0, and the
/// [`Tick`] at which it was written. 0: nothing was measured yet. With [`EXPECTED`] it stands in for a measurement.
#[derive(Debug, Default)]
pub(crate) struct PeakEwma(AtomicU64);

/// The sign of the `f32`, which none above 0 has.
const EXPECTED: u64 = 1 << 63;

impl PeakEwma {
    /// Takes in one measured time.
    pub(crate) fn observe(&self, time: Duration, now: Instant) {
        let sample = time.as_secs_f32();
        self.update(now, |average, faded| {
            average.filter(|average| *average >= sample).map_or(sample, |average| sample + (average - sample) * faded)
        });
    }

    /// Takes in an attempt that ended without an answer: twice the average, from [`UNMEASURED`] up to [`WORST`], so that
    /// a target that fails fast does not look fast.
    pub(crate) fn observe_failure(&self, now: Instant) {
        self.update(now, |average, _| {
            (average.unwrap_or_default() * 2.0).clamp(UNMEASURED.as_secs_f32(), WORST.as_secs_f32())
        });
    }

    /// Starts with [`UNMEASURED`] for a target that is picked for the first time: even one that never answers fades and is
    /// tried again.
    fn expect_answer(&self, now: Tick) {
        if self.0.load(Ordering::Relaxed) == 0 {
            let first = pack(UNMEASURED.as_secs_f32(), now) | EXPECTED;
            // Where it fails, another worker has been here first.
            let _ = self.0.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The average, faded by the time since it was written, in seconds; `None`: it was never picked.
    fn seconds(&self, now: Tick) -> Option<f32> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            packed => {
                let (average, written) = unpack(packed);
                Some(average * fading(written, now))
            }
        }
    }

    /// Replaces the average by what `next` makes of it and of the fading since it was written.
    fn update(&self, now: Instant, next: impl Fn(Option<f32>, f32) -> f32) {
        let now = Tick::at(now);
        let mut packed = self.0.load(Ordering::Relaxed);
        loop {
            let (average, written) = unpack(packed);
            // The first measurement takes the place of what was expected: that was no peak.
            let measured = packed != 0 && packed & EXPECTED == 0;
            let value = next(measured.then_some(average), fading(written, now));
            // Workers read the clock one after the other and write in any order: time must not go back.
            let written = if packed != 0 && written.until(now).is_none() { written } else { now };
            match self.0.compare_exchange_weak(packed, pack(value, written), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => packed = current,
            }
        }
    }
}

/// Milliseconds since the process's first look at the clock. Wraps after 49 days: an average of which nothing was heard
/// for half that time counts as fresh, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tick(u32);

impl Tick {
    fn at(instant: Instant) -> Self {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self(instant.saturating_duration_since(*START).as_millis() as u32)
    }

    /// Milliseconds from this tick until `later`; `None` when that is before it.
    fn until(self, later: Self) -> Option<u32> {
        let milliseconds = later.0.wrapping_sub(self.0);
        (milliseconds <= u32::MAX / 2).then_some(milliseconds)
    }
}

/// What is left of 1 after the time between two ticks.
fn fading(from: Tick, to: Tick) -> f32 {
    match from.until(to) {
        None | Some(0) => 1.0,
        Some(milliseconds) => (milliseconds as f32 / -(TIME_CONSTANT.as_millis() as f32)).exp(),
    }
}

fn pack(seconds: f32, written: Tick) -> u64 {
    u64::from(seconds.max(f32::MIN_POSITIVE).to_bits()) << 32 | u64::from(written.0)
}

fn unpack(packed: u64) -> (f32, Tick) {
    (f32::from_bits(((packed & !EXPECTED) >> 32) as u32), Tick(packed as u32))
}

#[cfg(test)]
mod tests;
