//! What Targets refer to: Secrets, `ConfigMap`s and Services, held while a Target refers to them and not otherwise.
//!
//! Watches show every object of their kind. Of those that no Target refers to nothing is kept; so an object that comes
//! to be referred to later is read then. What a reading finds and what a watch shows may overtake each other; the older
//! of two views never replaces the newer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sluicegate_table::ObjectKey;

use super::behind::Behind;
use super::fetch::{Fetched, Fetcher};
use super::follow::Sighting;
use super::projected::{MetadataOnly, Named, ServiceObject, Slice, Version};
use super::references::Reference;
use super::resource::{Part, Resource};
use super::wanted::{Wanted, change, config_map, secret};
use crate::objects::Change;

/// What Targets refer to.
pub(super) struct Contents {
    wanted: BTreeMap<Reference, Wanted>,
    /// Which Service each held slice belongs to: a slice may change hands.
    owners: BTreeMap<ObjectKey, ObjectKey>,
    /// What the list under way of each part has shown.
    seen: BTreeMap<Arc<Part>, BTreeSet<ObjectKey>>,
    /// The parts that were listed in full.
    listed: BTreeSet<Arc<Part>>,
    /// Watches have begun: what is referred to from now on is read by itself, the lists having passed it by.
    watching: bool,
    news: BTreeSet<Reference>,
    /// Of what it was said that it may not be read.
    told_unreadable: BTreeSet<Reference>,
    fetcher: Fetcher,
}

impl Contents {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self {
            wanted: BTreeMap::new(),
            owners: BTreeMap::new(),
            seen: BTreeMap::new(),
            listed: BTreeSet::new(),
            watching: false,
            news: BTreeSet::new(),
            told_unreadable: BTreeSet::new(),
            fetcher,
        }
    }

    /// From now on watches show what there is.
    pub(super) fn watching(&mut self) {
        self.watching = true;
    }

    /// How many parts were listed in full at least once.
    pub(super) fn listed(&self) -> usize {
        self.listed.len()
    }

    /// A Target refers to this; it did not before.
    pub(super) fn want(&mut self, reference: &Reference) {
        if self.wanted.contains_key(reference) {
            return;
        }
        let fetch = self.watching.then(|| self.fetcher.start(reference.clone()));
        self.wanted.insert(reference.clone(), Wanted { fetch, ..Wanted::default() });
    }

    /// No Target refers to this any more. Gives the changes that this is, where anything was known of it.
    pub(super) fn forget(&mut self, reference: &Reference) -> Vec<Change> {
        let Some(wanted) = self.wanted.remove(reference) else { return Vec::new() };
        self.news.remove(reference);
        if let Reference::Service(service) = reference {
            self.owners.retain(|_, owner| owner != service);
        }
        let told = self.told_unreadable.remove(reference);
        let held = wanted.held.map(|_| change(reference, None));
        held.into_iter().chain(told.then(|| Change::Unreadable(reference.clone(), None))).collect()
    }

    /// Whether it is known what this is, or that it may not be read.
    pub(super) fn knows(&self, reference: &Reference) -> bool {
        self.wanted.get(reference).is_some_and(Wanted::is_settled)
    }

    /// Whether that is known of everything.
    pub(super) fn knows_all(&self) -> bool {
        self.wanted.values().all(Wanted::is_settled)
    }

    /// What became known or different since the last call.
    pub(super) fn take_news(&mut self) -> Vec<(Reference, Change)> {
        let mut changes = Vec::new();
        for reference in std::mem::take(&mut self.news) {
            let Some(wanted) = self.wanted.get(&reference) else { continue };
            if wanted.known {
                changes.push((reference.clone(), change(&reference, wanted.held.clone())));
            }
            let told = self.told_unreadable.remove(&reference);
            if wanted.forbidden.is_some() {
                self.told_unreadable.insert(reference.clone());
            }
            if told || wanted.forbidden.is_some() {
                changes.push((reference.clone(), Change::Unreadable(reference, wanted.forbidden.clone())));
            }
        }
        changes
    }

    /// What a watch of Secrets or `ConfigMap`s shows.
    pub(super) fn metadata(&mut self, part: &Arc<Part>, sighting: Sighting<MetadataOnly>) {
        let of = if part.resource == Resource::Secret { Reference::Secret } else { Reference::ConfigMap };
        match self.listing(part, sighting) {
            Seen::Nothing => {}
            Seen::Applied(objects) => {
                for object in objects {
                    self.changed(of(object.key()), &object.metadata().resource_version);
                }
            }
            Seen::Deleted(object) => {
                let version = object.metadata().resource_version.clone();
                self.gone(&of(object.key()), &version);
            }
            Seen::All(seen, version) => {
                let missing = |reference: &Reference| match (reference, part.resource) {
                    (Reference::Secret(key), Resource::Secret) | (Reference::ConfigMap(key), Resource::ConfigMap) => {
                        part.covers(&key.namespace) && !seen.contains(key)
                    }
                    _ => false,
                };
                for reference in self.wanted.keys().filter(|reference| missing(reference)).cloned().collect::<Vec<_>>()
                {
                    // What is being read is found out by that.
                    if self.wanted.get(&reference).is_some_and(|wanted| wanted.fetch.is_none()) {
                        self.gone(&reference, &version);
                    }
                }
            }
        }
    }

    /// A Secret or `ConfigMap` that exists in this version.
    fn changed(&mut self, reference: Reference, version: &Version) {
        let Some(wanted) = self.wanted.get_mut(&reference) else { return };
        match &mut wanted.fetch {
            Some(fetch) => fetch.again = true,
            None if wanted.version == *version || version.is_before(&wanted.version) => {}
            None => wanted.fetch = Some(self.fetcher.start(reference)),
        }
    }

    /// A Secret or `ConfigMap` that did not exist as of this version.
    fn gone(&mut self, reference: &Reference, version: &Version) {
        let Some(wanted) = self.wanted.get_mut(reference) else { return };
        if version.is_before(&wanted.version) {
            return;
        }
        wanted.fetch = None;
        wanted.version = version.clone();
        if wanted.know(None) {
            self.news.insert(reference.clone());
        }
    }

    /// What a watch of Services shows.
    pub(super) fn service(&mut self, part: &Arc<Part>, sighting: Sighting<ServiceObject>) {
        match self.listing(part, sighting) {
            Seen::Nothing => {}
            Seen::Applied(objects) => {
                for object in objects {
                    let version = object.metadata.resource_version.clone();
                    self.behind(&Reference::Service(object.key()), &version, |behind| behind.service = Some(object));
                }
            }
            Seen::Deleted(object) => {
                let version = &object.metadata.resource_version;
                self.behind(&Reference::Service(object.key()), version, |behind| behind.service = None);
            }
            Seen::All(seen, version) => {
                for reference in self.services(part) {
                    let Reference::Service(key) = &reference else { continue };
                    let under_way = self.wanted.get(&reference).is_some_and(|wanted| wanted.fetch.is_some());
                    if !seen.contains(key) && !under_way {
                        self.behind(&reference, &version, |behind| behind.service = None);
                    }
                    self.settle(&reference);
                }
            }
        }
    }

    /// What a watch of slices shows.
    pub(super) fn slice(&mut self, part: &Arc<Part>, sighting: Sighting<Slice>) {
        match self.listing(part, sighting) {
            Seen::Nothing => {}
            Seen::Applied(slices) => {
                for slice in slices {
                    self.slice_applied(slice);
                }
            }
            Seen::Deleted(slice) => self.slice_gone(&slice.key(), &slice.metadata.resource_version),
            Seen::All(seen, version) => {
                let held = self.owners.keys().filter(|key| part.covers(&key.namespace) && !seen.contains(key));
                for slice in held.cloned().collect::<Vec<_>>() {
                    self.slice_gone(&slice, &version);
                }
                for reference in self.services(part) {
                    self.settle(&reference);
                }
            }
        }
    }

    fn slice_applied(&mut self, slice: Slice) {
        let (key, service, version) = (slice.key(), slice.service_key(), slice.metadata.resource_version.clone());
        if self.owners.get(&key).is_some_and(|owner| Some(owner) != service.as_ref()) {
            self.slice_gone(&key, &version);
        }
        let Some(service) = service else { return };
        let reference = Reference::Service(service.clone());
        let Some(wanted) = self.wanted.get(&reference) else { return };
        let known = wanted.behind.slices.get(&slice.metadata.name);
        let after = known.map_or(&wanted.behind.as_of, |known| &known.metadata.resource_version);
        if version.is_before(after) {
            return;
        }
        self.owners.insert(key, service);
        let changed = |behind: &mut Behind| drop(behind.slices.insert(slice.metadata.name.clone(), slice));
        self.behind(&reference, &Version::default(), changed);
    }

    fn slice_gone(&mut self, slice: &ObjectKey, version: &Version) {
        let Some(service) = self.owners.get(slice).cloned() else { return };
        let reference = Reference::Service(service);
        let known = self.wanted.get(&reference).and_then(|wanted| wanted.behind.slices.get(slice.name.as_str()));
        if known.is_some_and(|known| version.is_before(&known.metadata.resource_version)) {
            return;
        }
        self.owners.remove(slice);
        let changed = |behind: &mut Behind| drop(behind.slices.remove(slice.name.as_str()));
        self.behind(&reference, &Version::default(), changed);
    }

    /// Changes what is held of a Service, unless `version` (empty: to be taken as it is) is older than that of the
    /// Service that is held.
    fn behind(&mut self, reference: &Reference, version: &Version, change: impl FnOnce(&mut Behind)) {
        let Some(wanted) = self.wanted.get_mut(reference) else { return };
        if let Some(fetch) = &mut wanted.fetch {
            fetch.again = true;
            return;
        }
        if version.is_before(&wanted.version) {
            return;
        }
        if *version != Version::default() {
            wanted.version = version.clone();
        }
        change(&mut wanted.behind);
        if wanted.known && wanted.know_behind() {
            self.news.insert(reference.clone());
        }
    }

    /// A Service is known once both its own list and that of slices were seen.
    fn settle(&mut self, reference: &Reference) {
        let Reference::Service(key) = reference else { return };
        let listed = |resource| self.listed.iter().any(|part| part.resource == resource && part.covers(&key.namespace));
        let complete = listed(Resource::Service) && listed(Resource::Slice);
        let Some(wanted) = self.wanted.get_mut(reference) else { return };
        if complete && !wanted.known && wanted.fetch.is_none() && wanted.know_behind() {
            self.news.insert(reference.clone());
        }
    }

    /// The Services of a part that Targets refer to.
    fn services(&self, part: &Part) -> Vec<Reference> {
        let of_part =
            |reference: &&Reference| matches!(reference, Reference::Service(key) if part.covers(&key.namespace));
        self.wanted.keys().filter(of_part).cloned().collect()
    }

    /// What a reading found.
    pub(super) fn fetched(&mut self, reference: Reference, id: u64, fetched: Fetched) {
        let Some(wanted) = self.wanted.get_mut(&reference) else { return };
        let Some(fetch) = wanted.fetch.take_if(|fetch| fetch.id == id) else { return };
        let again = fetch.again;
        drop(fetch);
        let news = match (fetched, &reference) {
            (Fetched::Secret(found), _) => {
                let (version, held) = found.map(secret).unzip();
                wanted.version = version.unwrap_or_default();
                wanted.know(held)
            }
            (Fetched::ConfigMap(found), _) => {
                let (version, held) = found.map(config_map).unzip();
                wanted.version = version.unwrap_or_default();
                wanted.know(held)
            }
            (Fetched::Service(service, slices, as_of), Reference::Service(key)) => {
                wanted.version =
                    service.as_ref().map(|found| found.metadata.resource_version.clone()).unwrap_or_default();
                self.owners.retain(|_, owner| owner != key);
                self.owners.extend(slices.iter().map(|slice| (slice.key(), key.clone())));
                let slices = slices.into_iter().map(|slice| (slice.metadata.name.clone(), slice)).collect();
                wanted.behind = Behind { service, slices, as_of };
                wanted.know_behind()
            }
            (Fetched::Service(..), _) => false,
        };
        if again {
            wanted.fetch = Some(self.fetcher.start(reference.clone()));
        }
        if news {
            self.news.insert(reference);
        }
    }

    /// The controller has no right to read this. What was read before is held on to: to take it for gone would take
    /// credentials from targets that are in use.
    pub(super) fn forbidden(&mut self, reference: Reference, id: u64, why: Arc<str>) {
        let Some(wanted) = self.wanted.get_mut(&reference) else { return };
        if wanted.fetch.as_ref().is_some_and(|fetch| fetch.id == id) {
            wanted.forbidden = Some(why);
            self.news.insert(reference);
        }
    }

    /// Keeps book of lists.
    fn listing<T: Named>(&mut self, part: &Arc<Part>, sighting: Sighting<T>) -> Seen<T> {
        match sighting {
            Sighting::Begins => {
                self.seen.insert(Arc::clone(part), BTreeSet::new());
                Seen::Nothing
            }
            Sighting::Listed(objects) => {
                let held = |key: &ObjectKey| match part.resource {
                    Resource::Secret => self.wanted.contains_key(&Reference::Secret(key.clone())),
                    Resource::ConfigMap => self.wanted.contains_key(&Reference::ConfigMap(key.clone())),
                    Resource::Service => self.wanted.contains_key(&Reference::Service(key.clone())),
                    _ => true,
                };
                let keys = objects.iter().map(Named::key).filter(held).collect::<Vec<_>>();
                self.seen.entry(Arc::clone(part)).or_default().extend(keys);
                Seen::Applied(objects)
            }
            Sighting::Ends(version) => {
                self.listed.insert(Arc::clone(part));
                Seen::All(self.seen.remove(part).unwrap_or_default(), version)
            }
            Sighting::Applied(object) => Seen::Applied(vec![object]),
            Sighting::Deleted(object) => Seen::Deleted(object),
        }
    }
}

/// What a sighting says of objects.
enum Seen<T> {
    Nothing,
    Applied(Vec<T>),
    Deleted(T),
    /// These, and as of this version no others.
    All(BTreeSet<ObjectKey>, Version),
}
