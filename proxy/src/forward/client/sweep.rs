//! The sweep: each tick it looks at what each connection of a worker waits for, and since when.
//!
//! Connections only note changes; the time of a change is that of the sweep that saw it. So requests read no clock for
//! this, and limits are coarse by one tick.

use std::rc::Rc;
use std::time::Duration;

use slab::Slab;

use super::state::{ConnectionState, Phase, Verdict};
use crate::forward::clock::Millis;

/// How long a connection whose answer is given waits for its client's end, all in all and while nothing comes. What
/// nginx takes for the same (`lingering_time`, `lingering_timeout`).
const LINGER: Duration = Duration::from_secs(30);
const LINGER_IN_SILENCE: Duration = Duration::from_secs(5);

/// How long a connection may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) header: Duration,
    pub(crate) idle: Duration,
}

/// All connections of a worker, as its sweep sees them.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    connections: Slab<Watched>,
    draining: bool,
}

#[derive(Debug)]
struct Watched {
    state: Rc<ConnectionState>,
    phases: u32,
    phase_since: Millis,
    write: u32,
    write_since: Millis,
    /// While everything waits for the client.
    taken: Option<u32>,
    taken_since: Millis,
}

impl Sweeper {
    /// Watches a connection; the number takes it out again.
    pub(crate) fn insert(&mut self, state: &Rc<ConnectionState>, now: Millis) -> usize {
        if self.draining {
            state.decide(Verdict::Graceful);
        }
        let state = Rc::clone(state);
        let (phase_since, write_since, taken_since) = (now, now, now);
        let watched = Watched { phases: 0, phase_since, write: 0, write_since, taken: None, taken_since, state };
        self.connections.insert(watched)
    }

    /// Forgets a connection.
    pub(crate) fn remove(&mut self, key: usize) {
        self.connections.try_remove(key);
    }

    /// Asks every connection to finish what is under way.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
        for (_, watched) in &self.connections {
            watched.state.decide(Verdict::Graceful);
        }
    }

    /// Judges every connection.
    pub(crate) fn sweep(&mut self, now: Millis, patience: Patience) {
        for (_, watched) in &mut self.connections {
            watched.judge(now, patience);
        }
    }
}

impl Watched {
    fn judge(&mut self, now: Millis, patience: Patience) {
        let phases = self.state.phases();
        if phases != self.phases {
            (self.phases, self.phase_since) = (phases, now);
        }
        let write = self.state.write_word();
        if write != self.write {
            (self.write, self.write_since) = (write, now);
        }
        let taken = self.state.all_at_client();
        if taken != self.taken {
            (self.taken, self.taken_since) = (taken, now);
        }
        let over = |since: Millis, limit: Duration| now.saturating_sub(since) >= millis(limit);
        let phase = self.state.phase();
        let still = if phase == Phase::Lingering { LINGER_IN_SILENCE } else { patience.idle };
        if write & 1 == 1 && over(self.write_since, still) {
            self.state.decide(Verdict::Close);
        }
        if taken.is_some() && over(self.taken_since, patience.idle) {
            self.state.decide(Verdict::Close);
        }
        // The end of an answer may still be on its way to a client that takes its time.
        let idle_since = self.phase_since.max(self.write_since);
        match phase {
            Phase::Head if over(self.phase_since, patience.header) => self.state.decide(Verdict::HeaderTimeout),
            // One idle time to close in good order, another one before it is cut.
            Phase::Idle if over(idle_since, patience.idle * 2) => self.state.decide(Verdict::Close),
            Phase::Idle if over(idle_since, patience.idle) => self.state.decide(Verdict::Graceful),
            Phase::Lingering if over(self.phase_since, LINGER) => self.state.decide(Verdict::Close),
            Phase::Idle | Phase::Head | Phase::Busy | Phase::Lingering => {}
        }
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { header: Duration::from_secs(10), idle: Duration::from_mins(1) };

    fn watched() -> (Sweeper, Rc<ConnectionState>) {
        let state = ConnectionState::new();
        let mut sweeper = Sweeper::default();
        sweeper.insert(&state, 0);
        (sweeper, state)
    }

    #[test]
    fn a_head_that_never_ends_gets_408() {
        let (mut sweeper, state) = watched();
        sweeper.sweep(50, PATIENCE);
        sweeper.sweep(9_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(10_050, PATIENCE);
        assert_eq!(state.verdict(), Verdict::HeaderTimeout);
    }

    #[test]
    fn an_idle_connection_has_a_limit_of_its_own() {
        let (mut sweeper, state) = watched();
        state.begin_exchange();
        state.end_exchange();
        sweeper.sweep(50, PATIENCE);
        sweeper.sweep(59_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(60_050, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Graceful);
    }

    #[test]
    fn a_busy_connection_waits_for_ever_unless_the_client_stops_reading() {
        let (mut sweeper, state) = watched();
        state.begin_exchange();
        sweeper.sweep(50, PATIENCE);
        sweeper.sweep(1_000_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        state.write_blocked(true);
        sweeper.sweep(1_000_050, PATIENCE);
        sweeper.sweep(1_059_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(1_060_050, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Close);
    }

    #[test]
    fn an_http2_connection_whose_client_takes_nothing_of_any_stream_is_cut() {
        let (mut sweeper, state) = watched();
        state.begin_exchange();
        state.begin_exchange();
        state.handed_on(true);
        for second in 0..600 {
            sweeper.sweep(second * 1_000, PATIENCE);
        }
        assert_eq!(state.verdict(), Verdict::None, "the other stream waits for its target");
        state.handed_on(true);
        for second in 600..900 {
            state.handed_on(false);
            sweeper.sweep(second * 1_000, PATIENCE);
        }
        assert_eq!(state.verdict(), Verdict::None, "the client takes something now and then");
        sweeper.sweep(958_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(960_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Close);
    }

    #[test]
    fn a_connection_lingers_for_as_long_as_something_comes_but_not_for_ever() {
        let (mut sweeper, state) = watched();
        state.linger();
        sweeper.sweep(0, PATIENCE);
        sweeper.sweep(4_950, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None);
        sweeper.sweep(5_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Close);
        let (mut sweeper, state) = watched();
        state.linger();
        for second in 0..30 {
            state.lingers_on();
            sweeper.sweep(second * 1_000, PATIENCE);
            assert_eq!(state.verdict(), Verdict::None);
        }
        state.lingers_on();
        sweeper.sweep(30_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Close);
    }

    #[test]
    fn a_slow_reader_that_makes_progress_is_left_alone() {
        let (mut sweeper, state) = watched();
        state.begin_exchange();
        for second in 0..600 {
            state.write_progress();
            state.write_blocked(true);
            sweeper.sweep(second * 1_000, PATIENCE);
        }
        assert_eq!(state.verdict(), Verdict::None);
    }

    #[test]
    fn an_answer_whose_end_waits_for_a_slow_reader_is_not_cut() {
        let (mut sweeper, state) = watched();
        state.begin_exchange();
        state.end_exchange();
        for second in 0..600 {
            state.write_progress();
            state.write_blocked(true);
            sweeper.sweep(second * 1_000, PATIENCE);
        }
        assert_eq!(state.verdict(), Verdict::None);
        state.write_progress();
        sweeper.sweep(600_000, PATIENCE);
        sweeper.sweep(659_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::None, "it is idle only now");
        sweeper.sweep(660_000, PATIENCE);
        assert_eq!(state.verdict(), Verdict::Graceful);
    }

    #[test]
    fn draining_reaches_connections_that_come_during_it() {
        let mut sweeper = Sweeper::default();
        sweeper.drain();
        let state = ConnectionState::new();
        sweeper.insert(&state, 0);
        assert_eq!(state.verdict(), Verdict::Graceful);
    }
}
