//! A cluster of objects, proxies and a writer between them, on a clock of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sluicegate_crds::status::{ConditionType, Reason};
use sluicegate_table::watch::{EndpointReport, EntryId, Refusal, Report, Version};
use sluicegate_table::{ObjectKey, Table};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use crate::collect::{Fleet, ProxyId};
use crate::compile::ObjectStatus;
use crate::lead::{Leadership, Standing};
use crate::objects::{Kind, ObjectId};
use crate::publish::Published;
use crate::status::object::entry_of;
use crate::status::{EventSink, Inputs, Known, Status, Store, Transition, Verdicts, WriteError, Writer};

/// What the API server holds, and what its watches have shown.
#[derive(Default)]
pub(super) struct Server {
    pub(super) objects: BTreeMap<ObjectId, Known>,
    pub(super) watched: BTreeMap<ObjectId, Known>,
    pub(super) version: u64,
    /// Watches show nothing new.
    pub(super) watches_lag: bool,
    /// Writes get no answer.
    pub(super) away: bool,
    /// Writes are done, and get no answer.
    pub(super) answers_lost: bool,
    pub(super) writes: Vec<ObjectId>,
    pub(super) events: Vec<Transition>,
    /// The most writes that were under way at once.
    pub(super) most_at_once: usize,
    at_once: usize,
}

impl Server {
    fn put(&mut self, id: &ObjectId, mut known: Known) -> Known {
        self.version += 1;
        known.resource_version = self.version.to_string();
        self.objects.insert(id.clone(), known.clone());
        if !self.watches_lag {
            self.watched.insert(id.clone(), known.clone());
        }
        known
    }
}

#[derive(Clone, Default)]
pub(super) struct Shared(pub(super) Arc<Mutex<Server>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap()
    }
}

/// How long a write takes.
const WRITE: Duration = Duration::from_millis(10);

impl Store for Shared {
    fn known(&self, id: &ObjectId) -> Option<Known> {
        self.lock().watched.get(id).cloned()
    }

    async fn read(&self, id: &ObjectId) -> Result<Option<Known>, WriteError> {
        Ok(self.lock().objects.get(id).cloned())
    }

    async fn write(&self, id: &ObjectId, known: &Known, status: &Status) -> Result<Known, WriteError> {
        {
            let mut server = self.lock();
            server.at_once += 1;
            server.most_at_once = server.most_at_once.max(server.at_once);
        }
        sleep(WRITE).await;
        let away = self.lock().away;
        if away {
            std::future::pending::<()>().await;
        }
        let (written, lost) = {
            let mut server = self.lock();
            server.at_once -= 1;
            let there = server.objects.get(id).cloned().ok_or(WriteError::Gone)?;
            if there.resource_version != known.resource_version {
                return Err(WriteError::Conflict);
            }
            server.writes.push(id.clone());
            (server.put(id, Known { status: status.clone(), ..there }), server.answers_lost)
        };
        if lost {
            std::future::pending::<()>().await;
        }
        Ok(written)
    }
}

impl EventSink for Shared {
    fn publish(&self, transition: Transition) {
        self.lock().events.push(transition);
    }
}

/// Everything around a writer.
pub(super) struct Fixture {
    pub(super) server: Shared,
    pub(super) fleet: Arc<Fleet>,
    pub(super) proxies: watch::Sender<Option<Arc<BTreeMap<String, String>>>>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) published: Published,
    verdicts: mpsc::UnboundedSender<Verdicts>,
    _writer: Writer,
}

pub(super) fn id(kind: Kind, name: &str) -> ObjectId {
    ObjectId { kind, key: ObjectKey::new("team", name) }
}

pub(super) fn rule(name: &str) -> ObjectId {
    id(Kind::Rule, name)
}

fn condition(type_: ConditionType, status: &str, reason: Reason, generation: i64) -> Condition {
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: "as compile says".to_owned(),
        observed_generation: Some(generation),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// What compile says of an object that is as it should be.
pub(super) fn accepted(generation: i64) -> ObjectStatus {
    let conditions = vec![
        condition(ConditionType::Accepted, "True", Reason::Accepted, generation),
        condition(ConditionType::ResolvedRefs, "True", Reason::ResolvedRefs, generation),
    ];
    ObjectStatus { conditions, ..ObjectStatus::default() }
}

/// What compile says of an object of which a reference does not resolve.
pub(super) fn unresolved(generation: i64, reason: Reason) -> ObjectStatus {
    let mut status = accepted(generation);
    status.conditions[1] = condition(ConditionType::ResolvedRefs, "False", reason, generation);
    status
}

/// What compile says of an object that it refuses.
pub(super) fn refused(generation: i64, reason: Reason) -> ObjectStatus {
    let mut status = accepted(generation);
    status.conditions[0] = condition(ConditionType::Accepted, "False", reason, generation);
    status.conditions[1] = condition(ConditionType::ResolvedRefs, "Unknown", Reason::Invalid, generation);
    status
}

impl Fixture {
    /// A cluster with these ready proxies, which have said nothing yet.
    pub(super) fn new(proxies: &[&str]) -> Self {
        Self::over(Shared::default(), "first", proxies)
    }

    /// Another controller over the same cluster.
    pub(super) fn restarted(self, proxies: &[&str]) -> Self {
        let (server, published) = (self.server.clone(), self.published.clone());
        drop(self);
        let mut fixture = Self::over(server, "second", proxies);
        fixture.published = Published { epoch: "second".to_owned(), ..published };
        fixture
    }

    fn over(server: Shared, epoch: &str, proxies: &[&str]) -> Self {
        let fleet = Arc::new(Fleet::default());
        let (ready, readiness) = watch::channel(None);
        let (verdicts, said) = mpsc::unbounded_channel();
        let standing = Standing::Leads { term: 1, until: Instant::now() + Duration::from_hours(1) };
        let (standing, view) = watch::channel(standing);
        let writer = Writer::start(Inputs {
            verdicts: said,
            fleet: Arc::clone(&fleet),
            proxies: readiness,
            leadership: Leadership::new(view),
            store: server.clone(),
            events: server.clone(),
        });
        let published = Published { epoch: epoch.to_owned(), ..Published::default() };
        let fixture = Self { server, fleet, proxies: ready, standing, published, verdicts, _writer: writer };
        fixture.ready(proxies);
        fixture
    }

    pub(super) fn ready(&self, proxies: &[&str]) {
        let proxies = proxies.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
        self.proxies.send_replace(Some(Arc::new(proxies)));
    }

    /// The object is there in this generation; its status stays.
    pub(super) fn object(&self, id: &ObjectId, generation: i64) {
        let mut server = self.server.lock();
        let there = server.objects.get(id).cloned();
        let status = there.map_or_else(|| Status::none(id.kind), |known| known.status);
        let known = Known { uid: format!("uid of {id}"), generation, resource_version: String::new(), status };
        server.put(id, known);
    }

    /// Compile says this of objects whose entries are new in this version of the table.
    pub(super) fn say(&mut self, said: impl IntoIterator<Item = (ObjectId, ObjectStatus)>) {
        self.say_with(said, |_| {});
    }

    /// As [`Self::say`], with a change of the table.
    pub(super) fn say_with(
        &mut self,
        said: impl IntoIterator<Item = (ObjectId, ObjectStatus)>,
        change: impl FnOnce(&mut Table),
    ) {
        self.published.table.version += 1;
        change(&mut self.published.table);
        let version = self.published.table.version;
        let mut statuses = BTreeMap::new();
        for (id, status) in said {
            self.published.since.insert(entry_of(&id), version);
            statuses.insert(id, Some(status));
        }
        self.verdicts.send(Verdicts { published: self.published.clone(), statuses }).unwrap();
    }

    /// A proxy has the last version in use.
    pub(super) fn applies(&self, proxy: &str) {
        self.reports(proxy, |_| {});
    }

    /// A proxy has the last version in use, and more to say.
    pub(super) fn reports(&self, proxy: &str, more: impl FnOnce(&mut Report)) {
        let id = ProxyId(proxy.to_owned());
        if !self.fleet.proxies().contains_key(&id) {
            self.fleet.connected(&id, proxy);
        }
        let mut report = Report { applied: Some(self.published.version()), ready: true, ..Report::default() };
        more(&mut report);
        self.fleet.reported(&id, report);
    }

    pub(super) fn lost(&self, proxy: &str) {
        self.fleet.disconnected(&ProxyId(proxy.to_owned()));
    }

    /// A condition as `STATUS Reason: message`, with the generation if it is not the object's.
    pub(super) fn shown(&self, id: &ObjectId, type_: ConditionType) -> String {
        let server = self.server.lock();
        let known = &server.objects[id];
        let Some(condition) = known.status.condition(type_) else { return "none".to_owned() };
        let old = if condition.observed_generation == Some(known.generation) { "" } else { " (old)" };
        format!("{} {}: {}{old}", condition.status, condition.reason, condition.message)
    }

    pub(super) fn programmed(&self, id: &ObjectId) -> String {
        self.shown(id, ConditionType::Programmed)
    }

    pub(super) fn healthy(&self, id: &ObjectId) -> String {
        self.shown(id, ConditionType::Healthy)
    }

    pub(super) fn writes(&self) -> usize {
        self.server.lock().writes.len()
    }

    /// The events since the last call, as `Reason` or, of warnings, `!Reason`.
    pub(super) fn events(&self) -> Vec<String> {
        let events = std::mem::take(&mut self.server.lock().events);
        let shown = events.iter().map(|event| format!("{}{}", if event.warning { "!" } else { "" }, event.reason));
        shown.collect()
    }
}

pub(super) fn refusal(id: &ObjectId, reason: &str) -> Refusal {
    Refusal { id: entry_of(id), reason: reason.to_owned() }
}

pub(super) fn entry(id: &ObjectId) -> EntryId {
    entry_of(id)
}

pub(super) fn version(epoch: &str, number: u64) -> Version {
    Version { epoch: epoch.to_owned(), number }
}

pub(super) fn unhealthy(name: &str, address: Option<&str>) -> EndpointReport {
    EndpointReport {
        target: ObjectKey::new("team", name),
        address: address.map(|address| address.parse().unwrap()),
        state: sluicegate_table::watch::EndpointState::Unhealthy,
        reason: None,
        breaker: None,
    }
}

/// Time passes.
pub(super) async fn after(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}
