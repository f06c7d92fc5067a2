//! Events of what changes to and fro: the first few as they come, then one in a while for all of them.
//!
//! Health flaps. Each Event is an object that the API server keeps for an hour, so that a Target which fails and returns
//! every second would fill it. What is held back is told by the next Event, which says how often there was something. A
//! change to something that was not told of lately is no flapping, and told at once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use sluicegate_crds::status::ConditionType;
use tokio::time::Instant;

use super::events::Transition;
use super::pace::Pace;

/// Events of one object that come at once after a quiet time, less one.
const BURST: u32 = 5;
/// The time that each takes up.
const EACH: Duration = Duration::from_mins(1);

/// What flaps, by the UIDs of objects.
#[derive(Debug, Default)]
pub(super) struct Flapping {
    objects: HashMap<String, Flow>,
    /// When each is looked at next, to tell what was held back or to be forgotten; once each.
    timers: BTreeSet<(Instant, String)>,
}

/// The changes of one object.
#[derive(Debug)]
struct Flow {
    pace: Pace,
    /// What was told since the last quiet time: reasons, and whether it was well. As many as there are reasons at most.
    told: HashSet<(String, bool)>,
    /// The last one that was not told, and how many there were.
    held: Option<(Transition, u32)>,
    timer: Instant,
}

impl Flapping {
    /// Takes in a change; gives it back where it is to be told now.
    pub(super) fn take(&mut self, transition: Transition, now: Instant) -> Option<Transition> {
        if transition.action != ConditionType::Healthy.as_str() {
            return Some(transition);
        }
        let uid = transition.uid.clone();
        let Self { objects, timers } = self;
        let flow = objects.entry(uid.clone()).or_insert_with(|| {
            timers.insert((now + EACH, uid.clone()));
            Flow { pace: Pace::new(EACH, BURST, now), told: HashSet::new(), held: None, timer: now + EACH }
        });
        if flow.told.insert((transition.reason.clone(), transition.well)) {
            // It says more than what was held back before it.
            flow.held = None;
            flow.pace.next(now);
            return Some(transition);
        }
        let at = flow.pace.peek(now);
        if let Some((held, count)) = &mut flow.held {
            *held = transition;
            *count += 1;
            return None;
        }
        if at <= now {
            flow.pace.next(now);
            return Some(transition);
        }
        flow.held = Some((transition, 1));
        timers.remove(&(flow.timer, uid.clone()));
        timers.insert((at, uid));
        flow.timer = at;
        None
    }

    /// When there is next something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Something that was held back, where its time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Transition> {
        if self.next_due().is_none_or(|at| at > now) {
            return None;
        }
        let (_, uid) = self.timers.pop_first()?;
        let flow = self.objects.get_mut(&uid)?;
        let held = flow.held.take();
        if held.is_some() {
            flow.pace.next(now);
        } else if flow.pace.is_rested(now) {
            self.objects.remove(&uid);
            return None;
        }
        flow.timer = now + EACH;
        self.timers.insert((flow.timer, uid));
        let (transition, count) = held?;
        let note = match count {
            1 => transition.note,
            _ => format!("{} (the last of {count} changes)", transition.note),
        };
        Some(Transition { note, ..transition })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::time::Duration;

    use sluicegate_table::ObjectKey;
    use tokio::time::Instant;

    use super::{BURST, EACH, Flapping};
    use crate::objects::{Kind, ObjectId};
    use crate::status::Transition;

    fn transition(name: &str, action: &'static str, reason: &str) -> Transition {
        Transition {
            id: ObjectId { kind: Kind::Target, key: ObjectKey::new("team", name) },
            uid: name.to_owned(),
            action,
            reason: reason.to_owned(),
            note: format!("it is {reason}"),
            warning: true,
            well: reason == "Healthy",
        }
    }

    /// Changes of health of `name` every second for so long, and what is told of them, with the seconds.
    fn told(flapping: &mut Flapping, name: &str, start: Instant, seconds: u64) -> Vec<(u64, Transition)> {
        let mut told = Vec::new();
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            let mut due = Vec::new();
            while flapping.next_due().is_some_and(|at| at <= now) {
                due.extend(flapping.due(now));
            }
            let reason = if second % 2 == 0 { "Ejected" } else { "Healthy" };
            due.extend(flapping.take(transition(name, "Healthy", reason), now));
            told.extend(due.into_iter().map(|transition| (second, transition)));
        }
        told
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_told_at_once_and_then_one_in_a_while_for_all() {
        let mut flapping = Flapping::default();
        let told = told(&mut flapping, "a", Instant::now(), 601);
        let seconds: Vec<u64> = told.iter().map(|(second, _)| *second).collect();
        let after: Vec<u64> = (1..=10).map(|minute| minute * 60).collect();
        assert_eq!(seconds, [(0..=u64::from(BURST)).collect(), after].concat());
        let (_, last) = told.last().unwrap();
        assert_eq!((last.reason.as_str(), last.note.as_str()), ("Healthy", "it is Healthy (the last of 60 changes)"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_change_is_told_and_all_is_forgotten_after_a_quiet_time() {
        let (mut flapping, start) = (Flapping::default(), Instant::now());
        told(&mut flapping, "a", start, 8);
        let at = flapping.next_due().unwrap();
        assert_eq!(at, start + EACH);
        let last = flapping.due(at).unwrap();
        assert_eq!(last.note, "it is Healthy (the last of 2 changes)");
        let mut now = at;
        while let Some(at) = flapping.next_due() {
            now = now.max(at);
            assert_eq!(flapping.due(now), None);
        }
        assert!(flapping.objects.is_empty());
        assert!(now - start < EACH * (BURST + 3), "{:?}", now - start);
    }

    #[tokio::test(start_paused = true)]
    async fn something_else_than_before_is_told_at_once() {
        let (mut flapping, start) = (Flapping::default(), Instant::now());
        told(&mut flapping, "a", start, 30);
        let now = start + Duration::from_secs(30);
        let open = transition("a", "Healthy", "CircuitOpen");
        assert_eq!(flapping.take(open.clone(), now), Some(open.clone()));
        assert_eq!(flapping.take(open.clone(), now), None, "it was told");
        let in_some = Transition { well: true, ..open };
        assert_eq!(flapping.take(in_some.clone(), now), Some(in_some));
        // What came before it is not told after it.
        let mut later = Vec::new();
        while let Some(at) = flapping.next_due() {
            later.extend(flapping.due(at));
        }
        assert_eq!(later, []);
    }

    #[tokio::test(start_paused = true)]
    async fn other_objects_and_other_conditions_are_not_held_back() {
        let (mut flapping, start) = (Flapping::default(), Instant::now());
        told(&mut flapping, "a", start, 30);
        let now = start + Duration::from_secs(30);
        assert!(flapping.take(transition("a", "Accepted", "Invalid"), now).is_some());
        assert!(flapping.take(transition("b", "Healthy", "Ejected"), now).is_some());
    }
}
