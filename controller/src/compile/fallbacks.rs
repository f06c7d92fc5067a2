//! Which Upstream falls back to which, and which of these lead back to where they began.
//!
//! An Upstream falls back to one other at most, so that from each there is one way to go: a loop is found by going it,
//! and a change of some Upstreams makes or breaks only loops that go through one of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sluicegate_table::ObjectKey;

use super::faults::{Fault, shown};

/// The most Upstreams of a loop that a message names.
const MOST_NAMED: usize = 8;

/// Who falls back to whom.
#[derive(Default)]
pub(super) struct Fallbacks {
    to: HashMap<ObjectKey, ObjectKey>,
    /// The loop that an Upstream is part of, in the order in which they fall back.
    loops: HashMap<ObjectKey, Arc<[ObjectKey]>>,
}

impl Fallbacks {
    /// Takes in what Upstreams fall back to now. Gives those that are part of a loop now and were not, or of another, or
    /// are no more.
    pub(super) fn replace(&mut self, now: BTreeMap<ObjectKey, Option<ObjectKey>>) -> BTreeSet<ObjectKey> {
        let changed: BTreeMap<_, _> = now.into_iter().filter(|(key, to)| self.to.get(key) != to.as_ref()).collect();
        let mut touched = BTreeSet::new();
        for key in changed.keys() {
            for member in self.loops.get(key).map(Arc::clone).iter().flat_map(|members| members.iter()) {
                self.loops.remove(member);
                touched.insert(member.clone());
            }
        }
        let keys: Vec<ObjectKey> = changed.keys().cloned().collect();
        for (key, to) in changed {
            match to {
                Some(to) => self.to.insert(key, to),
                None => self.to.remove(&key),
            };
        }
        let mut seen = HashSet::new();
        for key in &keys {
            if let Some(members) = self.loop_from(key, &mut seen) {
                let members: Arc<[ObjectKey]> = members.into();
                for member in &*members {
                    self.loops.insert(member.clone(), members.clone());
                    touched.insert(member.clone());
                }
            }
        }
        touched
    }

    /// Why the Upstream cannot fall back as it is written; `None`: it can.
    pub(super) fn fault(&self, key: &ObjectKey) -> Option<Fault> {
        let members = self.loops.get(key)?;
        let begin = members.iter().position(|member| member == key).unwrap_or_default();
        let around = members.iter().cycle().skip(begin).take(members.len());
        let mut names: Vec<String> = around.take(MOST_NAMED).map(|member| shown(&member.name)).collect();
        let more = members.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        let way = names.join(", then ");
        let fault = Fault::invalid(format!("the fallbacks lead back here: {way}, then {} again", shown(&key.name)));
        Some(fault.hint("let one of these fall back to a response, the cache, or nothing"))
    }

    /// The loop that the way from `key` ends in, unless it has been gone before: `seen` are those it led over.
    fn loop_from(&self, key: &ObjectKey, seen: &mut HashSet<ObjectKey>) -> Option<Vec<ObjectKey>> {
        let mut way: Vec<ObjectKey> = Vec::new();
        let mut next = Some(key);
        while let Some(key) = next {
            if !seen.insert(key.clone()) {
                let begin = way.iter().position(|before| before == key)?;
                return Some(way.split_off(begin));
            }
            way.push(key.clone());
            next = self.to.get(key);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::collections::{BTreeMap, BTreeSet};

    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use sluicegate_table::ObjectKey;

    use super::Fallbacks;

    fn key(name: usize) -> ObjectKey {
        ObjectKey::new("default", format!("u{name}"))
    }

    /// Whether the way from each leads back to it, gone step by step.
    fn in_a_loop(to: &BTreeMap<ObjectKey, ObjectKey>) -> BTreeSet<ObjectKey> {
        let leads_back = |begin: &ObjectKey| {
            let mut at = begin;
            for _ in 0..to.len() {
                let Some(next) = to.get(at) else { return false };
                if next == begin {
                    return true;
                }
                at = next;
            }
            false
        };
        to.keys().filter(|key| leads_back(key)).cloned().collect()
    }

    #[test]
    fn a_loop_is_named_from_each_of_its_members() {
        let mut fallbacks = Fallbacks::default();
        let touched = fallbacks.replace([(key(0), Some(key(1))), (key(1), Some(key(0)))].into());
        assert_eq!(touched, BTreeSet::from([key(0), key(1)]));
        let message = fallbacks.fault(&key(1)).unwrap().message().to_owned();
        assert_eq!(message, "the fallbacks lead back here: `u1`, then `u0`, then `u1` again");
        assert_eq!(fallbacks.replace([(key(0), None)].into()), touched);
        assert_eq!(fallbacks.fault(&key(1)), None);
    }

    proptest! {
        /// Whatever changes, in whatever order: those in loops are known, and those for which that changed are told.
        #[test]
        fn loops_are_those_that_lead_back(steps in vec(vec((0..6_usize, of(0..6_usize)), 1..4), 1..8)) {
            let mut fallbacks = Fallbacks::default();
            let mut to = BTreeMap::new();
            for step in steps {
                let before = in_a_loop(&to);
                let step: BTreeMap<_, _> =
                    step.into_iter().map(|(from, next)| (key(from), next.map(key))).collect();
                for (from, next) in &step {
                    match next {
                        Some(next) => to.insert(from.clone(), next.clone()),
                        None => to.remove(from),
                    };
                }
                let touched = fallbacks.replace(step);
                let now = in_a_loop(&to);
                for member in (0..6).map(key) {
                    prop_assert_eq!(fallbacks.fault(&member).is_some(), now.contains(&member), "{:?}", member);
                    if before.contains(&member) != now.contains(&member) {
                        prop_assert!(touched.contains(&member), "{:?}", member);
                    }
                }
            }
        }
    }
}
