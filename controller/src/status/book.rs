//! What is known of each object, and which statuses are due.
//!
//! When a status is written:
//!
//! - After a verdict, once nothing new was said of the object for [`SETTLE`] and every ready proxy has spoken, at the latest
//!   [`PATIENCE`] after the verdict. So an object that comes with others is written once, and a new Rule says `Programmed`
//!   in its first status.
//! - After anything else (proxies, health), not sooner than [`INTERVAL`] after the last write of that object.
//! - While proxies have still to speak, it is looked at again every [`RECHECK`], and all objects in turn within [`SWEEP`],
//!   which mends what others did to a status.
//!
//! Looking is a comparison in memory; only a difference is written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use imbl::ordmap::DiffItem;
use k8s_openapi::jiff::Timestamp;
use sluicegate_table::{Entries, ObjectKey, Pool};
use tokio::time::Instant;

use super::Verdicts;
use super::desired::{Desired, Facts, generation, unresolved};
use super::held::Held;
use super::job::{Change, Job, Outcome};
use super::object::{Known, entry_of, object_of};
use super::witnesses::{News, Witnesses};
use crate::collect::{Proxy, ProxyId};
use crate::compile::ObjectStatus;
use crate::objects::{Kind, ObjectId};
use crate::publish::Published;

/// How long nothing new must have been said of an object.
pub(super) const SETTLE: Duration = Duration::from_millis(100);
/// How long a verdict waits for the proxies' word.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);
/// The least time between two writes of an object that its user did not touch.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// How often an object is looked at of which proxies have still to speak.
pub(super) const RECHECK: Duration = Duration::from_secs(5);
/// How long it takes until each object was looked at in turn.
pub(super) const SWEEP: Duration = Duration::from_mins(5);
/// The most objects looked at in one go, so that nothing else waits for long.
const MOST_LOOKS: usize = 256;
/// The longest time between tries to write.
const MOST_BETWEEN_TRIES: Duration = Duration::from_secs(30);

/// What is known of each object.
#[derive(Default)]
pub(super) struct Book {
    published: Published,
    witnesses: Witnesses,
    objects: BTreeMap<ObjectId, Held>,
    /// The object that was last looked at in turn.
    swept: Option<ObjectId>,
    /// Why references of Targets do not resolve.
    targets: BTreeMap<ObjectKey, Option<String>>,
    /// The Upstreams that have a Target.
    upstreams_of: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Objects that not every ready proxy has, by the version that it needs.
    awaited: BTreeSet<(u64, ObjectId)>,
    timers: BTreeSet<(Instant, ObjectId)>,
    queue: VecDeque<ObjectId>,
    found: Vec<Change>,
}

impl Book {
    /// Takes in what compile said. Another epoch is another term: what proxies said before counts no more.
    pub(super) fn take(&mut self, verdicts: Verdicts, now: Instant) {
        let Verdicts { published, statuses } = verdicts;
        if published.epoch != self.published.epoch {
            *self = Self { witnesses: Witnesses::new(&published.epoch), ..Self::default() };
        }
        let before = std::mem::replace(&mut self.published, published);
        let mut touched = self.compare_tables(&before);
        for (id, verdict) in statuses {
            if id.kind == Kind::Target {
                let reason = verdict.as_ref().map(unresolved);
                match &reason {
                    Some(reason) => drop(self.targets.insert(id.key.clone(), reason.clone())),
                    None => drop(self.targets.remove(&id.key)),
                }
                touched.extend(self.upstreams(&id.key));
            }
            match verdict {
                Some(verdict) => self.say(&id, verdict, now),
                None => self.forget(&id),
            }
            touched.insert(id);
        }
        for id in touched {
            self.wake_by(&id, now + SETTLE);
        }
    }

    /// Takes in who is ready and what the proxies report.
    pub(super) fn hear<'a>(
        &mut self,
        ready: Option<impl IntoIterator<Item = &'a String>>,
        fleet: &BTreeMap<ProxyId, Proxy>,
        known: &impl Fn(&ObjectId) -> Option<Known>,
        now: Instant,
    ) {
        let knew = self.witnesses.are_known();
        let News { entries, targets, upstreams } = self.witnesses.hear(ready, fleet, now);
        let mut touched: BTreeSet<ObjectId> = entries.iter().map(object_of).collect();
        touched.extend(upstreams.into_iter().map(|key| ObjectId { kind: Kind::Upstream, key }));
        for key in targets {
            touched.extend(self.upstreams(&key));
            touched.insert(ObjectId { kind: Kind::Target, key });
        }
        if let Some(floor) = self.witnesses.floor() {
            touched.extend(self.awaited.iter().take_while(|(needs, _)| *needs <= floor).map(|(_, id)| id.clone()));
        }
        if !knew && self.witnesses.are_known() {
            for id in self.objects.keys().cloned().collect::<Vec<_>>() {
                self.wake_by(&id, now);
            }
        }
        for id in touched {
            self.look(&id, known, now);
        }
    }

    /// Looks at objects whose time has come.
    pub(super) fn wake(&mut self, known: &impl Fn(&ObjectId) -> Option<Known>, now: Instant) {
        for _ in 0..MOST_LOOKS {
            let Some((at, id)) = self.timers.pop_first() else { return };
            if at > now {
                self.timers.insert((at, id));
                return;
            }
            if let Some(held) = self.objects.get_mut(&id) {
                held.timer = None;
            }
            self.look(&id, known, now);
        }
    }

    /// Looks at the next objects in turn: at all of them in so many `turns`.
    pub(super) fn sweep(&mut self, turns: usize, known: &impl Fn(&ObjectId) -> Option<Known>, now: Instant) {
        let from = self.swept.take().map_or(Bound::Unbounded, Bound::Excluded);
        let share = self.objects.len().div_ceil(turns.max(1));
        let ids: Vec<ObjectId> =
            self.objects.range((from, Bound::Unbounded)).take(share).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.look(id, known, now);
        }
        self.swept = ids.into_iter().next_back();
    }

    /// When the next object's time comes.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A status to write now.
    pub(super) fn next_job(&mut self, known: &impl Fn(&ObjectId) -> Option<Known>, now: Instant) -> Option<Job> {
        while let Some(id) = self.queue.pop_front() {
            let Some(held) = self.objects.get_mut(&id) else { continue };
            held.queued = false;
            // The time since it was queued may have made it another one, or none.
            let Some((known, desired)) = self.desired(&id, known, now) else { continue };
            if known.status != desired.status
                && let Some(held) = self.objects.get_mut(&id)
            {
                held.writing = true;
                held.fresh = false;
                let before = held.before(&known);
                return Some(Job { id, known, status: desired.status, before });
            }
        }
        None
    }

    /// Statuses that turned out to have been written by tries that had no answer.
    pub(super) fn found(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.found)
    }

    /// Takes in what came of a write.
    pub(super) fn done(
        &mut self,
        id: &ObjectId,
        outcome: Outcome,
        known: &impl Fn(&ObjectId) -> Option<Known>,
        now: Instant,
    ) {
        let Some(held) = self.objects.get_mut(id) else { return };
        held.writing = false;
        match outcome {
            Outcome::Written(newer) => {
                held.wrote = Some(now);
                held.tries = 0;
                held.unanswered = None;
                held.overtake(newer, known(id));
            }
            Outcome::Outdated(newer) => {
                held.fresh = true;
                held.overtake(newer, known(id));
            }
            Outcome::Gone => return,
            Outcome::Failed(before) => {
                held.fresh = true;
                held.unanswered.get_or_insert(before);
                held.tries = held.tries.saturating_add(1);
                let wait = Duration::from_secs(1 << held.tries.min(5)).min(MOST_BETWEEN_TRIES);
                return self.wake_later(id, Some(now + wait));
            }
        }
        self.look(id, known, now);
    }

    fn say(&mut self, id: &ObjectId, verdict: ObjectStatus, now: Instant) {
        let required = self.published.since.get(&entry_of(id)).copied().unwrap_or(self.published.table.version);
        self.unawait(id);
        let held = self.objects.entry(id.clone()).or_insert_with(|| Held::new(required, now));
        if !held.fresh {
            held.changed = now;
        }
        held.required = required;
        // Only the conditions are of use here; the problems behind them are in their messages.
        held.verdict = ObjectStatus { conditions: verdict.conditions, ..ObjectStatus::default() };
        held.said = now;
        held.fresh = true;
    }

    fn forget(&mut self, id: &ObjectId) {
        self.unawait(id);
        if let Some(at) = self.objects.remove(id).and_then(|held| held.timer) {
            self.timers.remove(&(at, id.clone()));
        }
    }

    fn unawait(&mut self, id: &ObjectId) {
        if let Some(held) = self.objects.get_mut(id).filter(|held| held.awaited) {
            held.awaited = false;
            self.awaited.remove(&(held.required, id.clone()));
        }
    }

    /// Looks whether an object's status is to be written, now or later.
    fn look(&mut self, id: &ObjectId, known: &impl Fn(&ObjectId) -> Option<Known>, now: Instant) {
        let Some(held) = self.objects.get(id) else { return };
        let settled = (held.said + SETTLE).min(held.changed + PATIENCE);
        if held.fresh && now < settled {
            return self.wake_by(id, settled);
        }
        let Some((known, Desired { status, open })) = self.desired(id, known, now) else { return };
        self.unawait(id);
        let Some(held) = self.objects.get_mut(id) else { return };
        if open {
            held.awaited = true;
            self.awaited.insert((held.required, id.clone()));
        }
        if known.status == status {
            if !open {
                held.fresh = false;
            }
            if held.unanswered.is_some() {
                let before = held.before(&known);
                held.unanswered = None;
                self.found.push(Change { id: id.clone(), uid: known.uid, before, after: status });
            }
            return self.wake_later(id, open.then_some(now + RECHECK));
        }
        if held.queued || held.writing {
            return;
        }
        let due = match held.wrote {
            _ if held.fresh => {
                if open {
                    held.changed + PATIENCE
                } else {
                    settled
                }
            }
            Some(wrote) => wrote + INTERVAL,
            None => now,
        };
        if now < due {
            return self.wake_later(id, Some(due));
        }
        held.queued = true;
        self.queue.push_back(id.clone());
        self.wake_later(id, open.then_some(now + RECHECK));
    }

    /// The object and what its status should be; `None` where there is nothing to say now.
    fn desired(
        &mut self,
        id: &ObjectId,
        known: &impl Fn(&ObjectId) -> Option<Known>,
        now: Instant,
    ) -> Option<(Known, Desired)> {
        let held = self.objects.get_mut(id)?;
        let known = held.latest(known(id)?);
        // What was said of an older generation is overtaken: compile is about to speak of this one.
        if generation(&held.verdict).is_some_and(|generation| generation < known.generation) {
            return None;
        }
        let date = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let Self { published, witnesses, targets, .. } = &*self;
        let held = self.objects.get(id)?;
        let desired =
            Facts { published, witnesses, targets, now, date }.desired(id, &held.verdict, held.required, &known);
        Some((known, desired))
    }

    /// Looks at an object at this time, or before.
    fn wake_by(&mut self, id: &ObjectId, at: Instant) {
        if self.objects.get(id).is_some_and(|held| held.timer.is_none_or(|timer| at < timer)) {
            self.wake_later(id, Some(at));
        }
    }

    /// Sets an object's timer, in place of the one that it has.
    fn wake_later(&mut self, id: &ObjectId, at: Option<Instant>) {
        let Some(held) = self.objects.get_mut(id) else { return };
        if let Some(old) = std::mem::replace(&mut held.timer, at) {
            self.timers.remove(&(old, id.clone()));
        }
        if let Some(at) = at {
            self.timers.insert((at, id.clone()));
        }
    }

    /// The Upstreams that have a Target.
    fn upstreams(&self, target: &ObjectKey) -> Vec<ObjectId> {
        let keys = self.upstreams_of.get(target).into_iter().flatten();
        keys.map(|key| ObjectId { kind: Kind::Upstream, key: key.clone() }).collect()
    }

    /// Notes which pools have which Targets, and returns what the change of the table touches beside what compile says.
    fn compare_tables(&mut self, before: &Published) -> BTreeSet<ObjectId> {
        let table = self.published.table.clone();
        let mut touched = BTreeSet::new();
        for (key, old, new) in changes(&before.table.pools, &table.pools) {
            for target in old.iter().flat_map(|pool| members(pool)) {
                if let Some(upstreams) = self.upstreams_of.get_mut(target) {
                    upstreams.remove(key);
                    if upstreams.is_empty() {
                        self.upstreams_of.remove(target);
                    }
                }
            }
            for target in new.iter().flat_map(|pool| members(pool)) {
                self.upstreams_of.entry(target.clone()).or_default().insert(key.clone());
            }
            touched.insert(ObjectId { kind: Kind::Upstream, key: key.clone() });
        }
        let targets = changes(&before.table.targets, &table.targets).into_iter().map(|(key, ..)| key);
        let endpoints = changes(&before.table.endpoints, &table.endpoints).into_iter().map(|(key, ..)| key);
        for key in targets.chain(endpoints) {
            touched.insert(ObjectId { kind: Kind::Target, key: key.clone() });
            touched.extend(self.upstreams(key));
        }
        touched
    }
}

type Changed<'a, T> = (&'a ObjectKey, Option<&'a T>, Option<&'a T>);

fn changes<'a, T: PartialEq>(old: &'a Entries<T>, new: &'a Entries<T>) -> Vec<Changed<'a, T>> {
    let changes = old.diff(new);
    changes
        .map(|change| match change {
            DiffItem::Add(key, new) => (key, None, Some(&**new)),
            DiffItem::Remove(key, old) => (key, Some(&**old), None),
            DiffItem::Update { old: (key, old), new: (_, new) } => (key, Some(&**old), Some(&**new)),
        })
        .collect()
}

fn members(pool: &Pool) -> impl Iterator<Item = &ObjectKey> {
    pool.levels.iter().flat_map(|level| &level.members).map(|member| &member.target)
}
