//! Each transition of the state's table, and that no sequence of events leads anywhere else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::health::fixture::{breaker, passive};
use crate::health::published::Published;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One that has just been ejected for a minute.
fn ejected(now: Instant) -> State {
    let check = passive(3, 60);
    let mut state = State::new(now);
    for failure in 1..=3 {
        assert_eq!(state.fail(now, &check), failure == 3);
    }
    assert!(!state.word().has(Word::EJECTED), "somebody has to allow it");
    state.eject(now, &check);
    assert!(state.word().has(Word::EJECTED) && !state.word().has(Word::FAILED_LATELY));
    state
}

#[test]
fn an_ejected_one_returns_by_a_ramp() {
    let start = Instant::now();
    let mut state = ejected(start);
    assert_eq!((state.due(start), state.view().times_ejected), (Some(start + seconds(60)), 1));
    state.tick(start + seconds(59));
    assert_eq!(state.word(), Word::EJECTED);
    assert!(!state.fail(start + seconds(59), &passive(1, 60)), "it cannot be ejected further");
    state.tick(start + seconds(60));
    assert_eq!((state.word().marks(), state.word().share() * 10 / Word::WHOLE), (Word::default(), 0));
    assert_eq!(state.due(start + seconds(60)), Some(start + seconds(60) + Ramp::STEP));
    state.tick(start + seconds(65));
    assert_eq!(state.word().share() * 100 / Word::WHOLE, 54);
    state.tick(start + seconds(70));
    assert_eq!((state.word(), state.due(start + seconds(70))), (Word::default(), None));
}

#[test]
fn an_ejection_that_is_no_longer_asked_for_does_not_come() {
    let (now, check) = (Instant::now(), passive(1, 60));
    let mut state = State::new(now);
    assert!(state.fail(now, &check));
    state.succeed(true, true);
    state.eject(now, &check);
    assert_eq!(state.word(), Word::default());
}

#[test]
fn an_ejection_cuts_a_ramp_short() {
    let start = Instant::now();
    let mut state = State::new(start);
    state.ramp(start, seconds(10));
    assert!(!state.word().is_plain());
    assert!(state.fail(start, &passive(1, 60)));
    state.eject(start, &passive(1, 60));
    assert_eq!(state.word(), Word::EJECTED);
    state.ramp(start, seconds(10));
    assert_eq!(state.word(), Word::EJECTED, "and none begins meanwhile");
}

#[test]
fn a_rest_ends_without_a_ramp() {
    let start = Instant::now();
    let mut state = State::new(start);
    state.rest(start, seconds(7), &passive(3, 60));
    assert_eq!((state.word(), state.due(start)), (Word::RESTING, Some(start + seconds(7))));
    state.tick(start + seconds(7));
    assert_eq!((state.word(), state.due(start + seconds(7))), (Word::default(), None));
}

#[test]
fn a_breaker_that_closes_is_followed_by_a_ramp() {
    let start = Instant::now();
    let mut state = State::new(start);
    for _ in 0..5 {
        state.fail_breaker(start, &breaker(), 0);
    }
    assert_eq!((state.word(), state.due(start)), (Word::OPEN, Some(start + seconds(60))));
    let now = start + seconds(60);
    assert_eq!(state.tick(now), Some(Places::Open(1, 3)));
    assert_eq!((state.word(), state.due(now)), (Word::HALF_OPEN, None));
    for _ in 0..3 {
        state.probed(now, 1, true, seconds(10));
    }
    assert_eq!((state.view().breaker, state.word().share() * 10 / Word::WHOLE), (BreakerState::Closed, 0));
}

#[test]
fn an_ejection_that_ends_behind_an_open_breaker_leaves_the_ramp_to_it() {
    let start = Instant::now();
    let mut state = ejected(start);
    for _ in 0..5 {
        state.fail_breaker(start + seconds(30), &breaker(), 0);
    }
    assert_eq!(state.word(), Word::EJECTED.and(Word::OPEN));
    state.tick(start + seconds(60));
    assert_eq!((state.word(), state.view().share), (Word::OPEN, Word::WHOLE));
}

#[test]
fn a_success_that_was_none_does_not_end_a_row() {
    let (now, check) = (Instant::now(), passive(3, 60));
    let mut state = State::new(now);
    let mut failures = 0;
    // Each answer's head is fine and its body breaks.
    while !{
        let success = if state.word().has(Word::FAILED_LATELY) { state.succeed(true, true) } else { 0 };
        state.take_back(success, true, true);
        failures += 1;
        state.fail(now, &check)
    } {}
    assert_eq!(failures, 3);
    let success = state.succeed(true, true);
    state.succeed(true, true);
    state.take_back(success, true, true);
    assert!(!state.fail(now, &check), "another success has come since");
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    Fail { eject: bool },
    FailBreaker { succeeded: u8 },
    Succeed,
    TakeBack,
    Rest(u8),
    Ramp(u8),
    TakePlace,
    Probed(bool),
    Abandoned,
    TakeBackProbe,
    Forget { passive: bool, breaker: bool },
    Tick,
    Wait(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => any::<bool>().prop_map(|eject| Event::Fail { eject }),
        6 => any::<u8>().prop_map(|succeeded| Event::FailBreaker { succeeded }),
        1 => Just(Event::Succeed),
        1 => Just(Event::TakeBack),
        1 => any::<u8>().prop_map(Event::Rest),
        1 => (0..50_u8).prop_map(Event::Ramp),
        6 => Just(Event::TakePlace),
        6 => any::<bool>().prop_map(Event::Probed),
        1 => Just(Event::Abandoned),
        1 => Just(Event::TakeBackProbe),
        1 => any::<(bool, bool)>().prop_map(|(passive, breaker)| Event::Forget { passive, breaker }),
        2 => Just(Event::Tick),
        4 => (0..40_000_u16).prop_map(Event::Wait),
    ]
}

/// A state with what is published of it, and the probes under way.
struct Machine {
    state: State,
    published: Published,
    now: Instant,
    under_way: Vec<u32>,
    last_success: u32,
    last_probe: u32,
}

impl Machine {
    fn happens(&mut self, event: Event, probes: u32) {
        let now = self.now;
        let check = passive(3, 20);
        let breaker = CircuitBreaker {
            minimum_success_percent: Some(50),
            probes,
            successes: probes.div_ceil(2),
            success_threshold: 4,
            ..breaker()
        };
        let places = match event {
            Event::Fail { eject } => {
                if self.state.fail(now, &check) && eject {
                    self.state.eject(now, &check);
                }
                None
            }
            Event::FailBreaker { succeeded } => {
                self.state.fail_breaker(now, &breaker, succeeded.into());
                None
            }
            Event::Succeed => {
                self.last_success = self.state.succeed(true, true);
                None
            }
            Event::TakeBack => {
                self.state.take_back(self.last_success, true, true);
                None
            }
            Event::Rest(asked) => {
                self.state.rest(now, seconds(asked.into()), &check);
                None
            }
            Event::Ramp(length) => {
                self.state.ramp(now, seconds(length.into()));
                None
            }
            Event::TakePlace => {
                self.under_way.extend(self.published.take_place());
                None
            }
            Event::Probed(succeeded) => self.under_way.pop().and_then(|phase| {
                self.last_probe = phase;
                self.state.probed(now, phase, succeeded, seconds(5))
            }),
            Event::Abandoned => {
                if let Some(phase) = self.under_way.pop() {
                    self.published.give_back(phase);
                }
                None
            }
            Event::TakeBackProbe => self.state.take_back_probe(now, self.last_probe),
            Event::Forget { passive, breaker } => {
                if passive {
                    self.state.forget_passive();
                }
                if breaker { self.state.forget_breaker(now) } else { None }
            }
            Event::Tick => self.state.tick(now),
            Event::Wait(millis) => {
                // The task is never late by more than it takes.
                let until = now + Duration::from_millis(millis.into());
                self.now = self.state.due(now).map_or(until, |due| due.clamp(now, until));
                self.state.tick(self.now)
            }
        };
        match places {
            None => {}
            Some(Places::Open(phase, places)) => self.published.open_places(phase, places),
            Some(Places::Add(phase, places)) => self.published.add_places(phase, places),
            Some(Places::Close(phase)) => self.published.close_places(phase),
        }
    }

    fn check(&self, probes: u32) {
        let (word, view) = (self.state.word(), self.state.view());
        let half_open = view.breaker == BreakerState::HalfOpen;
        assert_eq!(word.has(Word::HALF_OPEN), half_open);
        assert_eq!(word.has(Word::OPEN), view.open_until.is_some());
        assert!(!(word.has(Word::OPEN) && half_open));
        assert_eq!(view.open_until.is_some(), view.breaker == BreakerState::Open);
        assert_eq!(word.has(Word::EJECTED), view.ejected_until.is_some());
        assert_eq!(word.has(Word::RESTING), view.resting_until.is_some());
        let ramping = self.state.ramp.is_some();
        assert!(!ramping || view.ejected_until.is_none() && view.breaker == BreakerState::Closed, "{view:?}");
        assert!(ramping || view.share == Word::WHOLE);
        assert!((Word::WHOLE / 10..=Word::WHOLE).contains(&view.share));
        assert!(view.times_ejected <= PassiveCheck::LONGEST);
        assert!(view.ejected_until.is_none() || self.state.row.is_empty());
        // Something timed goes on exactly when something is due.
        let timed = word.has(Word::EJECTED.and(Word::RESTING).and(Word::OPEN)) || ramping;
        assert_eq!(self.state.due(self.now).is_some(), timed);
        let current = self.under_way.iter().filter(|phase| **phase == self.state.breaker.number()).count() as u32;
        let left = self.published.places();
        assert!(if half_open { left + current <= probes } else { left == 0 }, "{left} + {current} of {probes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_of_events_leads_to_an_undocumented_state(
        events in proptest::collection::vec(event(), 1..300),
        probes in 1..5_u32,
    ) {
        let now = Instant::now();
        let mut machine = Machine {
            state: State::new(now),
            published: Published::new(),
            now,
            under_way: Vec::new(),
            last_success: 0,
            last_probe: 0,
        };
        for event in events {
            let before = machine.state.view().breaker;
            machine.happens(event, probes);
            machine.check(probes);
            let after = machine.state.view().breaker;
            prop_assert!(
                before == after
                    || matches!(
                        (before, after),
                        (BreakerState::Closed, BreakerState::Open)
                            | (BreakerState::Open, BreakerState::HalfOpen)
                            | (BreakerState::HalfOpen, BreakerState::Closed | BreakerState::Open)
                    )
                    || matches!(event, Event::Forget { breaker: true, .. }) && after == BreakerState::Closed,
                "{before:?} → {after:?} by {event:?}"
            );
        }
        // Left alone, it is healthy in the end, or waits for probes.
        for _ in 0..10_000 {
            let Some(due) = machine.state.due(machine.now) else { break };
            machine.now = due;
            machine.happens(Event::Tick, probes);
        }
        let word = machine.state.word();
        prop_assert!(word.is_plain() || word == Word::HALF_OPEN.and_if(word.has(Word::FAILED_LATELY), Word::FAILED_LATELY));
    }
}
