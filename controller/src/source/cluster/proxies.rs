//! The proxies that there are: the ready pods behind their Service.
//!
//! Status counts against these, not against who is connected: a proxy that lost the controller still serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;
use sluicegate_table::ObjectKey;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::follow::{Follower, Sighting};
use super::projected::{Endpoint, Named, Slice, slices_of};
use super::resource::{Part, Resource};
use super::troubles::Troubles;

/// The names of the ready proxies' pods by their UIDs.
pub type ReadyProxies = BTreeMap<String, String>;

/// Follows the slices of a Service until nobody looks any more. `None` until they were listed.
pub(super) async fn follow(
    client: Client,
    namespace: String,
    service: String,
    troubles: Troubles,
    ready: watch::Sender<Option<Arc<ReadyProxies>>>,
) {
    let (sender, mut events) = mpsc::channel(8);
    let selector = slices_of(&service).into();
    let part = Part { resource: Resource::Slice, namespace: Some(namespace.into()), selector };
    let mut followers = JoinSet::new();
    followers.spawn(Follower::new(client, part, |_, sighting| sighting, sender, troubles).run());
    let mut slices: BTreeMap<ObjectKey, Vec<Endpoint>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut listed = false;
    while let Some(sighting) = events.recv().await {
        match sighting {
            Sighting::Begins => seen.clear(),
            Sighting::Listed(page) => {
                seen.extend(page.iter().map(Slice::key));
                slices.extend(page.into_iter().map(|slice| (slice.key(), slice.endpoints)));
            }
            Sighting::Ends(_) => {
                slices.retain(|key, _| seen.contains(key));
                listed = true;
            }
            Sighting::Applied(slice) => drop(slices.insert(slice.key(), slice.endpoints)),
            Sighting::Deleted(slice) => drop(slices.remove(&slice.key())),
        }
        if listed {
            let pods = slices
                .values()
                .flatten()
                .filter(|endpoint| endpoint.ready)
                .filter_map(|endpoint| endpoint.pod.as_ref());
            let now: ReadyProxies = pods.map(|(uid, name)| (uid.to_string(), name.to_string())).collect();
            ready.send_if_modified(|known| {
                let news = known.as_deref() != Some(&now);
                if news {
                    *known = Some(Arc::new(now));
                }
                news
            });
        }
    }
}
