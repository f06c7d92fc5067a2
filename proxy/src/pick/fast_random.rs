//! Random numbers for balancing: a generator per thread, seeded once from the operating system.
//!
//! Not for secrets. A draw is a multiplication and a few shifts: no lock, no system call, nothing shared between workers.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// An odd constant with well mixed bits (2^64 divided by the golden ratio): the step of a Weyl sequence.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// 64 random bits.
pub(crate) fn bits() -> u64 {
    STATE.with(|state| {
        let last = match state.get() {
            0 => first_state(),
            state => state,
        };
        let next = last.wrapping_add(STEP);
        state.set(next);
        mix(next)
    })
}

/// A random number below `bound`, and 32 more random bits. The bias is below `bound` ÷ 2^32.
pub(crate) fn below(bound: u32) -> (u32, u32) {
    let bits = bits();
    ((((bits >> 32) * u64::from(bound)) >> 32) as u32, bits as u32)
}

#[cold]
fn first_state() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Spreads a change of any bit over all bits: multiplies to 128 bits and folds the halves.
pub(crate) fn mix(number: u64) -> u64 {
    let product = u128::from(number) * u128::from(number ^ 0xe703_7ed1_a0b4_28db);
    (product >> 64) as u64 ^ product as u64
}

/// Makes this thread's numbers repeatable.
#[cfg(test)]
pub(crate) fn seed(seed: u64) {
    STATE.with(|state| state.set(seed));
}
