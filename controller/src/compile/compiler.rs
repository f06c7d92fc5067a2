//! Compile, one change at a time: what it costs follows from what changed and what refers to that, not from how much
//! there is.
//!
//! An object is compiled again where it changed, where a Secret, `ConfigMap` or Service that it names did, or where an
//! object that it names came, went, was refused or was mended. Rules are looked at again, but not compiled, where one of
//! their matches gets or loses the Rule that takes its requests. Everything that statuses say follows from the objects
//! alone; only which entry a refused object keeps depends on what was in force before.

use std::collections::{BTreeMap, BTreeSet};

use imbl::{OrdMap, OrdSet};
use kube::Resource;
use sluicegate_crds::status::Reason;
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::watch::{EntryId, EntryKind};
use sluicegate_table::{Endpoints, Entries, ObjectKey, Pool, Route, Table};

use super::entries::{Closed, Ledger, Made, OfKind, Otherwise, Verdict, put};
use super::fallbacks::Fallbacks;
use super::faults::Problems;
use super::overlap::Overlap;
use super::references::Scope;
use super::referrers::{Reference, Referred, Referrers};
use super::standing::{Said, Standing};
use super::{Claims, ObjectStatus, rule, services, target, upstream};
use crate::objects::{Candidate, Change, Kind, ObjectId, Objects, Reference as Unread};

/// Owns the objects and what was made of them.
pub struct Compiler {
    claims: Claims,
    /// As in [`Scope`].
    suggests: bool,
    objects: Objects,
    version: u64,
    targets: OfKind<sluicegate_table::Target>,
    pools: OfKind<Pool>,
    routes: OfKind<Route>,
    endpoints: Entries<Endpoints>,
    referrers: Referrers,
    fallbacks: Fallbacks,
    overlap: Overlap,
    ledger: Ledger,
    pending: Pending,
}

/// What an application of changes came to. The table and what belongs to it are whole; cloning them is cheap.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The table: one version after the last, or the last version where neither it nor `keep` changed.
    pub table: Table,
    /// The entries of refused objects of which no valid version is known here: proxies keep what they have. What the table
    /// holds under such a name is what a proxy that has nothing takes. The addresses behind such a Target are among them.
    pub keep: OrdSet<EntryId>,
    /// For each object and the addresses behind each Target: the version in which its entry became what it is now, be it
    /// nothing.
    pub since: OrdMap<EntryId, u64>,
    /// What is said of the objects of which something else was said before. `None`: the object is no more.
    pub statuses: BTreeMap<ObjectId, Option<ObjectStatus>>,
}

/// The objects that must be compiled.
#[derive(Default)]
struct Pending {
    targets: BTreeSet<ObjectKey>,
    upstreams: BTreeSet<ObjectKey>,
    rules: BTreeSet<ObjectKey>,
    /// Rules of which matches may be hidden now, or no longer.
    overlapping: BTreeSet<ObjectKey>,
}

impl Compiler {
    /// A compiler that knows no objects yet. `last` is what is in force: the first application of changes must bring all
    /// objects, and entries of others go.
    pub fn new(claims: Claims, last: Table) -> Self {
        Self::over(Objects::default(), claims, last, false)
    }

    /// A compiler of these objects, all of which are compiled by the first application of changes.
    pub(super) fn over(objects: Objects, claims: Claims, last: Table, suggests: bool) -> Self {
        fn all<T, E>(objects: &BTreeMap<ObjectKey, T>, entries: &Entries<E>) -> BTreeSet<ObjectKey> {
            objects.keys().chain(entries.keys()).cloned().collect()
        }
        let pending = Pending {
            targets: last.endpoints.keys().cloned().chain(all(&objects.targets, &last.targets)).collect(),
            upstreams: all(&objects.upstreams, &last.pools),
            rules: all(&objects.rules, &last.routes),
            overlapping: BTreeSet::new(),
        };
        let mut ledger = Ledger::default();
        let ids = pending.rules.iter().map(|key| (EntryKind::Route, key));
        let ids = ids.chain(pending.upstreams.iter().map(|key| (EntryKind::Pool, key)));
        let ids = ids.chain(pending.targets.iter().map(|key| (EntryKind::Target, key)));
        for (kind, key) in ids.chain(last.endpoints.keys().map(|key| (EntryKind::Endpoints, key))) {
            ledger.since.insert(EntryId { kind, key: key.clone() }, last.version);
        }
        Self {
            claims,
            suggests,
            objects,
            version: last.version,
            targets: OfKind::new(last.targets),
            pools: OfKind::new(last.pools),
            routes: OfKind::new(last.routes),
            endpoints: last.endpoints,
            referrers: Referrers::default(),
            fallbacks: Fallbacks::default(),
            overlap: Overlap::default(),
            ledger,
            pending,
        }
    }

    /// Takes changes in and compiles what they touch.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Step {
        for change in changes {
            self.note(&change);
            self.objects.apply(change);
        }
        self.advance().0
    }

    /// The objects, for another compiler.
    pub fn into_objects(self) -> Objects {
        self.objects
    }

    /// Compiles what is pending. Tells also whether the table is another one than before.
    pub(super) fn advance(&mut self) -> (Step, bool) {
        // Each kind before the one that refers to it.
        for key in std::mem::take(&mut self.pending.targets) {
            self.target(&key);
        }
        self.fallbacks();
        while let Some(key) = self.pending.upstreams.pop_first() {
            self.upstream(&key);
        }
        for key in std::mem::take(&mut self.pending.rules) {
            self.rule(&key);
        }
        for key in std::mem::take(&mut self.pending.overlapping) {
            self.overlapping(key);
        }
        let Closed { version, table_changed } = self.ledger.close(self.version);
        self.version = version;
        let table = Table {
            version,
            routes: self.routes.entries.clone(),
            pools: self.pools.entries.clone(),
            targets: self.targets.entries.clone(),
            endpoints: self.endpoints.clone(),
        };
        let statuses = std::mem::take(&mut self.ledger.statuses).into_iter().map(|id| self.status(id)).collect();
        let step = Step { table, keep: self.ledger.keep.clone(), since: self.ledger.since.clone(), statuses };
        (step, table_changed)
    }

    fn status(&self, id: ObjectId) -> (ObjectId, Option<ObjectStatus>) {
        let said = match id.kind {
            Kind::Rule => self.routes.said.get(&id.key),
            Kind::Upstream => self.pools.said.get(&id.key),
            Kind::Target => self.targets.said.get(&id.key),
        };
        (id, said.map(Said::status))
    }

    /// Notes what a change touches by itself.
    fn note(&mut self, change: &Change) {
        let pending = &mut self.pending;
        let mut of = |kind, key| pending.targets.extend(self.referrers.of(kind, key).iter().cloned());
        match change {
            Change::Secret(key, _) | Change::Unreadable(Unread::Secret(key), _) => of(Referred::Secret, key),
            Change::ConfigMap(key, _) | Change::Unreadable(Unread::ConfigMap(key), _) => of(Referred::ConfigMap, key),
            Change::Service(key, _) | Change::Unreadable(Unread::Service(key), _) => of(Referred::Service, key),
            Change::Target(key, _) => pending.targets.extend([key.clone()]),
            Change::Upstream(key, _) => pending.upstreams.extend([key.clone()]),
            Change::Rule(key, _) => pending.rules.extend([key.clone()]),
        }
    }

    fn target(&mut self, key: &ObjectKey) {
        let scope = Scope::of(key, self.suggests);
        let compile = |object: &Target, problems: &mut Problems, references: &mut BTreeSet<Reference>| {
            references.extend(target::references(&object.spec));
            Verdict::of(target::target(&object.spec, &self.objects, scope, problems))
        };
        let mut made = made(self.objects.targets.get(key), compile, no_requests);
        // What is in force of a refused Target follows its Service, too, whatever the object says now.
        if let (Some(Made { verdict: Verdict::Refused(_), references, .. }), Some(entry)) =
            (&mut made, self.targets.entries.get(key))
        {
            references.extend(services::reference(key, entry));
        }
        let before = self.targets.settle(key, made, &mut self.ledger);
        let now = self.targets.said.get(key);
        let [upstreams] = self.referrers.update(key, [Referred::Target], before.as_ref(), now);
        self.pending.upstreams.extend(upstreams);
        self.addresses(key);
    }

    /// The addresses behind a Target, which follow from its entry.
    fn addresses(&mut self, key: &ObjectKey) {
        let id = EntryId { kind: EntryKind::Endpoints, key: key.clone() };
        let entry = self.targets.entries.get(key);
        let endpoints = entry.and_then(|entry| services::endpoints(key, entry, &self.objects.services));
        // A Target that proxies are told to keep may have addresses there, which are kept with it.
        let keep = self.ledger.keep.contains(&EntryId { kind: EntryKind::Target, key: key.clone() });
        let changed = match endpoints {
            Some(endpoints) => put(&mut self.endpoints, key, endpoints),
            None => self.endpoints.remove(key).is_some(),
        };
        if keep || self.endpoints.contains_key(key) {
            self.ledger.entry(id, changed, keep);
        } else {
            self.ledger.gone(&id, changed);
        }
    }

    /// Takes in what the pending Upstreams fall back to; those that are part of a loop now, or no longer, are pending, too.
    fn fallbacks(&mut self) {
        let fallback = |key: &ObjectKey| match self.objects.upstreams.get(key)? {
            Candidate::Valid(object) => {
                upstream::fallback(&object.spec).map(|name| ObjectKey::new(key.namespace.clone(), name))
            }
            Candidate::Refused(_) => None,
        };
        let now = self.pending.upstreams.iter().map(|key| (key.clone(), fallback(key))).collect();
        self.pending.upstreams.extend(self.fallbacks.replace(now));
    }

    fn upstream(&mut self, key: &ObjectKey) {
        let scope = Scope::of(key, self.suggests);
        let compile = |object: &Upstream, problems: &mut Problems, references: &mut BTreeSet<Reference>| {
            references.extend(upstream::references(&object.spec));
            let pool = upstream::upstream(key, &object.spec, scope, &self.fallbacks, problems);
            let target = |key: &ObjectKey| self.targets.standing(key);
            let upstream = |key: &ObjectKey| self.pools.standing(key);
            upstream::unresolved(&object.spec, scope, &self.objects, target, upstream, problems);
            Verdict::of(pool)
        };
        let made = made(self.objects.upstreams.get(key), compile, no_requests);
        let before = self.pools.settle(key, made, &mut self.ledger);
        let now = self.pools.said.get(key);
        let referrers = [Referred::Upstream, Referred::Fallback];
        let [rules, upstreams] = self.referrers.update(key, referrers, before.as_ref(), now);
        self.pending.rules.extend(rules);
        // What is said of these changes, but not whether they are in force: that ends here.
        self.pending.upstreams.extend(upstreams);
    }

    fn rule(&mut self, key: &ObjectKey) {
        let scope = Scope::of(key, self.suggests);
        let compile = |object: &Rule, problems: &mut Problems, references: &mut BTreeSet<Reference>| {
            references.extend(rule::references(&object.spec));
            let verdict = rule::rule(key, &object.metadata, &object.spec, &self.claims, problems);
            rule::unresolved(&object.spec, scope, &self.objects, |key| self.pools.standing(key), problems);
            verdict
        };
        let refuse = |object: &Rule, problems: &mut Problems| {
            rule::refused(key, &object.metadata, &object.spec, &self.claims, problems)
        };
        let made = made(self.objects.rules.get(key), compile, refuse);
        let in_force = |routes: &OfKind<Route>| {
            let is = routes.standing(key) == Some(Standing::InForce);
            routes.entries.get(key).filter(|_| is).cloned()
        };
        let route_before = in_force(&self.routes);
        let before = self.routes.settle(key, made, &mut self.ledger);
        self.referrers.replace(key, before.as_ref(), self.routes.said.get(key));
        let route = in_force(&self.routes);
        self.overlap.replace(key, route_before.as_ref(), route.as_ref(), &mut self.pending.overlapping);
    }

    /// Says of a Rule which of its matches are hidden.
    fn overlapping(&mut self, key: ObjectKey) {
        let Some(said) = self.routes.said.get_mut(&key) else { return };
        let mut problems = Problems::default();
        if said.standing == Standing::InForce {
            for (field, fault) in self.overlap.never_matching(&key, &self.routes.entries) {
                problems.altered(&field, Reason::NeverMatches, fault);
            }
        }
        let hidden = problems.into_vec().into_boxed_slice();
        if said.hidden != hidden {
            said.hidden = hidden;
            self.ledger.statuses.insert(ObjectId { kind: Kind::Rule, key });
        }
    }
}

/// Compiles one object, if it is there; one that was refused before by what says which requests are its own.
fn made<T: Resource, E>(
    candidate: Option<&Candidate<T>>,
    compile: impl FnOnce(&T, &mut Problems, &mut BTreeSet<Reference>) -> Verdict<E>,
    refuse: impl FnOnce(&T, &mut Problems) -> Verdict<E>,
) -> Option<Made<E>> {
    let mut references = BTreeSet::new();
    Some(match candidate? {
        Candidate::Valid(object) => {
            let mut problems = Problems::default();
            let verdict = compile(object, &mut problems, &mut references);
            Made { verdict, generation: object.meta().generation, problems, references }
        }
        Candidate::Refused(refused) => {
            let mut problems = Problems::found(&refused.problems);
            let unknown = Verdict::Refused(Otherwise::Unknown);
            let verdict = refused.requests.as_ref().map_or(unknown, |requests| refuse(requests, &mut problems));
            Made { verdict, generation: refused.generation, problems, references }
        }
    })
}

/// What an object that is no Rule comes to where it was refused before.
fn no_requests<T, E>(_: &T, _: &mut Problems) -> Verdict<E> {
    Verdict::Refused(Otherwise::Unknown)
}
