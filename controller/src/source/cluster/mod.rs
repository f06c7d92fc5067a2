//! A Kubernetes cluster as the source of objects.
//!
//! Our own kinds are watched, and what Targets refer to: Services and their `EndpointSlice`s, Secrets, `ConfigMap`s. Each
//! part is listed and watched by a task of its own (`follow`), which survives whatever becomes of the API server: what is
//! known stays known. One task (`gather`) puts together what they show and passes on what changed.

mod backoff;
mod behind;
mod candidate;
mod contents;
mod failure;
mod fetch;
mod follow;
mod gather;
mod live;
mod projected;
mod proxies;
mod references;
mod resource;
mod targets;
mod troubles;
mod wanted;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use self::live::Live;
pub use self::proxies::ReadyProxies;
pub use self::troubles::{Trouble, Troubles};

use self::fetch::Fetched;
use self::follow::Sighting;
use self::gather::{Gatherer, Scope};
use self::live::LiveObjects;
use self::projected::{MetadataOnly, OwnObject, ServiceObject, Slice};
use self::references::Reference;
use self::resource::Part;
use crate::config::Config;
use crate::objects::{Change, ObjectId};

/// Changes that belong together.
#[derive(Debug)]
pub enum Batch {
    /// All that there is. The first batch, and the only one of this kind: it comes when everything was listed.
    Initial(Vec<Change>),
    /// What changed since.
    Changes(Vec<Change>),
}

/// A cluster that is followed. Dropping it ends that.
#[derive(Debug)]
pub struct Cluster {
    live: LiveObjects,
    troubles: Troubles,
    proxies: watch::Receiver<Option<Arc<ReadyProxies>>>,
    _tasks: JoinSet<()>,
}

/// What the gathering task is told.
enum Event {
    Own(Arc<Part>, Sighting<OwnObject>),
    Service(Arc<Part>, Sighting<ServiceObject>),
    Slice(Arc<Part>, Sighting<Slice>),
    Metadata(Arc<Part>, Sighting<MetadataOnly>),
    Fetched(Reference, u64, Fetched),
    Forbidden(Reference, u64, Arc<str>),
}

impl Cluster {
    /// Begins to follow a cluster. `namespace`: the controller's own, where its proxies are.
    pub fn start(client: &Client, namespace: &str, config: &Config) -> (Self, mpsc::Receiver<Batch>) {
        // One batch under way is enough: what comes after it is put together until it is taken.
        let (batches, receiver) = mpsc::channel(1);
        let (ready, proxies) = watch::channel(None);
        let (live, troubles) = (LiveObjects::default(), Troubles::default());
        let named = config.watch_namespaces.iter().map(|name| Some(name.as_str().into()));
        let mut namespaces: Vec<Option<Box<str>>> = named.collect();
        namespaces.sort();
        namespaces.dedup();
        if namespaces.is_empty() {
            namespaces.push(None);
        }
        let scope = Scope { namespaces, selector: config.object_selector.as_str().into() };
        let mut tasks = JoinSet::new();
        let service = config.proxies.service.clone();
        tasks.spawn(proxies::follow(client.clone(), namespace.to_owned(), service, troubles.clone(), ready));
        tasks.spawn(Gatherer::new(client.clone(), scope, live.clone(), troubles.clone()).run(batches));
        (Self { live, troubles, proxies, _tasks: tasks }, receiver)
    }

    /// One of our own objects as the cluster holds it now; `None`: it holds none.
    pub fn live(&self, id: &ObjectId) -> Option<Arc<Live>> {
        self.live.get(id)
    }

    /// The proxies that are ready; `None` until that is known.
    pub fn proxies(&self) -> watch::Receiver<Option<Arc<ReadyProxies>>> {
        self.proxies.clone()
    }

    /// What does not work at the moment.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }
}
