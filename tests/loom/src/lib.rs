//! Models of what the proxy's workers share about the health of endpoints, for `loom`, which runs each with every order of
//! its threads' steps that the memory model allows.
//!
//! The files are the proxy's own, with loom's atomics in place of the standard library's. The crate is one of its own since
//! loom's atomics work inside a model only, and switching the whole proxy over would switch tokio too.

#![allow(clippy::missing_docs_in_private_items, clippy::unwrap_used)]

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../../proxy/src/health/published.rs"]
mod published;

#[path = "../../../proxy/src/health/generation.rs"]
mod generation;

use loom::sync::{Arc, Mutex};
use loom::thread;

use atomics::{AtomicU32, Ordering};
use generation::{Generation, WorkedOut};
use published::{Published, Word};

/// Runs a model. A thread is interrupted twice at most, which finds nearly all there is to find and takes seconds.
fn model(threads: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(threads);
}

/// Requests take places and give them back: never more than there are at a time, and none is lost.
pub fn places_are_never_overdrawn() {
    model(|| {
        let health = Arc::new(Published::new());
        let held = Arc::new(AtomicU32::new(0));
        health.open_places(1, 1);
        let request = || {
            let (health, held) = (Arc::clone(&health), Arc::clone(&held));
            move || {
                let Some(phase) = health.take_place() else { return };
                assert_eq!(held.fetch_add(1, Ordering::Relaxed), 0, "two probes on one place");
                held.fetch_sub(1, Ordering::Relaxed);
                health.give_back(phase);
            }
        };
        let others = [thread::spawn(request()), thread::spawn(request())];
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(health.places(), 1);
    });
}

/// A probe is abandoned while its circuit breaker opens and becomes half-open again: its place is of no use to the new
/// phase.
pub fn a_place_of_an_earlier_phase_is_gone() {
    model(|| {
        let health = Arc::new(Published::new());
        health.open_places(1, 2);
        let phase = health.take_place().unwrap();
        let probe = {
            let health = Arc::clone(&health);
            thread::spawn(move || health.give_back(phase))
        };
        health.close_places(1);
        assert_eq!(health.take_place(), None, "nothing gets through an open one");
        health.open_places(2, 1);
        probe.join().unwrap();
        assert_eq!(health.places(), 1);
    });
}

/// A round passes, which frees the places that were judged, while one request takes a place and another gives one back.
pub fn a_new_round_has_its_places() {
    model(|| {
        let health = Arc::new(Published::new());
        health.open_places(1, 3);
        let (under_way, judged) = (health.take_place().unwrap(), health.take_place().unwrap());
        let taking = {
            let health = Arc::clone(&health);
            thread::spawn(move || health.take_place().is_some())
        };
        let giving = {
            let health = Arc::clone(&health);
            thread::spawn(move || health.give_back(under_way))
        };
        health.add_places(judged, 1);
        let got_one = taking.join().unwrap();
        giving.join().unwrap();
        assert!(got_one, "there is one from the beginning");
        assert_eq!(health.places(), 2);
    });
}

/// Two endpoints of a level of which one may be ejected fail at the same time on two workers.
pub fn one_of_two_is_ejected() {
    model(|| {
        let endpoints = Arc::new([Published::new(), Published::new()]);
        let ejecting = Arc::new(Mutex::new(()));
        let worker = |own: usize| {
            let (endpoints, ejecting) = (Arc::clone(&endpoints), Arc::clone(&ejecting));
            thread::spawn(move || {
                let _one_at_a_time = ejecting.lock().unwrap();
                if endpoints.iter().all(|endpoint| !endpoint.word().has(Word::EJECTED)) {
                    endpoints.iter().skip(own).take(1).for_each(|endpoint| endpoint.set_word(Word::EJECTED));
                }
            })
        };
        let workers = [worker(0), worker(1)];
        for worker in workers {
            worker.join().unwrap();
        }
        let ejected = endpoints.iter().filter(|endpoint| endpoint.word().has(Word::EJECTED)).count();
        assert_eq!(ejected, 1);
    });
}

/// Workers work out something from a word while it changes: whoever finds it worked out in the generation at hand finds
/// what holds.
pub fn what_is_worked_out_is_never_old() {
    model(|| {
        let health = Arc::new(Published::new());
        let generation = Arc::new(Generation::new());
        let worked_out = Arc::new(WorkedOut::new());
        let look = {
            let (health, generation, worked_out) =
                (Arc::clone(&health), Arc::clone(&generation), Arc::clone(&worked_out));
            move || {
                let now = generation.now();
                worked_out.get(now).unwrap_or_else(|| {
                    let found = u32::from(health.word().has(Word::EJECTED));
                    worked_out.set(now, found);
                    found
                })
            }
        };
        let workers = [(); 2].map(|()| {
            thread::spawn({
                let look = look.clone();
                move || {
                    look();
                }
            })
        });
        health.set_word(Word::EJECTED);
        generation.grow();
        assert_eq!(look(), 1, "the one who changed it sees it");
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(look(), 1);
    });
}
