//! Puts together what all watches show, and passes on what changed.
//!
//! One task owns all of it. What it passes on waits in one place while the receiver is busy, later changes of an object
//! replacing earlier ones; so a thousand edits at once are a few batches, and a single edit waits for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;
use sluicegate_crds::Target;
use sluicegate_table::ObjectKey;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::candidate;
use super::contents::Contents;
use super::fetch::Fetcher;
use super::follow::{Follower, Sighting};
use super::live::{Live, LiveObjects};
use super::projected::{Named, OwnObject};
use super::references::Reference;
use super::resource::{Part, Resource};
use super::targets::Targets;
use super::troubles::Troubles;
use super::{Batch, Event};
use crate::objects::{Candidate, Change, Kind, ObjectId};

/// How many events wait at most; a page of a list is one.
const WAITING: usize = 64;

/// What is looked at, and by whom it is said to be ours.
pub(super) struct Scope {
    /// The namespaces; `None` alone: all of them.
    pub(super) namespaces: Vec<Option<Box<str>>>,
    /// The label selector of our own kinds.
    pub(super) selector: Box<str>,
}

/// The task's state.
pub(super) struct Gatherer {
    client: Client,
    scope: Scope,
    troubles: Troubles,
    live: LiveObjects,
    targets: Targets,
    contents: Contents,
    /// What the list under way of each part has shown.
    seen: BTreeMap<Arc<Part>, BTreeSet<ObjectKey>>,
    /// The parts of our own kinds that were listed in full.
    listed: BTreeSet<Arc<Part>>,
    /// What is to be passed on.
    pending: BTreeMap<Subject, Change>,
    initial: bool,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    followers: JoinSet<()>,
}

/// What a change is about: the later of two changes of one subject is enough.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Secret(ObjectKey),
    ConfigMap(ObjectKey),
    Service(ObjectKey),
    Target(ObjectKey),
    Upstream(ObjectKey),
    Rule(ObjectKey),
    Unreadable(Reference),
}

impl Gatherer {
    pub(super) fn new(client: Client, scope: Scope, live: LiveObjects, troubles: Troubles) -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        let fetcher = Fetcher::new(client.clone(), sender.clone(), troubles.clone());
        Self {
            client,
            scope,
            troubles,
            live,
            targets: Targets::default(),
            contents: Contents::new(fetcher),
            seen: BTreeMap::new(),
            listed: BTreeSet::new(),
            pending: BTreeMap::new(),
            initial: true,
            sender,
            events,
            followers: JoinSet::new(),
        }
    }

    /// Works until nobody receives any more.
    pub(super) async fn run(mut self, batches: mpsc::Sender<Batch>) {
        for kind in [Kind::Target, Kind::Upstream, Kind::Rule] {
            self.follow(Resource::Own(kind), Event::Own);
        }
        let mut events = Vec::new();
        loop {
            let ready = if self.initial { self.complete() } else { !self.pending.is_empty() };
            tokio::select! {
                biased;
                permit = batches.reserve(), if ready => match permit {
                    Ok(permit) => permit.send(self.batch()),
                    Err(_) => return,
                },
                () = batches.closed() => return,
                // A follower goes on for ever, unless it fails as no program should. To go on without it would be to
                // miss edits in silence; the end of the batches is heard.
                Some(ended) = self.followers.join_next() => {
                    tracing::error!(?ended, "a watch ended for good");
                    return;
                }
                _ = self.events.recv_many(&mut events, WAITING) => {
                    for event in events.drain(..) {
                        self.take(event);
                        // A page of a list is work for a fifth of a second, and the lease is not to wait for ten of them.
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    fn follow<T: Named>(&mut self, resource: Resource, tell: fn(Arc<Part>, Sighting<T>) -> Event) {
        let selector = if matches!(resource, Resource::Own(_)) { self.scope.selector.clone() } else { "".into() };
        for namespace in self.scope.namespaces.clone() {
            let part = Part { resource, namespace, selector: selector.clone() };
            let troubles = self.troubles.clone();
            let follower = Follower::new(self.client.clone(), part, tell, self.sender.clone(), troubles);
            self.followers.spawn(follower.run());
        }
    }

    /// What Targets refer to is watched once it is known what that is.
    fn follow_the_rest(&mut self) {
        self.contents.watching();
        self.follow(Resource::Service, Event::Service);
        self.follow(Resource::Slice, Event::Slice);
        self.follow(Resource::Secret, Event::Metadata);
        self.follow(Resource::ConfigMap, Event::Metadata);
    }

    /// Everything was listed once, and what is referred to is known.
    fn complete(&self) -> bool {
        let parts = self.scope.namespaces.len();
        let listed = self.listed.len() == 3 * parts && self.contents.listed() == 4 * parts;
        listed && !self.targets.any_waits() && self.contents.knows_all()
    }

    fn batch(&mut self) -> Batch {
        let changes = std::mem::take(&mut self.pending).into_values().collect();
        if std::mem::take(&mut self.initial) { Batch::Initial(changes) } else { Batch::Changes(changes) }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Own(part, sighting) => self.own(&part, sighting),
            Event::Service(part, sighting) => self.contents.service(&part, sighting),
            Event::Slice(part, sighting) => self.contents.slice(&part, sighting),
            Event::Metadata(part, sighting) => self.contents.metadata(&part, sighting),
            Event::Fetched(reference, id, fetched) => self.contents.fetched(reference, id, fetched),
            Event::Forbidden(reference, id, why) => self.contents.forbidden(reference, id, why),
        }
        for (reference, change) in self.contents.take_news() {
            self.put(change);
            for change in self.targets.known(&reference, &mut self.contents) {
                self.put(change);
            }
        }
    }

    fn own(&mut self, part: &Arc<Part>, sighting: Sighting<OwnObject>) {
        let Resource::Own(kind) = part.resource else { return };
        match sighting {
            Sighting::Begins => drop(self.seen.insert(Arc::clone(part), BTreeSet::new())),
            Sighting::Listed(objects) => {
                self.seen.entry(Arc::clone(part)).or_default().extend(objects.iter().map(Named::key));
                for object in objects {
                    self.applied(kind, object);
                }
            }
            Sighting::Ends(_) => {
                let seen = self.seen.remove(part).unwrap_or_default();
                let gone = |id: &ObjectId| id.kind == kind && part.covers(&id.key.namespace) && !seen.contains(&id.key);
                for id in self.live.ids(gone) {
                    self.gone(&id);
                }
                let first = self.listed.insert(Arc::clone(part));
                let all = self.listed.iter().filter(|part| part.resource == Resource::Own(Kind::Target)).count();
                if first && kind == Kind::Target && all == self.scope.namespaces.len() {
                    self.follow_the_rest();
                }
            }
            Sighting::Applied(object) => self.applied(kind, object),
            Sighting::Deleted(object) => self.gone(&ObjectId { kind, key: object.key() }),
        }
    }

    /// An object as it is now. A write of its status alone, such as our own, changes nothing that is passed on.
    fn applied(&mut self, kind: Kind, object: OwnObject) {
        let id = ObjectId { kind, key: object.key() };
        let before = self.live.insert(id.clone(), Live::from(&object));
        let metadata = &object.metadata;
        if before.is_some_and(|before| before.uid == metadata.uid && before.generation == metadata.generation) {
            return;
        }
        match candidate::change(kind, id.key, object) {
            Change::Target(key, candidate) => self.target(&key, candidate),
            change => self.put(change),
        }
    }

    fn gone(&mut self, id: &ObjectId) {
        if !self.live.remove(id) {
            return;
        }
        let key = id.key.clone();
        match id.kind {
            Kind::Rule => self.put(Change::Rule(key, None)),
            Kind::Upstream => self.put(Change::Upstream(key, None)),
            Kind::Target => self.target(&key, None),
        }
    }

    fn target(&mut self, key: &ObjectKey, candidate: Option<Candidate<Target>>) {
        for change in self.targets.changed(key, candidate, &mut self.contents) {
            self.put(change);
        }
    }

    fn put(&mut self, change: Change) {
        let subject = match &change {
            Change::Secret(key, _) => Subject::Secret(key.clone()),
            Change::ConfigMap(key, _) => Subject::ConfigMap(key.clone()),
            Change::Service(key, _) => Subject::Service(key.clone()),
            Change::Target(key, _) => Subject::Target(key.clone()),
            Change::Upstream(key, _) => Subject::Upstream(key.clone()),
            Change::Rule(key, _) => Subject::Rule(key.clone()),
            Change::Unreadable(reference, _) => Subject::Unreadable(reference.clone()),
        };
        self.pending.insert(subject, change);
    }
}
