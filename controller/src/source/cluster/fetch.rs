//! Reads whole what a Target refers to.

use std::sync::Arc;

use kube::Client;
use serde::de::DeserializeOwned;
use sluicegate_table::ObjectKey;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Event;
use super::backoff::Backoff;
use super::failure::Failure;
use super::follow::{ANSWER, silent};
use super::projected::{ConfigMapContent, SecretContent, ServiceObject, Slice, Version, slices_of};
use super::references::Reference;
use super::resource::{Part, Resource};
use super::troubles::Troubles;

/// How many are read at once: a start with thousands of Secrets must not look like an attack.
const AT_ONCE: usize = 16;

/// What was read; `None`: it does not exist.
pub(super) enum Fetched {
    /// A Secret.
    Secret(Option<SecretContent>),
    /// A `ConfigMap`.
    ConfigMap(Option<ConfigMapContent>),
    /// A Service, what is behind it, and the version as of which that is.
    Service(Option<ServiceObject>, Vec<Slice>, Version),
}

/// Starts readings.
pub(super) struct Fetcher {
    client: Client,
    events: mpsc::Sender<Event>,
    troubles: Troubles,
    permits: Arc<Semaphore>,
    started: u64,
}

/// A reading under way. Dropping it ends it.
pub(super) struct Fetch {
    /// Tells it from one that was ended and whose result is still on its way.
    pub(super) id: u64,
    /// Something changed since it began: what it finds may be out of date.
    pub(super) again: bool,
    task: JoinHandle<()>,
    what: String,
    troubles: Troubles,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
        self.troubles.over(&self.what);
    }
}

impl Fetcher {
    pub(super) fn new(client: Client, events: mpsc::Sender<Event>, troubles: Troubles) -> Self {
        Self { client, events, troubles, permits: Arc::new(Semaphore::new(AT_ONCE)), started: 0 }
    }

    /// Begins to read. The result comes as an event, after as many tries as it takes; that it may not be read, as one
    /// before.
    pub(super) fn start(&mut self, reference: Reference) -> Fetch {
        self.started += 1;
        let id = self.started;
        let what = format!("reading {reference}");
        let reading = Reading { client: self.client.clone(), reference };
        let (events, permits) = (self.events.clone(), Arc::clone(&self.permits));
        let (troubles, named) = (self.troubles.clone(), what.clone());
        let task = tokio::spawn(async move {
            let mut backoff = Backoff::default();
            let mut told = None;
            loop {
                let permit = permits.acquire().await;
                let failure = match reading.read().await {
                    Ok(fetched) => {
                        // The receiver is gone while everything ends.
                        let _ = events.send(Event::Fetched(reading.reference, id, fetched)).await;
                        return;
                    }
                    Err(failure) => failure,
                };
                drop(permit);
                let remedy = failure.remedy(reading.resource());
                let remedy = remedy.map(|remedy| format!(" ({remedy})")).unwrap_or_default();
                let why: Arc<str> = format!("{failure}{remedy}").into();
                troubles.note(&named, &why);
                // Whoever refers to it is told: that lasts until somebody grants the right. What else fails passes.
                if failure.is_forbidden() && told.as_ref() != Some(&why) {
                    told = Some(Arc::clone(&why));
                    let _ = events.send(Event::Forbidden(reading.reference.clone(), id, why)).await;
                }
                tokio::time::sleep(backoff.next()).await;
            }
        });
        Fetch { id, again: false, task, what, troubles: self.troubles.clone() }
    }
}

struct Reading {
    client: Client,
    reference: Reference,
}

impl Reading {
    fn resource(&self) -> Resource {
        match self.reference {
            Reference::Secret(_) => Resource::Secret,
            Reference::ConfigMap(_) => Resource::ConfigMap,
            Reference::Service(_) => Resource::Service,
        }
    }

    async fn read(&self) -> Result<Fetched, Failure> {
        match &self.reference {
            Reference::Secret(key) => Ok(Fetched::Secret(self.get(key).await?)),
            Reference::ConfigMap(key) => Ok(Fetched::ConfigMap(self.get(key).await?)),
            Reference::Service(key) => {
                let service = self.get(key).await?;
                let (slices, version) = self.slices(key).await?;
                Ok(Fetched::Service(service, slices, version))
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, key: &ObjectKey) -> Result<Option<T>, Failure> {
        let request = self.resource().get(&key.namespace, &key.name).map_err(|_| Failure::Nonsense)?;
        match self.answer(request).await {
            Ok(object) => Ok(Some(object)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// All slices of a Service at once: there is one for every hundred pods.
    async fn slices(&self, key: &ObjectKey) -> Result<(Vec<Slice>, Version), Failure> {
        let namespace = Some(key.namespace.as_str().into());
        let part = Part { resource: Resource::Slice, namespace, selector: slices_of(&key.name).into() };
        let request = part.list(None, false).map_err(|_| Failure::Nonsense)?;
        let page: super::follow::Page<Slice> = self.answer(request).await?;
        Ok((page.items.unwrap_or_default(), page.metadata.resource_version))
    }

    async fn answer<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, Failure> {
        // The client's own way to read an answer into a type logs the answer where that fails, and it may be a Secret.
        let answer = self.client.request_text(request);
        let text = timeout(ANSWER, answer).await.map_err(|_| silent())?.map_err(Failure::of)?;
        serde_json::from_str(&text).map_err(|_| Failure::Nonsense)
    }
}
